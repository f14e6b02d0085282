"""Closed-form projections against optima of scipy, closed forms, and what must be refused."""

import numpy as np
import pytest
import torch
from scipy.optimize import isotonic_regression, minimize

from xhat.constraints import (
    AffineEquality,
    Bounds,
    Fixed,
    Halfspace,
    Intersection,
    Invariance,
    L1Ball,
    L2Ball,
    LinfBall,
    Monotone,
    SecondOrderCone,
    Simplex,
    Sphere,
    SumWithin,
    contradiction,
)
from xhat.core import generator
from xhat.engine import Problem
from xhat.spaces import Affine, Box, Logit
from xhat.symmetry import Mirror, Rotations

N, D = 5, 4
ORIGIN = torch.zeros(1, D, dtype=torch.float64)
NORMAL = torch.tensor([[1.0, -2.0, 0.5, 3.0]]).double()
ROWS = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 0.0, 2.0]]).double()
WEIGHTS = torch.tensor([[1.0, 2.0, 0.5, 3.0]]).double()


def points(seed: str = "x", size: float = 2.0, shape: tuple[int, ...] = (N, D)) -> torch.Tensor:
    return size * torch.randn(*shape, generator=generator(0, seed), dtype=torch.float64)


def at_most(g):
    return {"type": "ineq", "fun": lambda p: -np.asarray(g(p))}


def equal(h):
    return {"type": "eq", "fun": lambda p: np.asarray(h(p))}


SMALL = [
    (Bounds(-0.5, 0.25), [at_most(lambda p: p - 0.25), at_most(lambda p: -0.5 - p)]),
    (Halfspace(NORMAL, 0.5), [at_most(lambda p: NORMAL[0].numpy() @ p - 0.5)]),
    (
        AffineEquality(ROWS, torch.tensor([1.0, 2.0])),
        [equal(lambda p: ROWS.numpy() @ p - np.array([1.0, 2.0]))],
    ),
    (Simplex(1.5), [at_most(lambda p: -p), equal(lambda p: p.sum() - 1.5)]),
    (
        SumWithin(-0.5, 1.0, 0.7, WEIGHTS),
        [
            at_most(lambda p: p - 1.0),
            at_most(lambda p: -0.5 - p),
            equal(lambda p: WEIGHTS[0].numpy() @ p - 0.7),
        ],
    ),
    (
        SecondOrderCone(height=1, slope=0.5),
        [at_most(lambda p: np.sqrt(1e-18 + p[0] ** 2 + p[2] ** 2 + p[3] ** 2) - 0.5 * p[1])],
    ),
    (Monotone(), [at_most(lambda p: -np.diff(p))]),
    (Monotone(decreasing=True), [at_most(lambda p: np.diff(p))]),
    (
        Intersection((L2Ball(ORIGIN, 1.0), Halfspace(NORMAL, 0.5), Bounds(low=-0.4))),
        [
            at_most(lambda p: p @ p - 1.0),
            at_most(lambda p: NORMAL[0].numpy() @ p - 0.5),
            at_most(lambda p: -0.4 - p),
        ],
    ),
    (
        Intersection((AffineEquality(ROWS, torch.tensor([1.0, 0.5])), Bounds(0.0, 1.0))),
        [
            equal(lambda p: ROWS.numpy() @ p - np.array([1.0, 0.5])),
            at_most(lambda p: p - 1.0),
            at_most(lambda p: -p),
        ],
    ),
]


@pytest.mark.parametrize(("constraint", "conditions"), SMALL, ids=lambda v: getattr(v, "name", ""))
def test_the_projection_is_the_nearest_point(constraint, conditions):
    x = points()
    found = constraint.project(x)
    assert float((found - x).abs().max()) > 0.1
    assert float(constraint.violation(found).max()) <= 1e-12
    for row, own in zip(x.numpy(), found.numpy(), strict=True):
        best = minimize(
            lambda p, row=row: np.square(p - row).sum(),
            np.full(D, 0.3),
            jac=lambda p, row=row: 2 * (p - row),
            method="SLSQP",
            constraints=conditions,
            options={"ftol": 1e-15, "maxiter": 500},
        )
        assert np.square(own - row).sum() <= best.fun + 1e-6
        assert np.allclose(own, best.x, atol=1e-4)


