import numpy as np
import pytest

from tests.apps.label.collections import NOW, collection, items
from xhat.apps.label import (
    Annotator,
    Database,
    Settings,
    agreement,
    draw_annotator,
    enter,
    entropy,
    mean_shares,
    person_rows,
    progress,
    read_votes,
    simulate,
)

SETTINGS = Settings(classes=("0", "1", "2"), each=5, repeats=0.1, golds=0.1, quota=60)


def votes_in(database, **options):
    with database.read() as connection:
        return read_votes(connection, SETTINGS, simulated=True, **options)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A collection of 60 images, half of them ambiguous, on which eight have voted."""
    folder = tmp_path_factory.mktemp("crowd")
    images = items(70, golds=10)
    with collection(folder / "a.sqlite", settings=SETTINGS, images=images) as made:
        seen = np.full((70, 4), 0.01)
        for k, item in enumerate(images):
            seen[k, item.label if item.label is not None else k % 3] = 0.97
            if k < 30:
                seen[k] = [0.5, 0.5, 0, 0]
        simulate(made, 8, NOW, seen=seen, seed=3)
        yield made


def test_they_come_as_far_as_people_would(crowd):
    with crowd.read() as connection:
        people, far = person_rows(connection, NOW, simulated=True), progress(connection)
    assert len(people) == 8
    assert max(person.votes for person in people) <= SETTINGS.quota
    assert sum(person.golds for person in people) > 10
    assert far.votes <= far.wanted == 60 * 5
    assert far.complete > 40
    assert votes_in(crowd).repeat.sum() > 5


def test_ambiguous_images_get_split_votes_and_clear_ones_do_not(crowd):
    spread = entropy(mean_shares(votes_in(crowd)))
    assert np.nanmean(spread[:30]) > np.nanmean(spread[30:60]) + 0.2
    found = agreement(votes_in(crowd))
    assert 0.2 < found.alpha.value < 0.95
    assert found.consistency.same > 0.5
    assert 0 < found.unsure < 0.3 * found.votes


def test_ballots_are_sure_or_in_tenths(crowd):
    shares = votes_in(crowd).first().shares
    assert np.allclose(shares.sum(1), 1)
    assert np.allclose(10 * shares, np.round(10 * shares))
    assert ((shares == 1).any(1)).mean() > 0.3
    assert ((shares < 1).all(1)).any()


def test_the_same_seed_gives_the_same_votes(tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        with collection(tmp_path / f"{name}.sqlite", settings=SETTINGS) as made:
            simulate(made, 2, NOW, seed=seed, each=6)
            found.append(votes_in(made).shares)
    assert np.array_equal(found[0], found[1])
    assert found[0].shape != found[2].shape or not np.array_equal(found[0], found[2])


def test_they_can_never_be_entered(crowd):
    with crowd.read() as connection:
        person = person_rows(connection, NOW, simulated=True)[0]
        assert enter(connection, f"{person.id}.guess", NOW) is None


class TestOneAnnotator:
    def answers(self, n=400, seen=(0, 0, 1, 0), **changes):
        plain = {"sharpness": 1e4, "careless": 0.0, "sure": 0.9, "doubt": 0.0, "seconds": 2.0}
        who = Annotator(np.eye(4), **(plain | changes))
        random = np.random.default_rng(0)
        return [who.answer(np.array(seen, float), random) for _ in range(n)]

    def test_careful_and_sharp_is_right(self):
        assert {ballot.shares for ballot, _ in self.answers()} == {(0, 0, 1, 0)}
        times = [seconds for _, seconds in self.answers()]
        assert np.median(times) == pytest.approx(2, rel=0.1)

    def test_careless_is_wrong_two_times_in_three_and_fast(self):
        said = self.answers(careless=1 - 1e-12)
        right = np.mean([ballot.shares == (0, 0, 1, 0) for ballot, _ in said])
        assert right == pytest.approx(1 / 3, abs=0.07)
        assert np.median([seconds for _, seconds in said]) == pytest.approx(1, rel=0.1)

    def test_a_confusion_is_seen_on_the_mean(self):
        swap = np.eye(4)[[0, 2, 1, 3]]
        who = Annotator(swap, 1e4, 0.0, 0.9, 0.0, 2.0)
        ballot, _ = who.answer(np.array([0, 0, 1.0, 0]), np.random.default_rng(0))
        assert ballot.shares == (0, 1, 0, 0)

    def test_doubts_only_what_is_ambiguous(self):
        assert not any(ballot.unsure for ballot, _ in self.answers(doubt=1.0))
        even = self.answers(doubt=1.0, seen=(0.25,) * 4)
        assert np.mean([ballot.unsure for ballot, _ in even]) > 0.95

    def test_blunt_sees_now_one_and_now_the_other(self):
        said = {ballot.shares for ballot, _ in self.answers(seen=(0.5, 0.5, 0, 0), sharpness=0.1)}
        assert {(1, 0, 0, 0), (0, 1, 0, 0)} <= said

    def test_drawn_ones_are_proper(self):
        random = np.random.default_rng(0)
        for _ in range(50):
            who = draw_annotator(11, random)
            assert who.confusion.sum(1) == pytest.approx(1)
            assert who.confusion.min() >= 0
            assert 0 <= who.careless < 0.3


def test_refuses_what_does_not_fit(tmp_path):
    empty = Database(f"sqlite:///{tmp_path}/e.sqlite", create=True)
    with empty, pytest.raises(ValueError, match="holds no collection yet"):
        simulate(empty, 1, NOW)
    with collection(tmp_path / "a.sqlite") as made:
        with pytest.raises(ValueError, match=r"row of 4 shares for each of 12 images.*\(2, 4\)"):
            simulate(made, 1, NOW, seen=np.ones((2, 4)))
        with pytest.raises(ValueError, match="people must be a whole number"):
            simulate(made, 0, NOW)
