"""Spaces that hold structure by construction: at every z, to rounding; and what they refuse."""

import pytest
import torch

from tests.laws.registry import equations
from xhat.constraints import AffineEquality, Monotone
from xhat.core import generator
from xhat.engine import Adam, Compute, Problem, Watch, solve
from xhat.objectives import Proximity
from xhat.spaces import (
    Affine,
    Box,
    Held,
    Normalized,
    Ordered,
    Rounded,
    Softmax,
    Squashed,
    Summed,
    Symmetric,
    Tied,
)
from xhat.symmetry import MatrixGroup, Mirror, Rotations, SignFlips, group

LIMITS = {torch.float32: 1e-6, torch.float64: 1e-12}
PAIR = torch.tensor([0, 1, 0])
TOTALS = torch.tensor([3.0, 9.0, 30.0])


def wild(*shape: int, reach: float = 5.0) -> torch.Tensor:
    return reach * torch.randn(*shape, generator=generator(1, "wild"), dtype=torch.float64)


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
class TestEveryInputHolds:
    def test_sums_and_lengths(self, dtype):
        z, limit = wild(3, 36).to(dtype), LIMITS[dtype]
        assert float((Softmax(2.0).decode(z).double().sum(1) - 2).abs().max()) <= limit
        off = Summed(0.0, 1.0, TOTALS).decode(z).double().sum(1) - TOTALS
        assert float(off.abs().max()) / 6 <= limit  # the distance from the plane of the sum
        rows = Normalized(axis=-1).decode(z.reshape(3, 9, 4)).double()
        assert float((rows.norm(dim=-1) - 1).abs().max()) <= limit
        ball = Squashed(torch.zeros(1, 36, dtype=dtype), 1.5).decode(100 * z)
        assert float(ball.double().norm(dim=1).max()) <= 1.5 + limit

    def test_planes_order_and_symmetry(self, dtype):
        limit = LIMITS[dtype]
        space, planes = Affine(*equations()), AffineEquality(*equations())
        z = wild(3, space.basis.shape[1], reach=1.0).to(dtype)
        assert float(planes.violation(space.decode(z).double()).max()) <= limit
        x = Ordered(-1.0, 2.0, decreasing=True).decode(wild(3, 5, 9).to(dtype))
        assert (x.diff(dim=-1) <= 0).all()
        assert x.min() >= -1
        assert x.max() <= 2
        x = Symmetric(Box(0, 1), group("d4")).decode(wild(3, 1, 6, 6).to(dtype))
        assert all(torch.equal(group("d4").act(k, x), x) for k in range(8))
        turn = torch.tensor([[-0.5, -(0.75**0.5)], [0.75**0.5, -0.5]], dtype=torch.float64)
        three = MatrixGroup(
            torch.stack(
                [
                    torch.block_diag(torch.eye(1).double(), torch.linalg.matrix_power(turn, k))
                    for k in range(3)
                ]
            )
        )
        x = Symmetric(Squashed(torch.zeros(1, 3), 2.0), three).decode(wild(4, 3).to(dtype))
        assert float((three.act(1, x) - x).abs().max()) <= limit
        assert float(x.abs().max()) > 0.1

    def test_ties_and_whole_numbers(self, dtype):
        labels = torch.tensor([3, 3, -1, 7, 7, 3])
        x = Tied(Box(0, 1), labels).decode(wild(4, 6).to(dtype))
        assert torch.equal(x[:, [0, 0, 3]], x[:, [1, 5, 4]])
        assert not torch.equal(x[:, 2], x[:, 0])
        x = Rounded(Box(-3, 3)).decode(Box(-3, 3).project(wild(4, 6).to(dtype)))
        assert torch.equal(x, x.round())


