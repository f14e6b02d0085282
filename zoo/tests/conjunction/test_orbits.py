"""Propagation against an adaptive integrator, conserved quantities and closed forms."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from xhat_zoo.conjunction import propagate
from xhat_zoo.conjunction.orbits import EARTH_RADIUS, J2, MU, check_bound, rtn_axes

LOW = torch.tensor(
    [[7e6, 1e5, -2e5, 300.0, 5.2e3, 5.4e3], [-3e6, 5.5e6, 3.2e6, -5.1e3, -4.5e3, 3.9e3]],
    dtype=torch.float64,
)


def potential(r):
    distance = r.norm(dim=1)
    sine = r[:, 2] / distance
    bulge = J2 * (EARTH_RADIUS / distance) ** 2 * (1.5 * sine**2 - 0.5)
    return -MU / distance * (1 - bulge)


def test_agrees_with_an_adaptive_integrator():
    def slope(_, y):
        r = torch.tensor(y[None, :3], requires_grad=True)
        (gradient,) = torch.autograd.grad(potential(r).sum(), r)
        return np.concatenate([y[3:], -gradient[0].numpy()])

    ends = propagate(LOW, torch.tensor([4000.0, -2500.0]))
    for start, end, seconds in zip(LOW, ends, (4000.0, -2500.0), strict=True):
        wanted = solve_ivp(
            slope, (0, seconds), start.numpy(), method="DOP853", rtol=1e-12, atol=1e-6
        ).y[:, -1]
        assert np.abs(end.numpy() - wanted)[:3].max() < 0.01


def test_keeps_the_energy():
    def energy(state):
        return state[:, 3:].square().sum(1) / 2 + potential(state[:, :3])

    end = propagate(LOW, torch.tensor([6000.0, 6000.0]))
    torch.testing.assert_close(energy(end), energy(LOW), rtol=1e-9, atol=0)


def test_oblateness_turns_the_node_as_fast_as_theory_says():
    """Over six hours; Kozai, "The Motion of a Close Earth Satellite", 1959, to first order."""
    axis, tilt = 7.1e6, np.deg2rad(60)
    speed = np.sqrt(MU / axis)
    state = torch.tensor([[axis, 0, 0, 0, speed * np.cos(tilt), speed * np.sin(tilt)]])
    later = propagate(state.double(), torch.tensor([21600.0]))
    normal = torch.linalg.cross(later[:, :3], later[:, 3:])[0]
    found = float(torch.atan2(normal[0], -normal[1]))
    rate = -1.5 * J2 * np.sqrt(MU / axis**3) * (EARTH_RADIUS / axis) ** 2 * np.cos(tilt)
    assert found == pytest.approx(rate * 21600, rel=0.02)


def test_every_candidate_moves_by_its_own_time():
    both = propagate(LOW, torch.tensor([4000.0, 100.0]))
    alone = propagate(LOW[1:], torch.tensor([100.0]))
    assert float((both[1] - alone[0]).abs().max()) < 1e-4


def test_axes_are_radial_transverse_normal():
    axes = rtn_axes(LOW)
    torch.testing.assert_close(axes @ axes.mT, torch.eye(3).double().expand(2, 3, 3))
    along = (axes @ LOW[:, 3:, None])[:, :, 0]
    assert bool((along[:, 1] > 0).all())
    assert float(along[:, 2].abs().max()) < 1e-9


def test_refuses_orbits_that_are_none():
    check_bound("the primary", LOW)
    with pytest.raises(ValueError, match="hyperbolic"):
        check_bound("the primary", torch.tensor([[7e6, 0, 0, 0, 12e3, 0]]))
    with pytest.raises(ValueError, match="below the ground"):
        check_bound("the primary", torch.tensor([[7e6, 0, 0, 0, 5e3, 0]]))
    with pytest.raises(ValueError, match=r"states must be \(n, 6\)"):
        propagate(LOW[:, :5], torch.zeros(2))
