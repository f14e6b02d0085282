import numpy as np
import pytest

from xhat.apps.label import Ballot, Votes


def test_a_ballot_is_made_whole():
    ballot = Ballot.of([0.3334, 0.3333, 0.3333, 0], 3)
    assert sum(ballot.shares) == pytest.approx(1, abs=1e-15)
    assert not ballot.unsure


def test_cannot_tell_hands_out_nothing():
    assert Ballot.of(None, 3).unsure


@pytest.mark.parametrize(
    ("shares", "error", "said"),
    [
        ("0.5", TypeError, "list of numbers"),
        (0.5, TypeError, "list of numbers"),
        ([True, 0, 0, 0], TypeError, "numbers"),
        (["1", 0, 0, 0], TypeError, "numbers"),
        ([1, 0, 0], ValueError, "4 numbers"),
        ([0.5, 0.4, 0, 0], ValueError, "add up to 1"),
        ([-0.5, 1.5, 0, 0], ValueError, "between 0 and 1"),
        ([float("nan"), 1, 0, 0], ValueError, "between 0 and 1"),
        ([float("inf"), 0, 0, 0], ValueError, "between 0 and 1"),
        ([10**400, 0, 0, 0], ValueError, "between 0 and 1"),
        ([0, 0, 0, 0], ValueError, "add up to 1"),
    ],
)
def test_what_is_no_ballot_is_refused(shares, error, said):
    with pytest.raises(error, match=said):
        Ballot.of(shares, 3)


def test_first_sights_that_say_something_count():
    votes = Votes(
        image=np.array([0, 0, 1]),
        annotator=np.array([0, 0, 1]),
        shares=np.array([[1.0, 0], [0, 1.0], [0, 0]]),
        repeat=np.array([False, True, False]),
        seconds=np.array([1.0, 2.0, np.nan]),
        images=2,
        annotators=2,
    )
    assert votes.unsure.tolist() == [False, False, True]
    assert votes.first().shares.tolist() == [[1.0, 0.0]]