def test_the_nearest_point_of_a_plane_needs_no_coordinates():
    rows = wild(2, 3, 4)
    space = Affine(rows, torch.tensor([[1.0, -2.0], [0.5, 3.0]]))
    x = wild(2, 3, 4, reach=50.0)
    assert torch.allclose(space.nearest(x), space.decode(space.encode(x)), rtol=0, atol=1e-11)
    in_single = space.to(torch.device("cpu"), torch.float32)
    near = in_single.nearest(x.float())
    assert float(in_single.violation(near).max()) < 1e-5
    box = Box(0.0, 1.0)
    assert torch.equal(box.nearest(x), x.clamp(0, 1))


def test_every_candidate_has_a_length_of_its_own_along_an_axis():
    radii = torch.tensor([1.0, 3.0])
    x = torch.nn.functional.normalize(wild(2, 3, 4), dim=-1) * radii[:, None, None]
    space = Normalized(radii, axis=-1)
    space.check(x)
    assert torch.allclose(space.decode(wild(2, 3, 4)).norm(dim=-1)[1], radii[1].double())
    with pytest.raises(ValueError, match="length of the space"):
        space.check(x.flip(0))


def test_a_ball_is_squashed_by_the_formula_and_back():
    center, radius = wild(3, 2, 4), torch.tensor([0.5, 2.0, 30.0], dtype=torch.float64)
    space, z = Squashed(center, radius), wild(3, 2, 4, reach=1.0)
    length = z.flatten(1).norm(dim=1)
    wanted = center + (radius / (1 + length.square()).sqrt()).reshape(3, 1, 1) * z
    assert torch.allclose(space.decode(z), wanted, rtol=0, atol=1e-12)
    assert torch.allclose(space.encode(space.decode(z)), z, rtol=0, atol=1e-9)


def test_a_start_on_the_border_of_the_simplex_is_mixed_with_equal_shares():
    space, x = Softmax(torch.tensor([2.0, 8.0]), inset=0.1), torch.tensor([[2.0, 0, 0, 0]] * 2)
    x[1] = torch.tensor([0.0, 4.0, 0.0, 4.0])
    wanted = torch.tensor([[1.85, 0.05, 0.05, 0.05], [0.2, 3.8, 0.2, 3.8]])
    assert torch.allclose(space.decode(space.begin(x)), wanted, atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda: Symmetric(Box(), Mirror()), lambda: Tied(Box(), PAIR)])
def test_one_feature_that_breaks_the_symmetry_of_a_start_is_enough(wrap):
    x = torch.tensor([[0.3, 0.5, 0.3]])
    wrap().check(x)
    x[0, 2] += 1e-3
    with pytest.raises(ValueError, match=r"a feature is 0.0005 off"):
        wrap().check(x)


def test_implicit_gradients_are_exact():
    z = wild(3, 12, reach=1.0).requires_grad_(True)
    weights = 0.5 + torch.rand(12, generator=generator(2)).double()
    assert torch.autograd.gradcheck(Summed(0.0, 2.0, TOTALS, weights).decode, z)
    assert torch.autograd.gradcheck(Ordered(0.0, 1.0).decode, z)


@pytest.mark.parametrize(
    ("space", "start"),
    [
        (Softmax(1.0), torch.full((1, 4), 0.25)),
        (Summed(0.0, 1.0, 1.0), torch.full((1, 4), 0.25)),
        (Ordered(0.0, 1.0), torch.tensor([[0.1, 0.2, 0.3, 0.4]])),
        (Affine(torch.ones(1, 4), torch.tensor([1.0])), torch.full((1, 4), 0.25)),
        (Normalized(), torch.full((1, 4), 0.5)),
        (Squashed(torch.zeros(1, 4), 1.0), torch.zeros(1, 4)),
    ],
    ids=lambda v: type(v).__name__ if not torch.is_tensor(v) else "",
)
def test_a_search_finds_the_nearest_input_of_the_space(space, start):
    wanted = torch.tensor([[0.1, 0.2, 0.3, 0.6]])
    problem = Problem(Proximity(wanted), space)
    found = solve(problem, start, stepper=Adam(0.03), max_steps=400)
    best = {
        Softmax: wanted - 0.05,
        Summed: wanted - 0.05,
        Affine: wanted - 0.05,
        Normalized: wanted / wanted.norm(),
    }.get(type(space), wanted)
    assert torch.allclose(found.x, best, atol=3e-3)


