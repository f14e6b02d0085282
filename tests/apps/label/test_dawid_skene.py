import numpy as np
import pytest

from tests.apps.label.anaesthetists import FIRST, PRIOR, anaesthetists
from tests.apps.label.crowd import drawn, votes
from xhat.apps.label import dawid_skene


def by_the_book(of, steps):
    """Return posterior, prior and matrices after some steps, by loops over equations 2.3 to 2.5."""
    n, k, j = of.images, of.annotators, of.outcomes
    counts = np.zeros((k, n, j))
    for image, person, shares in zip(of.image, of.annotator, of.shares, strict=True):
        counts[person, image] += shares
    told = counts.sum(0) / counts.sum((0, 2))[:, None]
    for _ in range(steps):
        prior = told.mean(0)
        matrices = np.zeros((k, j, j))
        for person in range(k):
            for true in range(j):
                row = sum(told[image, true] * counts[person, image] for image in range(n))
                matrices[person, true] = row / row.sum()
        told = np.zeros((n, j))
        for image in range(n):
            for true in range(j):
                told[image, true] = prior[true]
                for person in range(k):
                    told[image, true] *= np.prod(matrices[person, true] ** counts[person, image])
        likelihood = np.log(told.sum(1)).sum()
        told /= told.sum(1, keepdims=True)
    return told, prior, matrices, likelihood


class TestThePublishedExample:
    def test_class_frequencies_and_error_rates(self):
        found = dawid_skene(anaesthetists())
        assert found.converged
        assert found.prior.round(2).tolist() == list(PRIOR)
        assert found.confusion[0] == pytest.approx(np.array(FIRST), abs=5e-3)

    def test_the_data_are_whole(self):
        of = anaesthetists()
        assert len(of) == 315
        assert np.bincount(of.annotator).tolist() == [135, 45, 45, 45, 45]


class TestAgainstLoops:
    @pytest.mark.parametrize("sure", [True, False], ids=["sure ballots", "shares"])
    @pytest.mark.parametrize("steps", [1, 5])
    def test_every_step_is_that_of_the_equations(self, sure, steps):
        of = drawn(images=25, people=4, outcomes=3, missing=0.1, sure=sure)
        found = dawid_skene(of, max_steps=steps, tolerance=1e-300)
        told, prior, matrices, likelihood = by_the_book(of, steps)
        assert found.posterior == pytest.approx(told, abs=1e-10)
        assert found.prior == pytest.approx(prior, abs=1e-10)
        assert found.confusion == pytest.approx(matrices, abs=1e-10)
        assert found.log_likelihood == pytest.approx(likelihood)
        assert (found.steps, found.converged) == (steps, False)

    @pytest.mark.parametrize("sure", [True, False])
    def test_the_likelihood_never_falls(self, sure):
        of = drawn(images=60, people=8, sure=sure, seed=4)
        told = [dawid_skene(of, max_steps=k).log_likelihood for k in range(1, 25)]
        assert (np.diff(told) > -1e-9).all()
        assert told[-1] > told[0]


class TestWhatItFinds:
    def test_a_person_who_swaps_two_classes_is_read_the_right_way_round(self):
        random = np.random.default_rng(0)
        truth = random.integers(0, 3, 300)
        said = [np.where(random.random(300) < 0.85, truth, random.integers(0, 3, 300))
                for _ in range(3)]  # fmt: skip
        swapped = np.array([1, 0, 2])[truth]
        image = np.tile(np.arange(300), 4)
        person = np.repeat(np.arange(4), 300)
        of = votes(image, person, np.eye(3)[np.concatenate([*said, swapped])])
        found = dawid_skene(of)
        assert found.confusion[3].argmax(1).tolist() == [1, 0, 2]
        mean = np.stack([np.eye(3)[kinds] for kinds in (*said, swapped)]).mean(0)
        right = (found.posterior.argmax(1) == truth).mean()
        assert right > 0.98 > (mean.argmax(1) == truth).mean()

    def test_images_and_people_without_votes(self):
        of = votes([0, 2], [0, 2], [[1, 0], [0, 1]], images=4, annotators=3)
        found = dawid_skene(of)
        assert np.isnan(found.posterior[[1, 3]]).all()
        assert found.posterior[[0, 2]] == pytest.approx(np.eye(2))
        assert np.isnan(found.confusion[1]).all()
        assert found.confusion[0, 0].tolist() == [1, 0]
        assert (dawid_skene(of, smoothing=1).confusion[1] == 0.5).all()

    def test_what_nobody_said_of_an_image_does_not_come_back(self):
        of = votes([0, 0, 1, 1], [0, 1, 1, 2], np.eye(3)[[0, 0, 1, 2]])
        assert dawid_skene(of).posterior[0] == pytest.approx([1, 0, 0])
        assert dawid_skene(of).posterior[1, 0] == pytest.approx(0)

    def test_second_sights_count_only_if_asked_for(self):
        shares = [[1, 0], [0, 1], [0, 1]]
        of = votes([0, 0, 0], [0, 0, 1], shares, repeat=[0, 1, 0])
        assert dawid_skene(of, max_steps=1).posterior[0] == pytest.approx([0.5, 0.5])
        assert dawid_skene(of, max_steps=1, repeats=True).posterior[0, 1] > 0.6

    def test_cannot_tell_is_no_answer(self):
        of = votes([0, 0], [0, 1], [[0, 0], [0, 0]])
        assert dawid_skene(of) is None

    def test_smoothing_leaves_room_for_what_was_not_seen(self):
        of = drawn(images=20, people=3, sure=True)
        rough, smooth = dawid_skene(of), dawid_skene(of, smoothing=0.5)
        assert rough.confusion.min() == 0 < smooth.confusion.min()
        assert smooth.confusion.sum(2) == pytest.approx(1)
        assert smooth.posterior.max(1).mean() < rough.posterior.max(1).mean()

    @pytest.mark.parametrize(
        ("option", "said"),
        [
            ({"smoothing": -0.1}, "smoothing must be 0 or more"),
            ({"tolerance": 0}, "tolerance must be above 0"),
            ({"max_steps": 0}, "max_steps must be a whole number"),
        ],
    )
    def test_refuses_bad_options(self, option, said):
        with pytest.raises(ValueError, match=said):
            dawid_skene(drawn(), **option)
