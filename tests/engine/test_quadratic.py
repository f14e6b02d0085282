"""Small quadratic programs: answers fulfil the optimality conditions, and agree with SciPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from xhat.engine.quadratic import solve_box


def programs(n: int, d: int, k: int, cap: float, seed: int = 0):
    """Hard ones: little curvature, many bounds, and conditions that often cannot hold."""
    random = np.random.default_rng(seed)
    root = random.normal(size=(n, d, d))
    curvature = root @ root.swapaxes(1, 2) / d + 0.01 * np.eye(d)
    a, g, c = (
        random.normal(size=(n, k, d)),
        3 * random.normal(size=(n, d)),
        random.normal(size=(n, k)),
    )
    matrix = np.zeros((n, d + k, d + k))
    matrix[:, :d, :d], matrix[:, :d, d:], matrix[:, d:, :d] = curvature, a.swapaxes(1, 2), -a
    matrix[:, d:, d:] = 1e-9 * np.eye(k)
    low = np.concatenate([-random.random((n, d)), np.zeros((n, k))], 1)
    high = np.concatenate([random.random((n, d)), np.full((n, k), cap)], 1)
    low[:, 0], high[:, 1] = -np.inf, np.inf
    low[:, d] = -cap  # an equality
    return matrix, np.concatenate([g, -c], 1), low, high


def off(v, matrix, offset, low, high):
    """By how much each answer misses the conditions, relative to its entries."""
    slack = (matrix @ v[:, :, None])[:, :, 0] + offset
    return (abs(v - np.clip(v - slack, low, high)) / (1 + abs(v))).max(1)


@pytest.mark.parametrize(("d", "k"), [(3, 1), (8, 2), (20, 10)])
@pytest.mark.parametrize("cap", [10.0, 1e4])
def test_answers_point_out_of_the_bounds_that_they_lie_on(d, k, cap):
    given = programs(60, d, k, cap)
    v, guess = solve_box(*given)
    assert off(v, *given).max() < 1e-7
    assert off(v + 1e-3, *given).min() > 1e-6  # the check would notice
    again, _ = solve_box(*given, guess)
    assert np.allclose(again, v, atol=1e-7 * cap)


def test_a_program_without_bounds_in_the_way_is_what_scipy_finds():
    matrix, offset, low, high = programs(5, 4, 2, 1e6, seed=3)
    low[:, :4], high[:, :4] = -np.inf, np.inf
    v, _ = solve_box(matrix, offset, low, high)
    for i in range(5):
        b, a, g, c = matrix[i, :4, :4], -matrix[i, 4:, :4], offset[i, :4], -offset[i, 4:]
        held = [
            {"type": "eq", "fun": lambda p, a=a, c=c: a[0] @ p + c[0]},
            {"type": "ineq", "fun": lambda p, a=a, c=c: -(a[1] @ p + c[1])},
        ]
        found = minimize(
            lambda p, b=b, g=g: p @ b @ p / 2 + g @ p, np.zeros(4), constraints=held,
            method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        assert np.allclose(v[i, :4], found.x, atol=1e-4)


def test_each_program_is_solved_as_it_is_alone():
    given = programs(9, 6, 3, 1e4, seed=1)
    together, _ = solve_box(*given)
    for i in range(9):
        alone, _ = solve_box(*(each[i : i + 1] for each in given))
        assert np.allclose(alone[0], together[i], rtol=1e-6, atol=1e-6)


def test_tensors_are_solved_without_a_look_and_come_to_the_same():
    given = programs(12, 6, 3, 10.0, seed=2)
    v, _ = solve_box(*given)
    blind, _ = solve_box(*(torch.from_numpy(each) for each in given))
    assert np.allclose(blind.numpy(), v, rtol=1e-4, atol=1e-4)


def test_conditions_that_repeat_each_other_and_a_matrix_without_an_inverse():
    matrix, offset, low, high = programs(4, 5, 2, 1e4, seed=5)
    matrix[:, 6, :], matrix[:, :, 6] = matrix[:, 5, :], matrix[:, :, 5]
    matrix[:, 5:, 5:] = 1e-9 * np.eye(2)
    offset[:, 6], low[:, 6] = offset[:, 5], low[:, 5]
    v, _ = solve_box(matrix, offset, low, high)
    assert off(v, matrix, offset, low, high).max() < 1e-6
    nothing, _ = solve_box(0 * matrix, 0 * offset, low.clip(-1), high.clip(max=1))
    assert np.isfinite(nothing).all()