def test_counts_are_whole_in_the_answer_and_its_loss_is_theirs():
    wanted = torch.tensor([[2.2, 4.9, 0.4]])
    near = Proximity(wanted, unit=1.0)
    problem = Problem(near, Rounded(Box(0, 9)))
    found = solve(problem, torch.full((1, 3), 7.0), stepper=Adam(0.2), max_steps=100)
    assert found.x.tolist() == [[2.0, 5.0, 0.0]]
    assert torch.allclose(found.loss, near(found.x))


def test_held_to_a_constraint_it_is_narrowed_with_its_rows():
    space = Held(Box(0, 1), Monotone())
    assert space.rows == 1
    x = solve(
        Problem(lambda x: (x - wild(1, 5)).square().sum(1), space),
        torch.full((2, 5), 0.5),
        max_steps=20,
        watch=Watch(trace=1),
        compute=Compute(chunk=1),
    ).trajectory.x
    assert (x.diff(dim=-1) >= 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Softmax(0.0), "numbers above 0"),
        (lambda: Softmax().check(torch.ones(1, 3)), "must lie on the simplex"),
        (lambda: Normalized(-1.0), "radius must be above 0"),
        (lambda: Normalized().check(torch.ones(1, 3)), "length of the space"),
        (lambda: Squashed(torch.zeros(1, 3), 1.0).check(torch.ones(1, 3)), "lie in the ball"),
        (lambda: Affine(torch.ones(2, 3), torch.tensor([1.0, 2.0])), "contradict each other"),
        (lambda: Affine(torch.eye(3), torch.ones(3)), "nothing is left to search"),
        (lambda: Affine(torch.ones(1, 3), torch.ones(1)).check(torch.ones(1, 3)), "fulfil A x = b"),
        (lambda: Ordered().check(torch.tensor([[0.5, 0.2]])), "must not decrease along axis -1"),
        (lambda: Ordered(1.0, 0.0), "low must be below high"),
        (lambda: Summed(0.0, 1.0, 1.0, torch.tensor([1.0, 0.0])), "weights of a sum must be above"),
        (lambda: Summed(0.0, 1.0, 9.0).check(torch.ones(1, 3)), "lie between 0 and 3"),
        (lambda: Summed(0.0, 1.0, 1.0).check(torch.ones(1, 3)), "must have the given sum"),
        (lambda: Summed(0.0, 1.0, 1.0).check(torch.tensor([[1.5, -0.5]])), "the start must lie"),
        (lambda: Symmetric(Box(), Rotations(8)), "interpolates"),
        (
            lambda: Symmetric(Box(), SignFlips([[1, 1], [-1, -1]])).check(torch.zeros(1, 2)),
            "bounds must be symmetric",
        ),
        (lambda: Symmetric(Box(), group("c4")).check(torch.rand(1, 1, 4, 4)), "must be symmetric"),
        (lambda: Tied(Box(), torch.tensor([0, 1])), "tie at least two"),
        (lambda: Tied(Box(), torch.tensor([0, 0])).check(torch.tensor([[0.0, 1.0]])), "are tied"),
        (lambda: Rounded(Box(0.2, 0.8)), "must have a point between the low"),
        (lambda: Rounded(Box(0, 2)).check(torch.tensor([[0.5]])), "must hold whole numbers"),
    ],
)
def test_bad_input_is_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("shape", [(4,), (2, 3, 3)])
def test_what_has_its_length_to_rounding_stays_and_the_others_are_scaled(shape):
    """Candidate by candidate, not channel by channel."""
    z = torch.rand(2, *shape, generator=generator(0))
    z[0] /= z[0].norm()
    found = Normalized().project(z)
    assert torch.equal(found[0], z[0])
    assert float(found[1].norm()) == pytest.approx(1.0, abs=1e-6)
    assert torch.allclose(found[1] * z[1].norm(), z[1], atol=1e-5)
