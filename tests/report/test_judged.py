from collections import Counter

import numpy as np
import pytest

from xhat.judges.outcomes import Outcome
from xhat.report import JudgedRecord
from xhat.report.judged import select_evenly

PLAIN = {"pictures": None, "nearest": None, "starts": None}


def test_it_counts_and_tells_which_axes_are_unusual(make_samples):
    samples = make_samples()
    assert len(samples) == 5
    assert list(samples.counts().items()) == [
        (Outcome.GENUINE, 3),
        (Outcome.OFF_MANIFOLD, 1),
        (Outcome.ADVERSARIAL, 1),
    ]
    assert samples.unusual.tolist() == [[False] * 3] * 2 + [[True, False, False]] * 3


def test_every_axis_may_have_a_level_of_its_own(make_samples):
    samples = make_samples(level=[0.0, 0.02, 0.3])
    assert samples.levels == (0.0, 0.02, 0.3)
    assert samples.unusual[2].tolist() == [False, True, False]  # at its level, p is usual
    assert make_samples().levels == (0.005,) * 3


def test_a_change_is_taken_from_the_start_else_from_the_nearest(make_samples):
    samples = make_samples()
    assert np.array_equal(samples.changes(), samples.pictures - samples.starts)
    samples = make_samples(starts=None)
    assert np.array_equal(samples.changes(), samples.pictures - samples.nearest[:, 0])
    assert make_samples(starts=None, nearest=None, nearest_names=()).changes() is None
    assert make_samples(**PLAIN).changes() is None


def test_little_is_needed():
    samples = JudgedRecord(
        outcomes=["genuine"],
        rules=["none applies"],
        evidence=[""],
        axes=[],
        p_values=np.zeros((1, 0)),
        alpha=0.01,
        level=0.01,
    )
    assert samples.levels == ()
    assert samples.targets is None
    assert samples.nearest_names == ((),)


def test_samples_without_pictures_may_name_their_neighbours(make_samples):
    names = [["a"], [], ["b", "c"], [], []]
    assert make_samples(**PLAIN, nearest_names=names).nearest_names[2] == ("b", "c")


def test_a_judge_that_saw_nothing_is_taken(make_samples):
    votes = np.tile([0.25] * 4, (5, 2, 1))
    votes[1, 0] = 0
    assert make_samples(votes=votes).votes[1, 0].sum() == 0


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"outcomes": []}, "outcomes is empty"),
        ({"outcomes": ["real"] * 5}, "one is 'real'"),
        ({"rules": ["a"] * 4}, "rules must hold one text for each of 5 samples, but has 4"),
        ({"rules": "abcde"}, "rules must hold one text"),
        ({"evidence": ["a"] * 6}, "evidence must hold"),
        ({"targets": ["7"]}, "targets must hold"),
        ({"p_values": np.zeros((5, 2))}, r"p_values must have shape \(5, 3\)"),
        ({"p_values": np.full((5, 3), 1.5)}, r"p_values must lie in \[0, 1\]"),
        ({"p_values": np.full((5, 3), np.nan)}, r"p_values must lie in \[0, 1\]"),
        ({"alpha": 0}, "alpha must lie between 0 and 1"),
        ({"alpha": float("nan")}, "alpha must lie"),
        ({"level": [0.1, 0.2]}, "level must be one number or 3"),
        ({"level": -0.1}, r"level must lie in \[0, 1\]"),
        ({"classes": ["7", "9", "10", "8"]}, 'last of the classes must be "none"'),
        ({"votes": np.ones((5, 2, 3))}, r"votes must have shape \(5, 2, 4\)"),
        ({"votes": np.full((5, 2, 4), 0.2)}, "votes must be distributions"),
        ({"votes": np.full((5, 2, 4), 0.5)}, "votes must be distributions"),
        ({"votes": np.zeros((5, 0, 4)), "members": []}, "pass both"),
        ({"pictures": np.zeros((4, 6, 5))}, r"pictures of the samples must have shape \(5, 6, 5\)"),
        ({"pictures": np.full((5, 6, 5), 2.0)}, r"must lie in \[0, 1\]"),
        ({"pictures": None}, "need the samples' own pictures"),
        ({"starts": np.zeros((5, 5, 6))}, "starts of the samples must have shape"),
        ({"nearest": np.zeros((5, 2, 6, 6))}, "nearest of the samples must have shape"),
        ({"nearest_names": [["a"]] * 5}, "nearest_names must have 5 rows of 2"),
        ({"nearest_names": [["a", "b"]] * 4}, "nearest_names must have 5 rows of 2"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(make_samples, changed, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        make_samples(**changed)
    assert str(caught.value).endswith(".")


def test_bytes_are_refused_with_advice(make_samples):
    with pytest.raises(TypeError, match="x / 255"):
        make_samples(pictures=np.zeros((5, 6, 5), dtype=np.uint8))


def test_a_selection_is_even_over_outcomes():
    words = ["genuine"] * 900 + ["adversarial"] * 95 + ["unreached"] * 5
    chosen = select_evenly(words, 41)
    assert chosen == sorted(set(chosen))
    assert Counter(words[k] for k in chosen) == {"genuine": 18, "adversarial": 18, "unreached": 5}
    assert chosen[0] == 0
    assert 899 in chosen
    assert max(np.diff(chosen[:18])) <= 54


@pytest.mark.parametrize("most", [5, 6, 1000])
def test_few_samples_are_all_selected(most):
    assert select_evenly(["genuine", "adversarial", "genuine", "mistaken", "genuine"], most) == [
        0,
        1,
        2,
        3,
        4,
    ]
