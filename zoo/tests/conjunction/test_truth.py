"""The batched truth against the plain one, and what it refuses."""

import dataclasses

import numpy as np
import pytest
import torch

from xhat_zoo.conjunction import ALARM, Limits, approach, propagate, simulate, truth
from xhat_zoo.conjunction.orbits import MU
from xhat_zoo.conjunction.plain import Plain


@pytest.fixture(scope="module")
def some():
    return simulate(12, seed=4)


@pytest.fixture(scope="module")
def burns(some):
    draws = torch.Generator().manual_seed(0)
    x = 0.03 * torch.randn(12, 4, generator=draws, dtype=torch.float64)
    x[:, 3] = some.limits.earliest * torch.rand(12, generator=draws)
    return x


def test_agrees_with_the_plain_truth(some, burns):
    found = truth(some, burns)
    for i in range(0, 12, 3):
        assert Plain.of(some, i)(burns[i].numpy()) == pytest.approx(float(found[i]), abs=2e-4)


def test_is_the_same_alone_and_in_a_batch(some, burns):
    alone = torch.cat([truth(some.select(torch.tensor([i])), burns[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(alone, truth(some, burns)[:4], rtol=0, atol=1e-5)


def test_no_burn_changes_nothing_at_any_time(some):
    x = torch.zeros(12, 4)
    still = approach(some, x)
    x[:, 3] = some.limits.earliest
    torch.testing.assert_close(truth(some, x), still.log10_pc, rtol=0, atol=1e-5)
    assert float(still.axis_change.abs().max()) == 0
    assert bool((still.log10_pc > ALARM).all())


def test_finds_the_closest_approach(some, burns):
    """A second before and after it both are farther apart."""
    found = approach(some, burns)
    kicked = propagate(some.primary, -burns[:, 3])
    from xhat_zoo.conjunction.approaching import kick

    primary = propagate(kick(kicked, burns[:, :3]), burns[:, 3])
    apart = []
    for late in (-0.5, 0.0, 0.5):
        when = found.delay + late
        gap = propagate(primary, when) - propagate(some.secondary, when)
        apart.append(gap[:, :3].norm(dim=1))
    assert bool((apart[1] < apart[0]).all())
    assert bool((apart[1] < apart[2]).all())
    torch.testing.assert_close(apart[1], found.miss.norm(dim=1), rtol=1e-7, atol=1e-5)


def test_a_burn_along_the_track_changes_the_axis_as_energy_says(some):
    x = torch.tensor([[0.0, 0.1, 0.0, 3000.0]]).repeat(12, 1)
    found = approach(some, x).axis_change
    speed = some.primary[:, 3:].norm(dim=1)
    axis = 1 / (2 / some.primary[:, :3].norm(dim=1) - speed**2 / MU)
    torch.testing.assert_close(found, 2 * axis**2 * speed * 0.1 / MU, rtol=0.03, atol=0)


def test_more_encounters_begin_with_the_fewer():
    torch.testing.assert_close(simulate(3, seed=9).primary, simulate(5, seed=9).primary[:3])
    assert not torch.equal(simulate(3, seed=8).primary, simulate(3, seed=9).primary)


def changed(some, **fields):
    return dataclasses.replace(some, **fields)


def test_refuses_what_cannot_be(some, burns):
    fast = some.primary.clone()
    fast[2, 3:] *= 2
    with pytest.raises(ValueError, match="the primary 2 is on a hyperbolic orbit"):
        changed(some, primary=fast)
    flat = some.secondary_covariance.clone()
    flat[5] = torch.ones(3, 3)
    with pytest.raises(ValueError, match="the secondary's covariance 5 must be positive definite"):
        changed(some, secondary_covariance=flat)
    with pytest.raises(ValueError, match="relative speed of encounter 0 is 0 m/s"):
        changed(some, secondary=some.primary.clone())
    with pytest.raises(ValueError, match="radius must be above 0, but is -5"):
        changed(some, radius=-5 * torch.ones(12))
    with pytest.raises(ValueError, match="secondary must have shape"):
        changed(some, secondary=some.secondary[:3])
    with pytest.raises(ValueError, match="NaN"):
        changed(some, radius=torch.full((12,), torch.nan))
    with pytest.raises(ValueError, match="must be a Limits for 12"):
        changed(some, limits=some.limits.select(torch.arange(3)))
    with pytest.raises(ValueError, match="manoeuvres must be"):
        truth(some, burns[:, :3])


def test_refuses_limits_that_contradict_each_other():
    one = torch.ones(1)
    assert float(Limits(one, 3 * one, one, one).thrust) == 1
    with pytest.raises(ValueError, match="before it opens"):
        Limits(one, one, 3 * one, one)
    with pytest.raises(ValueError, match="'thrust' must be above 0"):
        Limits(0 * one, 3 * one, one, one)


def test_one_encounter_can_be_repeated(some):
    three = some.select(torch.tensor([5])).select(torch.zeros(3, dtype=torch.long))
    assert len(three) == len(three.limits.thrust) == 3
    torch.testing.assert_close(three.radius, some.radius[5].expand(3))


def test_plain_truth_is_of_one_encounter(some):
    one = Plain.of(some, 3)
    assert one.radius == float(some.radius[3])
    assert isinstance(one(np.zeros(4)), float)