def test_monotone_is_isotonic_regression_along_any_axis():
    x = points("long", shape=(3, 5, 40))
    found = Monotone(axis=-1).project(x)
    expected = [[isotonic_regression(line).x for line in rows] for rows in x.numpy()]
    assert np.allclose(found, np.array(expected), atol=1e-13)
    assert float(Monotone(axis=-1).violation(found).max()) <= 0  # in order to the last bit
    turned = Monotone(axis=0).project(x.transpose(1, 2))
    assert torch.equal(turned, found.transpose(1, 2))
    falling = Monotone(axis=1, decreasing=True).project(-x)
    assert torch.equal(falling, -found)
    long = torch.arange(400.0).flip(0)[None]  # everything ends in one block
    assert torch.allclose(Monotone().project(long), torch.full((1, 400), 199.5))


def test_gradients_of_projections_are_exact():
    x = points().requires_grad_(True)
    for constraint in (SumWithin(-0.5, 1.0, 0.7, WEIGHTS), Simplex(1.5), Monotone()):
        assert torch.autograd.gradcheck(constraint.project, x)


def test_sums_with_totals_of_each_candidate_and_at_the_very_ends():
    x = points("many", shape=(4, 784))
    totals = torch.tensor([0.0, 1.0, 100.0, 784.0]).double()
    found = SumWithin(0.0, 1.0, totals).project(x)
    assert torch.allclose(found.sum(1), totals, atol=1e-10)
    assert found.min() >= 0
    assert found.max() <= 1
    single = SumWithin(0.0, 1.0, totals).project(x.float())
    assert (SumWithin(0.0, 1.0, totals).violation(single) <= 1e-6).all()
    one = SumWithin(0.0, 1.0, totals).select(torch.tensor([2])).project(x[2:3])
    assert torch.equal(one, found[2:3])


def test_the_sphere_is_reached_from_its_centre_too_and_is_not_convex():
    sphere = Sphere(torch.ones(1, 3).double(), 2.0)
    found = sphere.project(torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.5]]).double())
    assert found.tolist() == [[3.0, 1.0, 1.0], [1.0, 1.0, 3.0]]
    with pytest.raises(ValueError, match="Sphere is not convex"):
        Intersection((sphere, Bounds(low=0.0)))
    assert Problem(lambda x: x.sum(dim=1), Box(), sphere).general == (sphere,)


def test_fixed_and_symmetric_are_what_they_say():
    x = points()
    fixed = Fixed(torch.tensor([True, False, False, True]), ORIGIN)
    assert fixed.project(x)[:, [0, 3]].abs().max() == 0
    assert torch.equal(fixed.project(x)[:, 1:3], x[:, 1:3])
    even = Invariance(Mirror()).project(x)
    assert torch.equal(even, even.flip(-1))
    with pytest.raises(ValueError, match=r"Rotations\(8\) interpolates"):
        Invariance(Rotations(8))


class TestSeveral:
    def test_a_corner_that_projections_in_turn_miss(self):
        wedge = Intersection((Halfspace(torch.tensor([[1.0, 1.0]]), 0.0), Bounds(low=0.0)))
        x = torch.tensor([[1.0, 3.0], [-2.0, -1.0], [-4.0, 1.0]]).double()
        assert torch.allclose(wedge.project(x), torch.zeros(3, 2).double(), atol=1e-8)

    def test_in_a_problem_they_hold_at_once_with_the_box(self):
        x = points("wide", shape=(6, 30)) + 0.5
        parts = (
            L1Ball(torch.full((1, 30), 0.5).double(), 3.0),
            Halfspace(torch.ones(1, 30).double(), 14.0),
        )
        for kind, limit in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
            problem = Problem(lambda x: x.sum(dim=1), Box(0.0, 1.0), parts).to("cpu", kind)
            found = problem.project(x.to(kind))
            assert float(problem.violation(found).max()) <= limit
            assert found.min() >= 0
            assert found.max() <= 1
        outside = Problem(
            lambda x: x.sum(dim=1), Box(0.0, 1.0), L2Ball(torch.full((1, 30), 1.2).double(), 4.0)
        )
        z = outside.project(x)  # a ball whose centre is out of the box does not survive clipping
        assert float(outside.violation(z).max()) <= 1e-12

    def test_what_is_empty_ends_and_says_so_by_its_violation(self):
        apart = Intersection((L2Ball(ORIGIN, 1.0), L2Ball(ORIGIN + 3, 1.0)))
        assert float(apart.violation(apart.project(points())).min()) > 1.0


