"""Foster's integral against published cases, adaptive quadrature and a Monte Carlo run."""

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad

from xhat_zoo.conjunction import encounter_plane, log10_probability
from xhat_zoo.conjunction.cases import PLANE, published


def of_plane(x, y, sx, sy, radius):
    spread = torch.diag(torch.tensor([sx, sy], dtype=torch.float64).square())[None]
    miss = torch.tensor([[x, y]], dtype=torch.float64)
    return float(log10_probability(miss, spread, torch.tensor([radius], dtype=torch.float64)))


CASES = published()


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_published_cases(name):
    wanted, found = CASES[name]
    assert found == pytest.approx(wanted, rel=3e-3)


def test_there_are_many_published_cases():
    assert len(CASES) == 19 + 12


def test_a_published_case_is_told_from_its_neighbours():
    """The check above can fail: half a per cent of the radius is seen."""
    _, x, y, sx, sy, radius, wanted = PLANE[0]
    assert 10 ** of_plane(x, y, sx, sy, 1.005 * radius) != pytest.approx(wanted, rel=3e-3)


@pytest.mark.parametrize(
    ("x", "y", "sx", "sy", "radius"),
    [(12.0, -7.0, 9.0, 30.0, 15.0), (3.0, 40.0, 11.0, 9.0, 6.0), (0.0, 0.0, 5.0, 400.0, 20.0)],
)
def test_agrees_with_adaptive_quadrature(x, y, sx, sy, radius):
    def density(v, u):
        return np.exp(-(((u - x) / sx) ** 2) / 2 - ((v - y) / sy) ** 2 / 2) / (2 * np.pi * sx * sy)

    def edge(u):
        return np.sqrt(max(radius**2 - u**2, 0.0))

    wanted = dblquad(density, -radius, radius, lambda u: -edge(u), edge, epsabs=0, epsrel=1e-10)[0]
    assert 10 ** of_plane(x, y, sx, sy, radius) == pytest.approx(wanted, rel=1e-7)


def test_agrees_with_a_monte_carlo_run():
    draws = np.random.default_rng(0).normal(size=(4_000_000, 2)) * (40.0, 90.0) + (30.0, -60.0)
    share = float((np.hypot(*draws.T) < 12.0).mean())
    deviation = np.sqrt(share / len(draws))
    assert abs(10 ** of_plane(30.0, -60.0, 40.0, 90.0, 12.0) - share) < 4 * deviation


def test_keeps_its_digits_however_small_it_is():
    """A small disc: the density at its centre times its area, to second order in its size."""
    for far in (5.0, 20.0, 60.0):
        size = 1e-3
        wanted = np.log10(size**2 / 2) - far**2 / 2 / np.log(10)
        wanted += np.log10(1 + size**2 * (far**2 - 2) / 8)
        assert of_plane(far, 0.0, 1.0, 1.0, size) == pytest.approx(wanted, abs=1e-7)


def test_is_certain_inside_and_never_above_one():
    assert of_plane(0.0, 0.0, 1.0, 2.0, 50.0) == pytest.approx(0.0, abs=1e-9)
    assert of_plane(0.0, 0.0, 1.0, 2.0, 50.0) <= 0


def test_does_not_depend_on_the_axes():
    turn = torch.randn(2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turn = torch.linalg.qr(turn)[0]
    spread, miss = torch.diag(torch.tensor([9.0, 400.0])).double(), torch.tensor([[4.0, 9.0]])
    radius = torch.tensor([5.0])
    one = log10_probability(miss, spread[None], radius)
    two = log10_probability(miss.double() @ turn.T, (turn @ spread @ turn.T)[None], radius)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-10)


def test_planes_are_across_the_velocity():
    speed = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plane = encounter_plane(speed)
    torch.testing.assert_close(plane @ plane.mT, torch.eye(2).double().expand(20, 2, 2))
    assert float((plane @ speed[:, :, None]).abs().max()) < 1e-12


def test_refuses_what_has_no_probability():
    miss, good, radius = torch.zeros(1, 2), torch.eye(2)[None], torch.ones(1)
    with pytest.raises(ValueError, match="positive definite"):
        log10_probability(miss, torch.ones(1, 2, 2), radius)
    with pytest.raises(ValueError, match="positive definite"):
        log10_probability(miss, torch.diag(torch.tensor([1.0, -1.0]))[None], radius)
    with pytest.raises(ValueError, match="symmetric"):
        log10_probability(miss, torch.tensor([[[1.0, 0.5], [0.0, 1.0]]]), radius)
    with pytest.raises(ValueError, match="above 0, but is -1"):
        log10_probability(miss, good, -radius)
    with pytest.raises(ValueError, match="relative velocity of encounter 1 is zero"):
        encounter_plane(torch.tensor([[1.0, 0, 0], [0.0, 0, 0]]))
