"""Selection: false discoveries stay below the rate asked, and gaps within their bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from xhat.core import generator
from xhat.judges.selection import (
    Selection,
    benjamini_hochberg,
    fewest_selected,
    gap_bounds,
    selection_p_values,
)

REPETITIONS = 400


def by_hand(p, fdr):
    """Return what Benjamini and Hochberg reject, as their paper says it."""
    order = np.argsort(p)
    passed = [k for k in range(1, len(p) + 1) if p[order[k - 1]] <= fdr * k / len(p) + 1e-12]
    chosen = np.zeros(len(p), dtype=bool)
    chosen[order[: max(passed, default=0)]] = True
    return chosen


@pytest.mark.parametrize("fdr", [0.05, 0.2, 0.5])
def test_the_rule_is_that_of_the_paper(fdr):
    draws = np.random.default_rng(0)
    for _ in range(20):
        p = np.ceil(21 * draws.random(30) ** 3) / 21  # with ties
        assert benjamini_hochberg(torch.tensor(p), fdr).tolist() == by_hand(p, fdr).tolist()
    assert benjamini_hochberg(torch.zeros(0), fdr).shape == (0,)


def test_p_values_count_the_verified_that_miss_the_goal():
    draws = np.random.default_rng(1)
    scores, verified = draws.integers(0, 5, 40), draws.integers(0, 5, 25)
    meets = draws.random(25) < 0.6
    found = selection_p_values(*map(torch.tensor, (scores, verified, meets)))
    counted = [(1 + sum(verified[~meets] >= s)) / 26 for s in scores]
    assert found.tolist() == pytest.approx(counted)


def pool(seed, n=120, hardness=1.0):
    """Return scores of designs, and which meet the goal: the better the score, the more likely."""
    draws = generator(seed, "pool")
    score = torch.randn(n, generator=draws)
    return score, score + hardness * torch.randn(n, generator=draws) > 0.3


@pytest.mark.parametrize("budget", [20, 60])
@pytest.mark.parametrize("hardness", [0.3, 3.0])
def test_few_of_the_selected_are_false(budget, hardness):
    false, power, fdr = [], [], 0.2
    for seed in range(REPETITIONS):
        score, meets = pool(seed % 7, hardness=hardness)  # the designs stay, the choice is random
        order = torch.randperm(len(score), generator=generator(seed))
        known, others = order[:budget], order[budget:]
        p = selection_p_values(score[others], score[known], meets[known])
        chosen = benjamini_hochberg(p, fdr)
        false.append(float((chosen & ~meets[others]).sum() / chosen.sum().clamp_min(1)))
        power.append(float((chosen & meets[others]).sum() / meets[others].sum()))
    error = np.std(false) / math.sqrt(REPETITIONS)
    assert np.mean(false) <= fdr + 2 * error
    if hardness < 1 and budget == 60:
        assert np.mean(power) > 0.6  # so that it says something
        assert np.mean(false) > fdr / 4


def test_trusting_the_score_alone_would_not_do():
    score, meets = pool(0, hardness=3.0)
    assert float((~meets[score > 0.3]).float().mean()) > 0.3


def test_a_score_that_was_fitted_to_the_verified_would_not_do():
    """The law above can fail: a score that knows the verified ones selects too many."""
    false = []
    for seed in range(100):
        _, meets = pool(seed, hardness=3.0)
        order = torch.randperm(len(meets), generator=generator(seed))
        known, others = order[:20], order[20:]
        p = selection_p_values(torch.zeros(100), meets[known].double() - 1, meets[known])
        chosen = benjamini_hochberg(p, 0.2)
        false.append(float((chosen & ~meets[others]).sum() / chosen.sum().clamp_min(1)))
    assert np.mean(false) > 0.3


def test_fewest_is_what_the_rule_needs():
    for verified, others, fdr in [(20, 180, 0.1), (9, 5, 0.1), (8, 5, 0.1), (40, 60, 0.05)]:
        p = torch.ones(others, dtype=torch.double)
        fewest = fewest_selected(verified, others, fdr)
        for count in range(1, others + 1):
            p[:count] = 1 / (verified + 1)
            assert bool(benjamini_hochberg(p, fdr).any()) == (count >= fewest)
            p[:] = 1


@pytest.mark.parametrize("signed", [True, False])
def test_gaps_lie_within_their_bounds_as_often_as_promised(signed):
    missed, miss = [], 0.2
    for seed in range(REPETITIONS):
        draws = generator(seed, "gaps")
        hard = 0.2 + torch.rand(60, generator=draws)
        gaps = hard * (0.5 + torch.randn(60, generator=draws))
        gaps = gaps if signed else gaps.abs()
        low, high = gap_bounds(gaps[:20], (hard[:20], hard[20:]), miss, signed=signed)
        missed.append(float(((gaps[20:] < low) | (gaps[20:] > high)).float().mean()))
    error = np.std(missed) / math.sqrt(REPETITIONS)
    assert miss - 0.05 <= np.mean(missed) <= miss + 2 * error


def test_gaps_are_unbounded_where_too_few_are_known():
    one = torch.ones(1)
    low, high = gap_bounds(torch.randn(18), (torch.ones(18), one), 0.1, signed=True)
    assert (low.item(), high.item()) == (-math.inf, math.inf)
    known = torch.cat((torch.arange(9.0), torch.tensor([math.nan] * 3)))  # where the truth failed
    low, high = gap_bounds(known, (torch.ones(12), 2 * one), 0.1, signed=False)
    assert (low.item(), high.item()) == (0.0, 16.0)


@pytest.mark.parametrize("fdr", [0.0, 1.0, -0.1])
def test_a_rate_is_a_share(fdr):
    with pytest.raises(ValueError, match=r"fdr must .*\.$"):
        benjamini_hochberg(torch.rand(3), fdr)


def test_every_sample_is_told_what_is_said_of_it():
    yes, no = torch.tensor([True, False, False, False]), torch.zeros(4, dtype=torch.bool)
    p = torch.tensor([0.05, 0.5, math.nan, math.nan]).double()
    ends = torch.tensor([-1.0, -math.inf, 0.5, math.nan]).double()
    verified = torch.tensor([False, False, True, False])
    order = torch.tensor([1])
    found = Selection(yes, p, 0.1, True, verified, no, ends, -ends, order)
    assert found.summary() == (
        "1 verified, of which 0 meet the goal; of the 2 others 1 selected at a false discovery "
        "rate of 10 %"
    )
    assert "at most 10 % that miss the goal by the truth" in found.promise()
    assert "the interval of the gap" in found.promise()
    assert "the interval of the gap" not in replace(found, low=ends * math.nan).promise()
    assert "real samples of another class" in replace(found, by_truth=False).promise()
    assert "One of 1 selected" in found.explain(0)
    assert "lies between -1 and 1 with a probability of 90 %" in found.explain(0)
    assert "number 1 of those to simulate next. Too few were verified" in found.explain(1)
    assert found.explain(2).startswith("Verified: the truth does not give the goal.")
    assert found.explain(-1).startswith("It is not considered")
    again = Selection.of_columns(found.columns(), 0.1, signed=True)
    assert [again.explain(i) for i in range(4)] == [found.explain(i) for i in range(4)]