class TestContradictions:
    def test_two_that_exclude_each_other_are_named_before_the_search(self):
        parts = (Halfspace(torch.ones(1, D), 3.0), Halfspace(-torch.ones(1, D), -3.5))
        problem = Problem(lambda x: x.sum(dim=1), Box(0, 1), parts)
        with pytest.raises(ValueError, match="Halfspace and Halfspace contradict each other"):
            problem.check(torch.zeros(1, D))
        Problem(lambda x: x.sum(dim=1), Box(0, 1), parts[0]).check(torch.zeros(1, D))

    def test_the_space_and_single_candidates_count(self):
        total = SumWithin(0.0, 2.0, torch.tensor([1.0, 5.0]))
        problem = Problem(lambda x: x.sum(dim=1), Box(0, 1), total)
        with pytest.raises(ValueError, match=r"SumWithin and Bounds .* for candidate 1: .*both"):
            problem.check(torch.zeros(1, D))
        plane = Affine(torch.ones(1, D), torch.tensor([9.0]))
        with pytest.raises(ValueError, match="Bounds and AffineEquality contradict"):
            Problem(lambda x: x.sum(dim=1), plane, Bounds(0.0, 2.0)).check(torch.full((1, D), 2.25))

    def test_three_that_only_together_do(self):
        parts = (
            Halfspace(torch.tensor([[1.0, 0.0]]), 0.0),
            Halfspace(torch.tensor([[0.0, 1.0]]), 0.0),
            Halfspace(torch.tensor([[-1.0, -1.0]]), -1.0),
        )
        assert contradiction(parts, torch.zeros(1, 2)) == ("Halfspace",) * 3
        assert contradiction(parts[:2], torch.zeros(1, 2)) is None

    def test_a_ball_of_bounds_is_among_them(self):
        ball = LinfBall(torch.full((1, 2, 2), 0.5), torch.tensor([0.1]))
        for sign, limit in ((1.0, 4 * 0.4 - 0.01), (-1.0, -4 * 0.6 - 0.01)):
            away = Halfspace(torch.full((1, 2, 2), sign), limit)
            assert contradiction((ball, away), torch.zeros(1, 2, 2)) == ("LinfBall", "Halfspace")
            near = Halfspace(torch.full((1, 2, 2), sign), limit + 0.02)
            assert contradiction((ball, near), torch.zeros(1, 2, 2)) is None

    def test_an_order_is_among_them_whatever_the_shape(self):
        rising = Monotone(axis=-1)
        falls = Halfspace(torch.tensor([[[1.0, -1.0], [0.0, 0.0]]]).neg(), -0.1)  # 0.1 apart
        names = contradiction((rising, falls), torch.zeros(1, 2, 2))
        assert names == ("Monotone", "Halfspace")
        across = Halfspace(torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]]), -0.1)
        assert contradiction((rising, across), torch.zeros(1, 2, 2)) is None

    def test_a_corner_that_rounding_alone_excludes_is_left(self):
        rows = torch.tensor([[0.1, -0.7, 0.3], [0.9, 0.2, 0.6]])
        corner = torch.ones(1, 3)
        plane = AffineEquality(rows, corner @ rows.T)
        assert contradiction((plane, Bounds(0.0, 1.0)), corner) is None
        beyond = AffineEquality(torch.ones(1, 3), torch.tensor([3.001]))
        assert contradiction((beyond, Bounds(0.0, 1.0)), corner) == (plane.name, "Bounds")

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_what_holds_within_the_tolerance_is_no_contradiction(self, sign):
        """In the unit of distance, whatever the length of a row."""
        wall = Halfspace(-100 * sign * torch.ones(1, 4), -100 * (2.0 + 1e-3))  # 5e-4 outside
        sum_ = AffineEquality(-7 * sign * torch.ones(1, 4), torch.tensor([-7 * (2.0 + 1e-3)]))
        ends = Bounds(*sorted((0.0, 0.5 * sign)))
        for part in (wall, sum_):
            assert contradiction((part, ends), ORIGIN[:, :4], 6e-4) is None
            # bounds give way by as much: the sum of four by twice the distance
            assert contradiction((part, ends), ORIGIN[:, :4], 1e-4) is not None
        apart = (Bounds(0.0, 1.0), Bounds(1.0 + 1e-3, 2.0))
        assert contradiction(apart, ORIGIN, 6e-4) is None
        assert contradiction(apart, ORIGIN, 4e-4) == ("Bounds", "Bounds")

    def test_an_open_box_comes_near_enough_to_its_corner(self):
        problem = Problem(lambda x: x.sum(dim=1), Logit(0, 1), Simplex(2.0))
        problem.check(torch.ones(1, 2))
        exact = Problem(lambda x: x.sum(dim=1), Logit(0, 1), Simplex(2.0), tolerance=0.0)
        with pytest.raises(ValueError, match="Simplex and Bounds contradict each other"):
            exact.check(torch.ones(1, 2))


