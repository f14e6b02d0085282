import json
from dataclasses import dataclass, replace

import pytest
import torch

from xhat.core import generator
from xhat.domain.references import label_loss
from xhat.judges import Outcome
from xhat.objectives import ScorePrior
from xhat.spaces import Box, Symmetric
from xhat.symmetry import Rotations
from xhat.task import task
from xhat_zoo import digits
from xhat_zoo.digits.ambigrams import (
    Ambigram,
    Ambigrams,
    Overlaps,
    all_pairs,
    count_readings,
    half_turned,
)
from xhat_zoo.digits.ambigrams.readers import readers, sureness

QUICK = Ambigram(restarts=2, levels=3, halvings=1, renewals=0, covering=False, noise=1.0)


@dataclass
class Said:
    outcomes: tuple
    confidence: torch.Tensor


class TestOverlaps:
    def test_the_best_pair_is_one_that_covers_itself_turned(self):
        x = torch.rand(20, 1, 8, 8, generator=generator(0))
        labels = torch.arange(20) % 2
        x[1] = half_turned(x[0:1])[0]
        found = Overlaps(x, labels, bold=0.0).pairs(0, 1, 3)
        torch.testing.assert_close(found[0], x[0])
        assert not torch.allclose(found[1], x[0])

    def test_no_image_is_used_twice_while_there_are_others(self):
        x = torch.zeros(6, 1, 4, 4)
        for k in range(6):
            x[k, 0, k % 3] = 1.0
        found = Overlaps(x, torch.tensor([0, 0, 0, 1, 1, 1]), bold=0.0).pairs(0, 1, 3)
        assert len(found.flatten(1).unique(dim=0)) == 3
        assert (
            Overlaps(x, torch.tensor([0, 0, 0, 1, 1, 1]), bold=0.0).pairs(0, 1, 20).shape[0] == 20
        )

    def test_the_boldest_are_left_out(self):
        x = torch.cat([torch.full((1, 1, 4, 4), k / 10) for k in range(1, 11)])
        labels = torch.zeros(10, dtype=torch.long)
        assert float(Overlaps(x, labels, bold=0.5).pairs(0, 0, 4).max()) < 0.56
        assert float(Overlaps(x, labels, bold=0.0).pairs(0, 0, 100).max()) == 1.0

    def test_what_does_not_fit_is_told(self):
        x = torch.zeros(2, 1, 4, 4)
        with pytest.raises(ValueError, match="labels must be one for each of 2 images"):
            Overlaps(x, torch.zeros(3))
        with pytest.raises(ValueError, match="bold must lie from 0 to below 1, but is 1"):
            Overlaps(x, torch.zeros(2), bold=1)
        with pytest.raises(ValueError, match="there is no image of class 7"):
            Overlaps(x, torch.zeros(2)).pairs(7, 0, 1)


