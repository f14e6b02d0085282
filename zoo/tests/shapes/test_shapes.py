"""Distances against brute force, normals against finite differences, and bad input."""

import numpy as np
import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat_zoo import shapes
from xhat_zoo.shapes import (
    Body,
    Capsule,
    Clearance,
    Complement,
    Cuboid,
    Moved,
    Sphere,
    Torus,
    Union,
)
from xhat_zoo.shapes.fields import DistanceField

QUATERNION = (0.8, 0.5, 0.2, 0.1)
SOLIDS = {
    "sphere": Sphere(0.7),
    "box": Cuboid((0.7, 0.5, 0.35)),
    "capsule": Capsule(half=0.5, radius=0.3),
    "torus": Torus(0.6, 0.25),
    "moved": Moved(Torus(0.6, 0.25), (0.3, -0.2, 0.1), QUATERNION),
    "complement": Complement(Cuboid((0.7, 0.5, 0.35))),
}
UNION = Union([Sphere(0.5), Moved(Cuboid((0.3, 0.3, 0.3)), (0.6, 0.0, 0.0), QUATERNION)])


def points(n: int, seed: int = 0) -> torch.Tensor:
    return 2.4 * torch.rand(n, 3, generator=generator(seed), dtype=torch.float64) - 1.2


def dense_surface(name: str) -> torch.Tensor:
    """Points of the surface, from parametrisations that the library does not use."""
    u, v = torch.rand(2, 60_000, generator=generator(1), dtype=torch.float64)
    a, b = 2 * np.pi * u, 2 * np.pi * v
    if name == "torus":
        ring = 0.6 + 0.25 * b.cos()
        return torch.stack([ring * a.cos(), ring * a.sin(), 0.25 * b.sin()], dim=1)
    if name == "sphere":
        z = 2 * v - 1
        r = (1 - z * z).sqrt()
        return 0.7 * torch.stack([r * a.cos(), r * a.sin(), z], dim=1)
    if name == "capsule":
        z = 2 * v - 1
        r = (1 - z * z).sqrt()
        ball = 0.3 * torch.stack([r * a.cos(), r * a.sin(), z], dim=1)
        ends = ball + 0.5 * torch.sign(z)[:, None] * torch.tensor([0.0, 0.0, 1.0])
        side = torch.stack([0.3 * a.cos(), 0.3 * a.sin(), v - 0.5], dim=1)
        return torch.cat([ends, side])
    half = torch.tensor([0.7, 0.5, 0.35], dtype=torch.float64)
    faces = (2 * torch.rand(6, 40_000, 3, generator=generator(2), dtype=torch.float64) - 1) * half
    for axis in range(3):
        faces[axis, :, axis], faces[axis + 3, :, axis] = half[axis], -half[axis]
    return faces.reshape(-1, 3)


@pytest.mark.parametrize("name", ["sphere", "box", "capsule", "torus"])
def test_distance_is_that_to_the_nearest_of_many_surface_points(name):
    x, surface = points(150), dense_surface(name)
    assert float(SOLIDS[name](surface).abs().max()) < 1e-12
    brute = torch.cdist(x, surface).amin(dim=1)
    found = SOLIDS[name](x)
    assert bool((found.abs() <= brute + 1e-12).all())
    assert float((brute - found.abs()).max()) < 0.02  # the spacing of the points


@pytest.mark.parametrize("name", [*SOLIDS, "union"])
def test_normal_is_the_gradient(name):
    shape = UNION if name == "union" else SOLIDS[name]
    x = points(400)
    leaf = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(shape(leaf).sum(), leaf)
    normal = shape.normal(x)
    step = 1e-6 * torch.eye(3, dtype=torch.float64)
    moved = [(shape(x + move) - shape(x - move)) / 2e-6 for move in step]
    assert float((normal - slope).abs().max()) < 1e-9
    assert float((normal - torch.stack(moved, dim=1)).abs().max()) < 1e-5
    assert float((normal.norm(dim=1) - 1).abs().max()) < 1e-12


def test_inside_and_outside_have_the_signs_of_their_definitions():
    x = points(2000)
    inside = (x.abs() <= torch.tensor([0.7, 0.5, 0.35])).all(dim=1)
    assert bool(((SOLIDS["box"](x) < 0) == inside).all())
    assert bool(((SOLIDS["complement"](x) > 0) == inside).all())


def test_a_moved_shape_is_the_shape_at_moved_points():
    x, turn = points(100), shapes.rotation_matrix(torch.tensor([QUATERNION]).double())[0]
    assert torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64))
    assert float(torch.linalg.det(turn)) == pytest.approx(1)
    there = x @ turn.T + torch.tensor([0.3, -0.2, 0.1])
    assert torch.allclose(SOLIDS["moved"](there), SOLIDS["torus"](x))


def test_a_union_is_exact_outside_and_a_bound_inside():
    surface = shapes.surface_points(UNION, 30_000, seed=0).points
    x = points(300)
    brute, found = torch.cdist(x, surface).amin(dim=1), UNION(x)
    outside = found > 0
    assert float((found - brute)[outside].abs().max()) < 0.03
    assert bool((found.abs() <= brute + 1e-9).all())
    seam = torch.tensor([[0.42, 0.0, 0.0]]).double()
    assert float(UNION(seam).abs()) < 0.7 * float(torch.cdist(seam, surface).min())
    assert (UNION.exact_outside, UNION.exact_inside) == (True, False)
    assert (Complement(UNION).exact_outside, Complement(UNION).exact_inside) == (False, True)


