"""Promise 6: a space inside a space keeps the structure of both, or is refused when it is made.

The structures are looked at here by formulas of their own, not by what the spaces say.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.laws.registry import autoencoder, mlp
from xhat import constraints, symmetry
from xhat.core import generator
from xhat.engine import Problem, SignDescent, Watch, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import (
    Affine,
    Box,
    Held,
    Latent,
    Logit,
    Masked,
    Normalized,
    Ordered,
    Rounded,
    Softmax,
    Space,
    Squashed,
    Summed,
    Symmetric,
    Tied,
    Warped,
)

D, N = 6, 2
FREE = torch.tensor([True, False, True, True, False, True])  # symmetric, so that some pairs work
LABELS = torch.tensor([0, -1, 1, 1, -1, 0])
Check = Callable[[Tensor], float]


def level(n: int) -> Tensor:
    """An input that is in every leaf: symmetric, in order, on the simplex, of length 1, ..."""
    return torch.full((n, D), 1 / D)


def within(low: float, high: float) -> Check:
    return lambda x: float(torch.maximum(low - x, x - high).max())


LEAVES: dict[str, tuple[Callable[[], Space], Check]] = {
    "box": (lambda: Box(0, 1), within(0, 1)),
    "by-feature": (
        lambda: Box(torch.zeros(D), torch.linspace(0.5, 1, D)),
        lambda x: float(torch.maximum(-x, x - torch.linspace(0.5, 1, D)).max()),
    ),
    "logit": (lambda: Logit(0, 1), within(0, 1)),
    "softmax": (lambda: Softmax(1.0), lambda x: float((x.sum(dim=1) - 1).abs().max())),
    "sphere": (lambda: Normalized(D**-0.5), lambda x: float((x.norm(dim=1) - D**-0.5).abs().max())),
    "ball": (
        lambda: Squashed(level(N), 0.3),
        lambda x: float(((x - level(len(x))).norm(dim=1) - 0.3).max()),
    ),
    "ball-elsewhere": (
        lambda: Squashed(level(N) + torch.linspace(0, 0.1, D), 0.3),
        lambda x: float(((x - level(len(x)) - torch.linspace(0, 0.1, D)).norm(dim=1) - 0.3).max()),
    ),
    "affine": (
        lambda: Affine(torch.tensor([[1.0, 1, 0, 0, 1, 1]]), torch.tensor([4 / D])),
        lambda x: float((x[:, [0, 1, 4, 5]].sum(dim=1) - 4 / D).abs().max()),
    ),
    "ordered": (lambda: Ordered(0, 1), lambda x: float((-x.diff(dim=1)).max())),
    "summed": (lambda: Summed(0.0, 1.0, 1.0), lambda x: float((x.sum(dim=1) - 1).abs().max())),
    "latent": (
        lambda: Latent(mlp((D, 3), torch.nn.Identity(), 1), mlp((3, 8, D), torch.nn.Sigmoid(), 2)),
        lambda x: 0.0,
    ),
}


def tied(x: Tensor) -> float:
    return float(torch.maximum((x[:, 0] - x[:, 5]).abs(), (x[:, 2] - x[:, 3]).abs()).max())


WRAPPERS: dict[str, tuple[Callable[[Space], Space], Check]] = {
    "masked": (
        lambda space: Masked(space, FREE, level(N)),
        lambda x: float((x[:, [1, 4]] - 1 / D).abs().max()),
    ),
    "masked-askew": (
        lambda space: Masked(space, torch.arange(D) > 0, level(N)),
        lambda x: float((x[:, 0] - 1 / D).abs().max()),
    ),
    "rounded": (
        lambda space: Rounded(space),
        lambda x: float((x - x.round()).abs().max()),
    ),
    "symmetric": (
        lambda space: Symmetric(space, symmetry.Mirror()),
        lambda x: float((x - x.flip(-1)).abs().max()),
    ),
    "tied": (lambda space: Tied(space, LABELS), tied),
    "in-order": (
        lambda space: Held(space, constraints.Monotone()),
        lambda x: float((-x.diff(dim=1)).max()),
    ),
    "summing": (
        lambda space: Held(space, constraints.SumWithin(0.0, 1.0, 1.0)),
        lambda x: float((x.sum(dim=1) - 1).abs().max()),
    ),
    "half-light": (
        lambda space: Held(space, constraints.Halfspace(torch.ones(1, D), 1.0)),
        lambda x: float((x.sum(dim=1) - 1).max()),
    ),
}

PAIRS = [(outer, (inner,)) for outer in WRAPPERS for inner in LEAVES]
PAIRS += [(outer, (inner, leaf)) for outer in WRAPPERS for inner in WRAPPERS for leaf in LEAVES]


def made(outer: str, inner: tuple[str, ...]) -> tuple[Space, list[Check]]:
    *between, leaf = inner
    space, check = LEAVES[leaf][0](), LEAVES[leaf][1]
    checks = [check]
    for name in (*between, outer):
        space = WRAPPERS[name][0](space)
        checks.append(WRAPPERS[name][1])
    return space, checks


@pytest.mark.filterwarnings("ignore:the decoder makes values")
@pytest.mark.parametrize(("outer", "inner"), PAIRS, ids=["-".join((o, *i)) for o, i in PAIRS])
def test_both_structures_hold_of_whatever_is_made_or_the_pair_is_refused(outer, inner):
    try:
        space, checks = made(outer, inner)
    except ValueError:
        return  # in a sentence, as other laws ask of every error
    x0 = level(N).round() if "rounded" in (outer, *inner) else level(N)
    weights = torch.tensor([[3.0, -2, 1, 1, -2, 0.5]])
    problem = Problem(lambda x: (weights * x).sum(dim=1) + x.square().sum(dim=1), space)
    try:
        found = solve(problem, x0, stepper=SignDescent(0.3), max_steps=6, watch=Watch(trace=1))
    except ValueError:
        return
    random = generator(0, "nesting law")
    z = space.begin(x0)
    x = torch.cat([
        found.trajectory.x.flatten(0, 1),
        *(space.decode(space.project(z + s * torch.randn(z.shape, generator=random)))
          for s in (0.1, 1.0, 5.0) for _ in range(4)),
    ]).detach()  # fmt: skip
    assert max(check(x) for check in checks) <= 1e-4
    assert found.feasible.all()
    assert found.certificate.names == (space.name,)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("masked", ("box",)),
        ("masked", ("logit",)),
        ("masked", ("latent",)),
        ("masked", ("symmetric", "box")),
        ("masked", ("tied", "box")),
        ("symmetric", ("masked", "box")),
        ("tied", ("masked", "logit")),
        ("symmetric", ("softmax",)),
        ("symmetric", ("ball",)),
        ("tied", ("summed",)),
        ("symmetric", ("affine",)),
        ("rounded", ("symmetric", "box")),
        ("in-order", ("box",)),
        ("summing", ("box",)),
        ("masked", ("masked-askew", "box")),
    ],
    ids=str,
)
def test_pairs_that_fit_are_not_refused(outer, inner):
    space, checks = made(outer, inner)
    x0 = level(N).round() if outer == "rounded" else level(N)
    net = mlp((D, 3), torch.nn.Identity(), 0)
    found = solve(Problem(CrossEntropy(net, 1), space), x0, max_steps=5)
    assert found.feasible.all()
    assert max(check(found.x) for check in checks) <= 1e-5


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        *(("masked", (leaf,)) for leaf in ("softmax", "sphere", "ordered", "summed", "affine")),
        ("masked-askew", ("tied", "box")),
        ("masked-askew", ("symmetric", "box")),
        ("symmetric", ("masked-askew", "box")),
        ("tied", ("masked-askew", "box")),
        ("symmetric", ("ordered",)),
        ("symmetric", ("rounded", "box")),
        ("rounded", ("softmax",)),
        ("in-order", ("sphere",)),
        ("masked", ("ball-elsewhere",)),
    ],
    ids=str,
)
def test_pairs_that_do_not_fit_are_refused_when_made(outer, inner):
    with pytest.raises(ValueError, match=r"does not keep what .* promises: .*constraint instead"):
        made(outer, inner)


@pytest.mark.parametrize("seed", range(6))
def test_ends_of_its_own_for_every_feature_are_broken_by_a_sum_and_that_is_seen(seed):
    """The sum moves all features alike, and one of them beyond its own end."""
    total = float(torch.rand(1, generator=generator(seed, "total"))) + 1.0
    box = Box(torch.zeros(D), 1 + torch.arange(float(D)))
    x0 = torch.full((N, D), total / D)
    with pytest.raises(ValueError, match=r"does not keep what .* promises"):
        solve(Problem(lambda x: x[:, 0], Held(box, constraints.Simplex(total))), x0, max_steps=1)


class Range(Space):
    """A user's own box, as a class of theirs."""

    def decode(self, z):
        return z

    def encode(self, x):
        return x

    def project(self, z):
        return z.clamp(0, 1)

    def intervals(self):
        return torch.zeros(1), torch.ones(1)

    carries = True