class TestSearch:
    def test_one_digit_both_ways_is_its_own_half_turn_to_the_last_bit(self):
        found = QUICK.search([8, 3], [8, 5])
        assert torch.equal(found.x[0], half_turned(found.x[:1])[0])
        assert not torch.equal(found.x[1], half_turned(found.x[1:])[0])
        assert float(found.x.min()) >= 0 <= 1 - float(found.x.max())
        assert bool((found.sureness < 0).all())

    def test_the_same_seed_gives_the_same_images(self):
        first, second, other = (QUICK.search([6], [9], seed=seed).x for seed in (1, 1, 2))
        assert torch.equal(first, second)
        assert not torch.equal(first, other)

    def test_a_renewal_never_makes_an_image_less_sure(self):
        once = replace(QUICK, renewals=0).search([6, 3], [9, 5], seed=2)
        again = replace(QUICK, renewals=1).search([6, 3], [9, 5], seed=2)
        assert bool((again.sureness >= once.sureness - 1e-5).all())
        assert bool((again.sureness > once.sureness).any())

    def test_progress_counts_every_level_to_the_end(self):
        told = []
        QUICK.search([6, 8], [9, 8], on_progress=lambda n, of: told.append((n, of)))
        assert told == [(k, 6) for k in range(1, 7)]

    def test_how_sure_is_that_of_the_worse_reading(self):
        x = digits.split("surrogate_train").images[:4]
        label = digits.split("surrogate_train").labels[:4]
        here = sureness(x, label, label, 0.0)
        back = sureness(half_turned(x), label, label, 0.0)
        torch.testing.assert_close(here, back)
        symmetric = torch.maximum(x, half_turned(x))
        own = -torch.stack([label_loss(f, symmetric, label) for f in readers()]).mean(dim=0)
        torch.testing.assert_close(sureness(symmetric, label, label, 0.0), own)
        assert bool((sureness(symmetric, label, (label + 1) % 10, 0.0) <= own + 1e-6).all())

    def test_no_reader_is_a_judge(self):
        judges = [digits.judge(name) for name in digits.JUDGES]
        assert not {id(each) for each in judges} & {id(each) for each in readers()}
        assert {
            digits.card(name).split for name in (*digits.SURROGATES, *digits.GUARDS, "denoiser")
        } == {"surrogate_train"}

    def test_the_spaces_are_those_of_the_library(self):
        assert isinstance(QUICK.space(same=False), Box)
        space = QUICK.space(same=True)
        assert isinstance(space, Symmetric)
        assert isinstance(space.group, Rotations)

    def test_the_question_has_two_readings(self):
        """Its loss is that of the turned image with the digits exchanged, up to the draws."""
        whole = Ambigram(wobble=0.0)
        x = torch.rand(1, 1, 28, 28, generator=generator(3))
        one, two = torch.tensor([3]), torch.tensor([5])

        def loss(model, upright, turned, image):
            problem = model.problem(upright, turned, Box(0, 1), 1e-3, generator(0))
            return float(problem.objective(image))

        here, there = loss(whole, one, two, x), loss(whole, two, one, half_turned(x))
        assert here == pytest.approx(there, rel=1e-3)
        assert abs(here - loss(whole, two, one, x)) > 0.01 * here

    def test_without_the_turned_prior_only_one_prior_is_left(self):
        def priors(how):
            problem = how.problem(
                torch.tensor([1]), torch.tensor([7]), Box(0, 1), 0.5, generator(0)
            )
            inner = [getattr(each, "objective", None) for each in problem.objective.terms]
            seen = [getattr(each, "objective", each) for each in inner]
            return sum(isinstance(each, ScorePrior) for each in seen)

        assert priors(Ambigram()) == 2
        assert priors(Ambigram(of_turned=False)) == 1

    def test_what_does_not_fit_is_told(self):
        with pytest.raises(ValueError, match="turned must be digits from 0 to 9"):
            QUICK.search([1], [10])
        with pytest.raises(ValueError, match="every upright digit needs a turned one"):
            QUICK.search([1, 2], [3])
        with pytest.raises(ValueError, match="restarts must be a whole number from 1"):
            Ambigram(restarts=0)
        with pytest.raises(ValueError, match="renewals must be a whole number from 1"):
            Ambigram(renewals=-1)
        with pytest.raises(ValueError, match="noise must be above 0"):
            Ambigram(noise=0.0)


class TestCounts:
    def test_an_image_counts_for_both_orders_of_its_pair(self):
        rows, columns = all_pairs()
        assert len(rows) == 55
        assert bool((rows <= columns).all())
        n = 3  # 0/0, 0/1, 1/1
        found = Ambigrams(
            torch.tensor([0, 0, 1]),
            torch.tensor([0, 1, 1]),
            torch.zeros(n, 1, 28, 28),
            torch.zeros(n),
        )
        good, bad = Outcome.GENUINE, Outcome.MISTAKEN
        said = Said((good, good, bad, good, bad, bad), torch.tensor([0.9, 0.9, 0.2, 0.9, 0.8, 0.2]))
        assert count_readings(found, said) == {
            "pairs": 4,
            "genuine in both readings": 1,
            "genuine upright": 2,
            "seen in both readings": 3,
            "seen upright": 3,
            "not genuine in both": 3,
            "which": ["0/1", "1/1"],
        }


def test_the_demo_is_listed_and_what_it_says_can_be_written():
    assert task("ambigrams").name == "ambigrams"
    assert json.dumps(Ambigram().describe())
