import math

import numpy as np
import pytest
import torch

from xhat_zoo.airfoil import (
    area,
    camber,
    catalogue,
    check_parameters,
    coordinates,
    crossing,
    leading_edge_radius,
    max_thickness,
    surfaces,
    thickness,
    wiggle,
)


@pytest.fixture(scope="module")
def real():
    return catalogue().parameters


def naca_half_thickness(x, t):
    """Half the thickness of a NACA 4-digit airfoil (Abbott, von Doenhoff, 1959)."""
    series = 0.2969 * x.sqrt() - 0.1260 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1015 * x**4
    return 5 * t * series


def test_one_weight_at_a_time_against_a_plain_formula():
    x = np.linspace(0, 1, 11)
    for k in range(16):
        parameters = torch.zeros(1, 18, dtype=torch.float64)
        parameters[0, k] = 1.0
        upper, lower = surfaces(parameters, torch.from_numpy(x))
        i = k % 8
        expected = math.comb(7, i) * x**i * (1 - x) ** (7 - i) * np.sqrt(x) * (1 - x)
        zero = np.zeros_like(x)
        np.testing.assert_allclose(upper[0], expected if k < 8 else zero, atol=1e-15)
        np.testing.assert_allclose(lower[0], zero if k < 8 else expected, atol=1e-15)


def test_naca_0012_is_what_its_formula_says():
    naca = catalogue().of("naca0012")
    x = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    upper, lower = surfaces(naca, x)
    assert (upper[0] - naca_half_thickness(x, 0.12)).abs().max() < 4e-4
    torch.testing.assert_close(upper, -lower, atol=4e-4, rtol=0)
    assert float(camber(naca).abs().max()) < 2e-4
    assert float(leading_edge_radius(naca)) == pytest.approx(1.1019 * 0.12**2, rel=0.1)


def test_area_is_the_integral_of_the_outline(real):
    some = real[::200]
    x, y = coordinates(some, 4001).unbind(2)
    shoelace = 0.5 * (x * y.roll(-1, 1) - x.roll(-1, 1) * y).sum(1)
    torch.testing.assert_close(area(some), shoelace.abs(), rtol=1e-4, atol=1e-6)


def test_radius_is_the_curvature_at_the_nose():
    parameters = torch.zeros(1, 18, dtype=torch.float64)
    parameters[0, :8], parameters[0, 8:16] = 0.2, -0.3
    x = torch.tensor([1e-8], dtype=torch.float64)
    upper, _ = surfaces(parameters, x)
    assert float(leading_edge_radius(parameters)) == pytest.approx(float(upper**2 / (2 * x)), 1e-3)


def test_the_outline_is_in_seligs_order(real):
    outline = coordinates(real[:3], 51)
    assert outline.shape == (3, 101, 2)
    x = outline[:, :, 0]
    assert (x[:, 0] == 1).all()
    assert (x[:, 50] == 0).all()
    assert (x[:, 100] == 1).all()
    assert (outline[:, 25, 1] > outline[:, 75, 1]).all()  # upper before lower


def test_crossing_tells_good_from_bad(real):
    assert not crossing(real).any()
    bad = real[:5].clone()
    bad[:, [12, 13]] = 1.0  # the lower surface comes through the upper one
    assert crossing(bad).all()
    assert (thickness(bad).amin(1) < 0).all()
    negative = real[:1].clone()
    negative[:, 17] = -0.01
    assert crossing(negative).all()


def test_all_is_differentiable_and_row_by_row(real):
    some = real[:4].clone().requires_grad_()
    for measure in (area, leading_edge_radius, max_thickness, wiggle):
        (gradient,) = torch.autograd.grad(measure(some)[1], some)
        assert gradient[1].abs().sum() > 0
        assert gradient[[0, 2, 3]].abs().sum() == 0


def test_wiggle_is_the_sum_of_squared_second_differences(real):
    weights = real[7].numpy()
    expected = sum((np.diff(side, 2) ** 2).sum() for side in (weights[:8], weights[8:16]))
    assert float(wiggle(real[7:8])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("bad", "error", "said"),
    [
        (torch.zeros(1, 17), ValueError, "must have shape"),
        (torch.zeros(18), ValueError, "8 upper and 8 lower"),
        (torch.zeros(1, 18, dtype=torch.long), TypeError, "floating point"),
        (torch.full((1, 18), torch.nan), ValueError, "must be finite"),
    ],
)
def test_other_numbers_of_parameters_are_refused(bad, error, said):
    with pytest.raises(error, match=said):
        check_parameters("the airfoil", bad)
    with pytest.raises(ValueError, match="3 or more"):
        coordinates(torch.zeros(1, 18), 2)
