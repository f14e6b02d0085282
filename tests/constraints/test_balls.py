import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from xhat.constraints import Ball, L1Ball, L2Ball, LinfBall
from xhat.core import generator

BALLS = [LinfBall, L2Ball, L1Ball]
NORMS = {LinfBall: np.inf, L2Ball: 2, L1Ball: 1}
N, D = 5, 3
RADII = torch.tensor([0.1, 0.5, 1.0, 2.0, 50.0], dtype=torch.float64)


def points(seed: str, size: float = 2.0) -> torch.Tensor:
    return size * torch.randn(N, D, generator=generator(0, seed), dtype=torch.float64)


def nearest(kind: type[Ball], x: np.ndarray, center: np.ndarray, radius: float) -> np.ndarray:
    """The nearest point of the ball by sequential programming, the L1 norm split into signs.

    The unknowns are the positive and the negative part of the difference from the centre.
    """

    def distance(parts):
        return float(np.square(center + parts[:D] - parts[D:] - x).sum())

    if kind is L2Ball:
        inside = {"fun": lambda p: radius**2 - np.square(p[:D] - p[D:]).sum()}
    elif kind is L1Ball:
        inside = {"fun": lambda p: radius - p.sum()}
    else:
        inside = {"fun": lambda p: radius - (p[:D] + p[D:])}
    found = minimize(
        distance,
        np.full(2 * D, 0.01 * radius),
        method="SLSQP",
        bounds=[(0, None)] * (2 * D),
        constraints=[{"type": "ineq"} | inside],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return center + found.x[:D] - found.x[D:]


@pytest.mark.parametrize("kind", BALLS)
def test_the_projection_is_the_nearest_point_for_every_radius(kind):
    x, center = points("x"), points("center", 0.5)
    projected = kind(center, RADII).project(x)
    expected = np.stack(
        [nearest(kind, x[i].numpy(), center[i].numpy(), float(RADII[i])) for i in range(N)]
    )
    assert np.allclose(projected, expected, atol=1e-4)
    assert not np.allclose(projected[:3], x[:3], atol=1e-2)
    assert torch.equal(projected[-1], x[-1]) or torch.allclose(projected[-1], x[-1])


@pytest.mark.parametrize("kind", BALLS)
def test_no_random_point_of_the_ball_is_nearer(kind):
    center, x = torch.zeros(1, D, dtype=torch.float64), points("x")
    ball = kind(center, 0.7)
    own = (ball.project(x) - x).norm(dim=1)
    cloud = 1.4 * torch.rand(20_000, D, generator=generator(1), dtype=torch.float64) - 0.7
    cloud = cloud[ball.violation(cloud) <= 0]
    assert len(cloud) > 1000
    assert (torch.cdist(x, cloud).amin(dim=1) >= own - 1e-9).all()


@pytest.mark.parametrize("kind", BALLS)
def test_the_violation_is_the_distance_beyond_the_radius(kind):
    x, center = points("x"), points("center")
    expected = np.linalg.norm((x - center).numpy(), ord=NORMS[kind], axis=1) - RADII.numpy()
    assert np.allclose(kind(center, RADII).violation(x), expected)
    assert (kind(x, RADII).violation(x) == -RADII).all()


@pytest.mark.parametrize("kind", BALLS)
def test_images_are_treated_as_one_long_row(kind):
    center = torch.zeros(1, 1, 2, 3)
    x = points("x").float().repeat(1, 2).reshape(N, 1, 2, 3)
    flat = kind(center.reshape(1, 6), 0.4).project(x.reshape(N, 6))
    assert torch.equal(kind(center, 0.4).project(x).reshape(N, 6), flat)


@pytest.mark.parametrize("kind", BALLS)
def test_a_selection_keeps_each_candidates_own_radius(kind):
    x, ball, index = points("x"), kind(points("center"), RADII), torch.tensor([3, 0])
    assert torch.equal(ball.select(index).project(x[index]), ball.project(x)[index])
    assert ball.rows == N
    assert kind(points("center")[:1], 1.0).rows == 1
    one_center = kind(points("center")[:1], RADII)
    assert one_center.rows == N
    assert torch.equal(one_center.select(index).project(x[index]), one_center.project(x)[index])


@pytest.mark.parametrize("kind", BALLS)
def test_the_centre_itself_stays_where_it_is(kind):
    center = points("center")
    assert torch.equal(kind(center, 0.3).project(center), center)