def test_bounds_hold_the_surface():
    for shape in (*SOLIDS.values(), UNION):
        low, high = shape.bounds()
        surface = shapes.surface_points(shape, 500, seed=3)
        assert float(surface.distances.abs().max()) < 1e-9
        assert bool(((surface.points >= low - 1e-9) & (surface.points <= high + 1e-9)).all())


def test_surface_points_are_even_by_area():
    found = shapes.surface_points(Torus(0.6, 0.25), 20_000, seed=0).points
    outer = float((found[:, :2].norm(dim=1) > 0.6).double().mean())
    assert outer == pytest.approx(0.5 + 0.25 / 0.6 / np.pi, abs=0.012)  # Pappus


def test_samples_repeat_and_tell_the_truth():
    a, b = (shapes.samples_around(Torus(0.6, 0.25), 500, seed=4, deep=0.2) for _ in range(2))
    other = shapes.samples_around(Torus(0.6, 0.25), 500, seed=5)
    assert torch.equal(a.points, b.points)
    assert not torch.equal(a.points, other.points)
    assert torch.equal(a.distances, Torus(0.6, 0.25)(a.points))
    assert float((a.distances < 0).double().mean()) > float((other.distances < 0).double().mean())
    low, high = shapes.region_of(Torus(0.6, 0.25))
    assert bool(((a.points >= low) & (a.points <= high)).all())


def test_clearance_of_a_ball_and_of_a_body_in_closed_form():
    ball = Body(torch.zeros(1, 3), 0.25)
    pose = torch.tensor([[2.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0]]).double()
    assert float(Clearance(Sphere(1.0), ball)(pose)) == pytest.approx(5 - 1 - 0.25)
    rod = Body([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], [0.1, 0.2])
    each = Clearance(Sphere(1.0), rod).each(pose)
    assert each[0].tolist() == pytest.approx([np.hypot(4, 4) - 1.1, np.hypot(2, 4) - 1.2])
    least = shapes.chunked(Clearance(Sphere(1.0), rod), pose)
    assert float(least) == pytest.approx(float(each.min()))


def test_a_covering_body_holds_the_solid():
    solid = SOLIDS["torus"]
    body = Body.covering(solid, 0.1)
    x = points(4000)
    x = x[solid(x) <= 0]
    away = torch.cdist(x, body.centers) - body.radii
    assert float(away.amin(dim=1).max()) <= 0
    assert float(solid(body.centers).max()) + float(body.radii[0]) <= np.sqrt(3) * 0.1 + 1e-12


def test_a_field_beyond_its_region_is_a_lower_bound():
    class Ball(nn.Module):
        def forward(self, x):
            return (x.norm(dim=1) - 0.5)[:, None]

    field = DistanceField((-1, -1, -1), (1, 1, 1), hidden=4).double()
    field.hidden, field.out = nn.ModuleList(), Ball()  # the truth within the region
    x = 4 * points(500)
    said, truth = field(x), Sphere(0.5)(x)
    within = (x.abs() <= 1).all(dim=1)
    assert torch.allclose(said[within], truth[within])
    assert bool((said <= truth + 1e-12).all())
    assert bool((said[~within] >= (x.abs() - 1).amax(dim=1)[~within]).all())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Sphere(0.0), ValueError, "the radius must be above 0, but is 0.0"),
        (lambda: Sphere("1"), TypeError, "the radius must be a number, not str"),
        (lambda: Capsule(1.0, -0.1), ValueError, "the radius must be above 0"),
        (lambda: Torus(0.5, 0.5), ValueError, "minor radius must be below the major one"),
        (lambda: Torus(0.5, -0.1), ValueError, "the minor radius must be above 0"),
        (lambda: Cuboid((1.0, 2.0)), ValueError, "half must be three numbers"),
        (lambda: Cuboid((1.0, 0.0, 1.0)), ValueError, "half must be above 0"),
        (lambda: Union([]), ValueError, "one shape or more"),
        (lambda: Union([3]), TypeError, "a shape must be a Shape, not int"),
        (lambda: Moved(Sphere(1.0), (0.0, 0.0)), ValueError, "translation of 3 numbers"),
        (lambda: Moved(Sphere(1.0), (0, 0, 0), (0, 0, 0, 0)), ValueError, "not all 0"),
        (lambda: Sphere(1.0)(torch.zeros(3)), ValueError, r"for one point use x\[None\]"),
        (lambda: Sphere(1.0)(torch.zeros(4, 2)), ValueError, r"shape \(n, 3\), but have \(4, 2\)"),
        (lambda: Sphere(1.0)(torch.zeros(4, 3).long()), TypeError, "tensor, not int64"),
        (lambda: Body(torch.zeros(2, 3), -1.0), ValueError, "radii must be 0 or more"),
        (lambda: Body(torch.zeros(2, 2)), ValueError, r"shape \(m, 3\), but have \(2, 2\)"),
        (lambda: Body(torch.zeros(2, 3)).placed(torch.zeros(1, 6)), ValueError, r"shape \(n, 7\)"),
        (lambda: Body.covering(Sphere(1.0), 0.0), ValueError, "spacing must be above 0"),
        (lambda: shapes.shape("cube"), ValueError, "shape must be one of torus"),
        (lambda: DistanceField((0, 0, 0), (1, 0, 1)), ValueError, "low below high"),
        (lambda: DistanceField((0, 0), (1, 1)), ValueError, "two corners of three numbers"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_a_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()
