"""Searches against closed forms; the surrogates against the truth; and what cannot be done."""

import math

import pytest
import torch

from xhat.core import generator
from xhat.learning import load_checkpoint
from xhat_zoo import shapes
from xhat_zoo.shapes import (
    Body,
    Capsule,
    Cuboid,
    Sphere,
    Torus,
    certify,
    find_medial,
    find_poses,
    find_surface,
    fit_shape,
    largest_ball,
    measure_field,
    normal_errors,
    overstatement,
    train_shape,
)

TORUS = Torus(0.6, 0.25)
IDENTITY = (1.0, 0.0, 0.0, 0.0)
REACH = (-3 * torch.ones(3), 3 * torch.ones(3))


def anywhere(n: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.rand(n, 3, generator=generator(seed), dtype=torch.float64) - 1.5


def pose(*translation: float, turn: tuple[float, ...] = IDENTITY) -> torch.Tensor:
    return torch.tensor([[*turn, *translation]], dtype=torch.float64)


@pytest.fixture(scope="module")
def field():
    return shapes.surrogate("torus").double()


def test_the_true_distance_leads_to_the_nearest_surface_point_in_one_step():
    x0 = anywhere(50)
    found = find_surface(TORUS, x0, tolerance=1e-9)
    assert bool(found.reached.all())
    assert found.steps.max() <= 1
    assert torch.allclose((found.x - x0).norm(dim=1), TORUS(x0).abs(), atol=1e-9)


def test_the_surrogate_leads_to_the_true_surface_also_from_beyond_its_region(field):
    low, high = shapes.region("torus")
    x0 = torch.cat([anywhere(60).clamp(low, high), 6 * anywhere(40, seed=1)])
    found = find_surface(field, x0)
    away = TORUS(found.x).abs()
    longer = (found.x - x0).norm(dim=1) - TORUS(x0).abs()
    assert bool(found.reached.all())
    assert float(away.median()) < 5e-4
    assert float(away.max()) < 5e-3
    assert float(longer[:60].median()) < 2e-3  # about the nearest point
    assert float((longer / TORUS(x0))[60:].median()) < 0.05


def test_every_shipped_surrogate_has_the_normals_of_the_truth():
    for name in shapes.SHAPES:
        truth = shapes.shape(name)
        on = shapes.surface_points(truth, 2000, seed=99)
        degrees = normal_errors(shapes.surrogate(name), on.points, on.normals)
        assert float(degrees.median()) < (0.4 if name == "torus" else 2.0)


def test_normal_errors_reject_a_wrong_normal():
    on = shapes.surface_points(TORUS, 100, seed=0)
    assert float(normal_errors(TORUS, on.points, on.normals).max()) < 1e-6
    turned = on.normals[:, [1, 2, 0]]
    assert float(normal_errors(TORUS, on.points, turned).median()) > 10


def test_medial_points_of_the_torus_lie_on_its_circle(field):
    inside = shapes.samples_around(TORUS, 60, seed=3, near=0.0, deep=1.0).points[:40]
    found = find_medial(field, inside).x
    off = torch.hypot(found[:, :2].norm(dim=1) - 0.6, found[:, 2])
    assert float(off.max()) < 0.02


@pytest.mark.parametrize(
    ("shape", "radius"),
    [(Sphere(0.7), 0.7), (Cuboid((0.7, 0.5, 0.35)), 0.35), (Capsule(0.5, 0.3), 0.3), (TORUS, 0.25)],
)
def test_the_largest_ball_of_a_solid_is_known(shape, radius):
    inside = shapes.samples_around(shape, 40, seed=0, near=0.0, deep=1.0).points
    ball = largest_ball(shape, inside)
    assert ball.radius == pytest.approx(radius, abs=1e-4)
    assert ball.certified(shape) == pytest.approx(ball.radius)


def test_the_largest_ball_beside_a_sphere_in_a_cube_fills_a_corner():
    cube, radius = shapes.Complement(Cuboid((1.0, 1.0, 1.0))), 0.8
    free = shapes.Union([cube, Sphere(radius)])
    starts = shapes.samples_around(
        free, 200, seed=0, near=0.0, region=(-torch.ones(3), torch.ones(3))
    )
    ball = largest_ball(free, starts.points[starts.distances > 0], inside=False)
    middle = (1 + radius) / (1 + math.sqrt(3))  # equally far from three walls and the sphere
    assert ball.radius == pytest.approx(1 - middle, rel=0.02)


def test_a_ball_is_refused_where_no_start_is_on_that_side():
    walls = shapes.Complement(Cuboid((1.0, 1.0, 1.0)))
    with pytest.raises(ValueError, match="no start led to a point inside"):
        largest_ball(walls, torch.zeros(1, 3).double(), max_steps=1)


def test_a_ball_moves_straight_out_of_a_sphere():
    body, wanted = Body(torch.zeros(1, 3), 0.25), pose(0.3, 0.4, 0.0)
    found = find_poses(Sphere(1.0), body, wanted, clearance=0.05, within=REACH, tries=1)
    expected = torch.tensor([0.6, 0.8, 0.0]).double() * 1.3
    assert bool(found.feasible)
    assert torch.allclose(found.x[0, 4:], expected, atol=1e-3)
    assert bool(certify(Sphere(1.0), body, found, 0.05).holds)


def test_a_rod_turns_to_pass_a_slot():
    slot = shapes.Union(
        [shapes.Moved(Cuboid((1.0, 1.0, 0.4)), (0.0, 0.0, z)) for z in (-0.6, 0.6)]
    )  # two plates, 0.4 apart
    rod = Body([[x / 4, 0.0, 0.0] for x in range(-2, 3)], 0.08)
    tilted = (math.cos(0.3), 0.0, math.sin(0.3), 0.0)  # about y, into both plates
    wanted = pose(0.0, 0.0, 0.0, turn=tilted)
    found = find_poses(slot, rod, wanted, clearance=0.05, within=REACH, tries=1)
    said = certify(slot, rod, found, 0.05)
    assert bool(said.holds)
    assert said.status[0].startswith("certified: the truth says 0.05")
    heights = rod.placed(found.x)[0, :, 2]
    assert float(heights.abs().max()) <= 0.2 - 0.08 - 0.05 + 1e-4


def test_what_is_clear_already_stays(field):
    body, wanted = Body(torch.zeros(1, 3), 0.1), pose(0.0, 0.0, 1.2)
    found = find_poses(TORUS, body, wanted, clearance=0.1, within=REACH, tries=1)
    assert torch.allclose(found.x, wanted, atol=1e-6)


def test_an_impossible_clearance_is_infeasible():
    walls, body = shapes.Complement(Cuboid((1.0, 1.0, 1.0))), Body(torch.zeros(1, 3), 0.5)
    wanted = pose(0.2, 0.0, 0.0)
    found = find_poses(walls, body, wanted, clearance=0.6, within=REACH, tries=1)
    said = certify(walls, body, found, 0.6)
    assert not bool(found.feasible)
    assert not bool(said.holds)
    assert said.status[0].startswith(
        "infeasible: no pose was found that keeps 0.6; the best keeps 0."
    )


def test_a_margin_is_the_largest_overstatement_and_keeps_poses_certified():
    def kind(x: torch.Tensor) -> torch.Tensor:  # a surrogate that overstates by 3 %
        return 1.03 * Sphere(1.0)(x) + 0.02

    body, wanted = Body(torch.zeros(1, 3), 0.2), pose(0.5, 0.0, 0.0)
    margin = overstatement(kind, Sphere(1.0), 0.25, region=REACH, points=20_000)
    assert margin == pytest.approx(0.02 + 0.03 * (1.5 * 0.25 - 0.02) / 1.03, abs=2e-4)
    for extra, fine in ((0.0, False), (margin, True)):
        found = find_poses(kind, body, wanted, clearance=0.05, margin=extra, within=REACH, tries=1)
        assert bool(found.feasible)
        assert bool(certify(Sphere(1.0), body, found, 0.05).holds) is fine


def test_a_surrogate_of_any_shape_is_trained_and_measured():
    ball = Sphere(0.8)
    field = fit_shape(ball, points=3000, epochs=10, hidden=32, seed=3)
    of = measure_field(field, ball, seed=8, points=500)
    assert of["normal_median"] < 5
    assert of["surface_median"] < 0.03
    plain = fit_shape(ball, points=3000, epochs=10, hidden=32, seed=3, normals=False)
    alone = measure_field(plain, ball, seed=8, points=500)["normal_median"]
    assert of["normal_median"] < alone < 30


def test_training_of_the_catalogue_leaves_weights_and_a_true_card(tmp_path):
    card = train_shape("torus", out=tmp_path, epochs=1, points=500)
    model, read = load_checkpoint(tmp_path, "torus")
    assert read == card
    assert card.command == "xhat train shapes --recipe torus --seed 1 --epochs 1 --limit 500"
    assert card.metrics["samples"] > 1000
    assert not any(w.requires_grad for w in model.parameters())


def test_shipped_cards_say_what_is_measured_again():
    card = shapes.card("torus")
    assert card.metrics["normal_median"] <= 0.4
    assert card.parameters < 20_000


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: find_surface(TORUS, torch.zeros(3)), ValueError, r"x\[None\]"),
        (lambda: find_surface(3, torch.zeros(1, 3)), TypeError, "must be callable"),
        (lambda: fit_shape(3), TypeError, "the shape must be a Shape, not int"),
        (lambda: train_shape("cube", out="."), ValueError, "shape must be one of torus"),
        (
            lambda: find_poses(TORUS, Body(torch.zeros(1, 3)), pose(0, 0, 0), clearance=-1.0,
                               within=REACH),
            ValueError,
            "clearance must be 0 or more",
        ),
        (
            lambda: find_poses(TORUS, Body(torch.zeros(1, 3)), pose(9, 0, 0), clearance=0.1,
                               within=REACH),
            ValueError,
            "the wanted translation must lie in",
        ),
        (
            lambda: find_poses(TORUS, Body(torch.zeros(1, 3)), torch.zeros(1, 6), clearance=0.1,
                               within=REACH),
            ValueError,
            r"poses must have shape \(n, 7\)",
        ),
        (
            lambda: overstatement(TORUS, TORUS, 50.0, region=REACH, points=100),
            ValueError,
            "no point of the region is about 50",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_a_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()
