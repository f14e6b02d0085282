"""With an invariant objective and an equivariant space, a search commutes with the group."""

import pytest
import torch
from torch import Tensor

from tests.laws.registry import STEPPERS, Entry
from xhat.constraints import L2Ball
from xhat.core import generator
from xhat.engine import Compute, Problem, solve
from xhat.spaces import Box, Logit, Normalized, Space, Squashed
from xhat.symmetry import (
    Dihedral,
    Group,
    MatrixGroup,
    Mirror,
    Permutations,
    SignFlips,
    Translations,
)

N, SHAPE, STEPS = 3, (1, 4, 4), 12


def rotations(count: int) -> Tensor:
    """The powers of a rotation in three dimensions about an axis that is no coordinate axis."""
    across = torch.tensor([[0.0, -2.0, 1.0], [2.0, 0.0, -2.0], [-1.0, 2.0, 0.0]]).double() / 3
    steps = torch.arange(count).double() * (2 * torch.pi / count)
    return torch.stack([torch.linalg.matrix_exp(angle * across) for angle in steps])


EXCHANGES: list[Entry] = [
    Entry("mirror", lambda n: Mirror()),
    Entry("d4", lambda n: Dihedral()),
    Entry("translations", lambda n: Translations((4, 4), (2, 1))),
    Entry(
        "permutations",
        lambda n: Permutations([[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]], axis=1),
    ),
]
ROTATIONS: list[Entry] = [
    Entry("signs", lambda n: SignFlips.independent([0, 5], 12)),
    Entry("rotations-of-points", lambda n: MatrixGroup(rotations(5), axis=-1)),
    Entry(
        "rotations-of-all",
        lambda n: MatrixGroup(torch.stack([torch.block_diag(*[m] * 4) for m in rotations(3)])),
    ),
]
BOXES: dict[str, Space] = {
    "box": Box(0, 1),
    "logit": Logit(0, 1),
    "ball": Squashed(torch.full((1, *SHAPE), 0.5).double(), 2.0),
}
BALLS: dict[str, Space] = {
    "ball": Squashed(torch.zeros(1, 4, 3).double(), 3.0),
    "sphere": Normalized(2.0),
}


def random(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator(3, "equivariance"), dtype=torch.float64)


def invariant(group: Group, size: int):
    """A random function, averaged over the group."""
    weights = 2 * random(8, size) - 1

    def bumpy(x: Tensor) -> Tensor:
        return (3 * torch.tanh(x.flatten(1) @ weights.T)).square().sum(dim=1)

    return lambda x: torch.stack([bumpy(moved) for moved in group.orbit(x)]).mean(dim=0)


def gap(space: Space, stepper: Entry, group: Group, x0: Tensor, constraint=()) -> float:
    """By how much the search from a moved start misses the moved answer, at the worst element."""
    problem = Problem(invariant(group, x0[0].numel()), space, constraint)
    options = {"max_steps": STEPS, "compute": Compute(precision="float64")}
    plain = solve(problem, x0, stepper=stepper.make(N), **options).x
    assert float((plain - x0).abs().max()) > 1e-2
    moved = [
        solve(problem, group.act(k, x0), stepper=stepper.make(N), **options).x
        for k in (1, 2)[: group.order - 1]
    ]
    return max(float((x - group.act(k + 1, plain)).abs().max()) for k, x in enumerate(moved))


@pytest.mark.parametrize("stepper", STEPPERS, ids=str)
@pytest.mark.parametrize("space", BOXES)
@pytest.mark.parametrize("group", EXCHANGES, ids=str)
def test_every_stepper_commutes_with_exchanges_of_features(group, space, stepper):
    x0 = 0.1 + 0.8 * random(N, *SHAPE)
    assert gap(BOXES[space], stepper, group.make(1), x0) <= 1e-9


@pytest.mark.parametrize("stepper", STEPPERS, ids=str)
@pytest.mark.parametrize("space", BALLS)
@pytest.mark.parametrize("group", ROTATIONS, ids=str)
def test_steppers_that_rotate_commute_with_orthogonal_maps(group, space, stepper):
    x0 = random(N, 4, 3) - 0.5
    x0 = BALLS[space].decode(x0)
    miss = gap(BALLS[space], stepper, group.make(1), x0)
    if stepper.make(1).rotates or group.name == "signs":
        assert miss <= 1e-9
    else:
        assert miss > 1e-3  # and those that say that they do not, do not


def test_a_constraint_that_the_group_leaves_as_it_is_does_no_harm():
    x0 = 0.2 + 0.6 * random(N, *SHAPE)
    ball = L2Ball(torch.full((1, *SHAPE), 0.5).double(), 1.0)
    assert gap(Box(0, 1), STEPPERS[0], Dihedral(), x0, ball) <= 1e-9


def test_a_space_that_the_group_changes_is_noticed():
    low = torch.zeros(SHAPE)
    low[0, 0] = 0.3
    x0 = 0.4 + 0.5 * random(N, *SHAPE)
    assert gap(Box(low, 1.0), STEPPERS[0], Dihedral(), x0) > 1e-3
