"""A set that has moved is noticed, and real samples are left alone."""

import pytest
import torch

from tests.judges.world import gaussians
from xhat.core import generator
from xhat.judges import Judge
from xhat.judges.shift import energy_p_value, rows_alike


def real(n, seed):
    draws = generator(seed, "shift")
    return torch.randn(n, 4, generator=draws) @ torch.linspace(0.5, 2, 16).reshape(4, 4)


@pytest.fixture(scope="module")
def judges():
    """Of many samples, and of few that are scored by what was fitted to others."""
    return Judge.fit(real(2000, 0)), Judge.fit(real(300, 0))


@pytest.mark.parametrize("which", [0, 1])
def test_real_samples_are_rarely_called_shifted(judges, which):
    judge = judges[which]
    found = [judge.judge(real(100, seed)).shift.found for seed in range(1, 61)]
    assert sum(found) <= 8  # of 60, 3 are expected; more than 8 happen once in a hundred


@pytest.mark.parametrize("which", [0, 1])
def test_what_each_may_pass_is_noticed_together(judges, which):
    moved = real(200, 1) + 0.35 * real(2000, 0).std(dim=0)
    verdicts = judges[which].judge(moved)
    assert float((verdicts.p <= 0.05).double().mean()) < 0.3
    shift = verdicts.shift
    assert shift.found
    assert f"these {len(moved)} samples are not like the real ones" in shift.line
    assert judges[which].judge(real(200, 1)).shift.line == ""


def test_few_samples_are_not_tested(judges):
    shift = judges[0].judge(real(9, 1) + 100).shift
    assert (shift.found, shift.p, shift.n) == (False, 1.0, 9)


def test_a_set_of_one_class_is_compared_with_that_class():
    x, labels = gaussians(900, 0)
    judge = Judge.fit(x, labels)
    new, theirs = gaussians(300, 1)
    ones = new[theirs == 1]
    assert not judge.judge(ones, 1).shift.found
    assert not judge.judge(ones, 0).shift.found  # whatever they are asked for
    assert judge.judge(ones + 1, 0).shift.found


def test_rows_are_as_frequent_as_wanted():
    labels = torch.arange(300) % 3
    target = torch.tensor([0] * 30 + [2] * 10)
    found = labels[rows_alike(labels, target)]
    assert found.bincount(minlength=3).tolist() == [100, 0, 33]
    assert len(rows_alike(labels, torch.tensor([7]))) == 300  # nothing to compare with: all


def test_the_p_value_is_uniform_where_nothing_has_moved():
    p = torch.tensor([energy_p_value(real(40, 2 * s), real(60, 2 * s + 1)) for s in range(60)])
    assert 0.35 < float(p.mean()) < 0.65
    assert float((p <= 0.1).double().mean()) <= 0.25
