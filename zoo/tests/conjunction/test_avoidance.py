"""The smallest burn: against the limits, the truth, and an optimizer from elsewhere."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from xhat_zoo.conjunction import (
    CERTIFIED,
    INFEASIBLE,
    Burns,
    approach,
    avoid,
    conditions,
    describe,
    first_burns,
    simulate,
    surrogate,
)

COUNT = 4


@pytest.fixture(scope="module")
def some():
    return simulate(COUNT, seed=21)


@pytest.fixture(scope="module")
def found(some):
    return avoid(some)


def test_certified_burns_meet_every_limit_by_the_truth(some, found):
    after, good = approach(some, found.x), found.certified
    assert bool(good.any())
    assert bool((after.log10_pc[good] <= -5 + 1e-6).all())
    assert bool((after.log10_pc[good] > -5.01).all())  # and no more than is asked for
    assert bool((after.axis_change.abs() <= some.limits.band * (1 + 1e-5))[good].all())
    assert bool((found.length <= some.limits.thrust * (1 + 1e-5))[good].all())
    assert bool((found.x[:, 3] <= some.limits.earliest + 1e-6).all())
    assert bool((found.x[:, 3] >= some.limits.latest - 1e-6).all())


def test_an_optimizer_from_elsewhere_finds_nothing_shorter(some, found):
    """SLSQP on the surrogate, with exact gradients, from what was found."""
    model, context, limits = surrogate().double(), describe(some), some.limits
    i = int(found.certified.nonzero()[0, 0])
    scale = torch.cat([found.length[i].expand(3), limits.earliest[i : i + 1]])
    wanted = float(model(found.x[i : i + 1], context[i : i + 1]))

    def risk(y):
        leaf = torch.tensor(y, requires_grad=True)
        value = model((leaf * scale)[None], context[i : i + 1])[0]
        (gradient,) = torch.autograd.grad(value, leaf)
        return wanted - float(value.detach()), -gradient.numpy()

    result = minimize(
        lambda y: np.sqrt(y[:3] @ y[:3]),
        (found.x[i] / scale).numpy(),
        jac=lambda y: np.append(y[:3] / np.sqrt(y[:3] @ y[:3]), 0.0),
        method="SLSQP",
        bounds=[(-9, 9)] * 3 + [(float(limits.latest[i] / limits.earliest[i]), 1.0)],
        constraints={"type": "ineq", "fun": lambda y: risk(y)[0], "jac": lambda y: risk(y)[1]},
    )
    band = model.axis_change((torch.tensor(result.x) * scale)[None], context[i : i + 1])
    if float(band.abs()) <= float(limits.band[i]):  # else it went where it may not
        assert result.fun > 0.99


def test_contradictory_limits_are_told(some):
    none = dataclasses.replace(some.limits, thrust=torch.full((COUNT,), 1e-5).double())
    found = avoid(dataclasses.replace(some, limits=none))
    assert not bool(found.certified.any())
    for status in found.status:
        assert status.startswith(INFEASIBLE)
        assert "log10 Pc is" in status or "it takes" in status
    assert CERTIFIED not in found.status


def test_a_probability_of_one_is_no_wish(some):
    with pytest.raises(ValueError, match="must be below 0, but is 0"):
        avoid(some, wanted=0.0)


def test_burns_stay_in_their_window_and_come_back():
    one = torch.ones(5, 1, dtype=torch.float64)
    space = Burns(0.05 * one, 900 * one, 6000 * one)
    z = 30 * torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = space.decode(z)
    assert bool(((x[:, 3] >= 900) & (x[:, 3] <= 6000)).all())
    inside = torch.tensor([[0.01, -0.02, 0.03, t] for t in (1200.0, 2000, 3000, 4000, 5500)])
    again = space.decode(space.encode(inside.double()))
    torch.testing.assert_close(again, inside.double(), rtol=1e-6, atol=1e-6)


def test_conditions_say_which_limit_is_broken(some):
    limits, context = some.limits, describe(some)
    wanted = torch.full((COUNT,), -5.0).double()
    must = conditions(surrogate().double(), context, wanted, limits.thrust, limits.band)
    x = torch.zeros(COUNT, 4, dtype=torch.float64)
    x[:, 3] = limits.latest
    nothing = must.values(x)
    assert bool((nothing[:, 0] > 0).all())  # the risk is too high without a burn
    assert bool((nothing[:, 1:] < 0).all())
    x[:, 1] = 10 * limits.thrust
    assert bool((must.values(x)[:, 1] > 0).all())


def test_starts_are_near_what_is_wanted(some):
    context, model = describe(some), surrogate().double()
    starts = first_burns(model, context, some.limits, -5.0, times=6, keep=2)
    assert starts.shape == (2, COUNT, 4)
    with torch.no_grad():
        risk = torch.stack([model(x, context) for x in starts])
    assert bool(((risk > -7) & (risk < -4)).all())