def test_planes_of_images_have_a_length_and_an_offset_each():
    """Of as many candidates as there are rows of pixels, so that no axis is taken for another."""
    normals = torch.arange(1.0, 17).reshape(4, 1, 2, 2) - 6.5
    offsets, x = torch.tensor([1.0, -2.0, 0.5, 3.0]), torch.randn(4, 1, 2, 2)
    found = Halfspace(normals, offsets).values(x.double())[:, 0]
    flat = normals.flatten(1).double()
    wanted = ((flat * x.flatten(1)).sum(dim=1) - offsets) / flat.norm(dim=1)
    assert torch.allclose(found, wanted, atol=1e-12)


def test_a_sphere_has_a_radius_for_every_centre_or_one_centre_for_all():
    one = Sphere(torch.zeros(1, 3), torch.tensor([1.0, 2.0]))
    assert one.violation(torch.eye(3)[:2]).tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match="the radius"):
        Sphere(torch.zeros(3, 3), torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize("height", [0, D - 1, -1, -D])
def test_a_cone_may_stand_on_any_feature(height):
    SecondOrderCone(height=height).check(ORIGIN)


@pytest.mark.parametrize("shape", [(4,), (1, 2, 2)])
def test_fixed_features_miss_their_values_by_the_difference_whatever_the_shape(shape):
    fixed = Fixed(torch.tensor([True, False, False, True]).reshape(shape), torch.zeros(1, *shape))
    x = torch.tensor([[0.0, 5.0, 5.0, -0.5], [0.25, 0.0, 0.0, 0.0]]).reshape(2, *shape)
    assert fixed.values(x).tolist() == [[0.0, -0.5], [0.25, 0.0]]
    assert fixed.violation(x).tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bounds(), "needs low=, high= or both"),
        (lambda: Bounds(1.0, 0.0), "low must not be above high"),
        (lambda: Halfspace(ORIGIN, 1.0), "must not be 0"),
        (lambda: AffineEquality(torch.ones(2, D), torch.tensor([1.0, 2.0])), "contradict each"),
        (lambda: Simplex(-1.0), "must be above 0"),
        (lambda: SumWithin(0.0, 1.0, 0.5, -WEIGHTS), "weights of a sum must be above 0"),
        (lambda: SumWithin(0.0, 1.0, 0.5, 0 * WEIGHTS), "weights of a sum must be above 0"),
        (lambda: SumWithin(1.0, 1.0, 4.0), "low must be below high for every feature"),
        (lambda: SumWithin(ORIGIN, ORIGIN + 1, 9.0), "between 0 and 4, but the total is 9"),
        (lambda: SecondOrderCone(slope=0.0), "slope must be above 0"),
        (lambda: Fixed(torch.zeros(D, dtype=torch.bool), ORIGIN), "fix a feature"),
        (lambda: Intersection((Monotone(),)), "two or more constraints"),
        (lambda: Monotone(axis=3).check(ORIGIN), "along axis 3, but one has shape"),
        (lambda: Halfspace(NORMAL, 1.0).check(ORIGIN[:, :2]), "made for inputs of shape"),
        (lambda: Halfspace(torch.ones(3, D), torch.ones(2)), "offset must have one row per cand"),
        (lambda: SecondOrderCone(height=D).check(ORIGIN), "needs inputs of 2 or more features"),
        (lambda: SecondOrderCone(height=-D - 1).check(ORIGIN), "among them feature -5"),
        (lambda: SecondOrderCone().check(ORIGIN[:, :1]), "but the starts have 1"),
    ],
)
def test_bad_input_is_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_redundant_rows_are_fine():
    rows = torch.cat((ROWS, ROWS.sum(dim=0, keepdim=True)))
    more = AffineEquality(rows, torch.tensor([1.0, 2.0, 3.0]))
    same = AffineEquality(ROWS, torch.tensor([1.0, 2.0]))
    assert torch.allclose(more.project(points()), same.project(points()), atol=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_one_pixel_of_four_breaks_counts_whichever_way_it_is_off(sign):
    x = torch.zeros(1, 1, 2, 2)
    x[0, 0, 0, 0] = sign  # the mean of its orbit is a quarter
    assert Invariance(Rotations(4)).violation(x).tolist() == [0.75]


def test_sets_that_do_not_meet_are_given_up_after_a_window_or_two():
    calls = []

    class Counting(L2Ball):
        def project(self, x):
            calls.append(len(x))
            return super().project(x)

    balls = (Counting(torch.zeros(1, 3), 1.0), Counting(torch.full((1, 3), 4.0), 1.0))
    Intersection(balls).project(torch.full((1, 3), 9.0))
    assert len(calls) <= 2 * 2 * 150  # of two times 500 cycles