class Empty(Box):
    """Nothing but another name."""


@pytest.mark.parametrize(
    "make",
    [
        lambda x0, free: Box(),
        lambda x0, free: Empty(),
        lambda x0, free: Range(),
        lambda x0, free: Masked(Box(), free, x0),
        lambda x0, free: Masked(Masked(Empty(), free, x0), ~free, x0),
        lambda x0, free: Masked(Range(), free, x0),
    ],
    ids=["box", "subclass", "user's", "masked", "masked twice", "masked user's"],
)
@pytest.mark.parametrize("ball", [constraints.LinfBall, constraints.L2Ball, constraints.L1Ball])
def test_a_product_of_intervals_needs_no_cycles_with_a_ball(make, ball):
    x0 = torch.rand(4, 50, generator=generator(0, "cliffs"))
    free = torch.arange(50) % 3 > 0
    problem = Problem(lambda x: x.sum(dim=1), make(x0, free), ball(x0, 0.2))
    assert not problem.cycles  # one projection and a clip, instead of Dykstra's algorithm
    found = solve(problem, x0, stepper=SignDescent(0.05), max_steps=10)
    assert found.feasible.all()
    assert Problem(lambda x: x.sum(dim=1), make(x0, free), (ball(x0, 0.2), ball(x0, 0.1))).cycles


def test_a_warped_space_is_asked_for_nothing_by_a_mask():
    images = torch.rand(N, 1, 8, 8, generator=generator(0, "warped"))
    space = Masked(Warped(images, (4,)), torch.rand(1, 8, 8) > 0.3, images)
    assert solve(Problem(lambda x: x.sum((1, 2, 3)), space), images, max_steps=2).feasible.all()


def test_a_decoder_is_not_asked_before_a_search():
    asked = []

    def decoder(z):
        asked.append(z)
        return z

    encoder, _ = autoencoder()
    Masked(Latent(encoder, decoder), FREE, level(N))
    assert not asked
