"""Problems made of registered parts, and searches that are run once and looked at many times."""

from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import Tensor

from tests.laws.registry import OBJECTIVES, PROJECTED, SPACES, STEPPERS, ConvNet, Entry
from xhat.engine import Compute, Plateau, Problem, Result, StopRule, TargetReached, Watch, solve
from xhat.engine.first_look import LOOKS

N, STEPS, CHUNK = 3, 4, 2

# A covering design: every pair of a space and an objective, with the steppers in turn, so that
# every pair of two kinds occurs without the cost of all triples.
TRIPLES = [
    (space, objective, STEPPERS[(i + j) % len(STEPPERS)])
    for i, space in enumerate(SPACES)
    for j, objective in enumerate(OBJECTIVES)
]


def _fit(space: Entry, constraint: Entry) -> bool:
    """Whether a constraint is kept by projection in a space, and holds at its starts.

    Logit does not reach its bounds, and so not what holds only there.
    """
    if not (space.make(2).carries and constraint.make(2).convex):
        return False
    holds = bool((constraint.make(6).violation(space.starts(6)) <= 1e-6).all())
    return holds and not (constraint.thin and space.name == "logit")


every_triple = pytest.mark.parametrize(
    ("space", "objective", "stepper"),
    [pytest.param(*triple, id="-".join(map(str, triple))) for triple in TRIPLES],
)
every_smooth_triple = pytest.mark.parametrize(
    ("space", "objective", "stepper"),
    [pytest.param(*t, id="-".join(map(str, t))) for t in TRIPLES if not t[0].jumps],
)
every_projection = pytest.mark.parametrize(
    ("space", "constraint"),
    [
        pytest.param(space, constraint, id=f"{space}-{constraint}")
        for space, constraint in product(SPACES, PROJECTED)
        if _fit(space, constraint)
    ],
)


def make_problem(space: Entry, objective: Entry, n: int = N) -> Problem:
    return Problem(objective.make(n), space.make(n))


def rule_for(problem: Problem, x: Tensor) -> StopRule:
    """A rule that lets the candidates leave at different steps."""
    found = problem.objective.measure(x, problem.space.encode(x))
    return Plateau(2, 0.05) if found.reached is None else TargetReached()


def looks(n: int, chunk: int) -> int:
    """How many rows a classifier is shown before and after a search of ``n`` candidates.

    One is checked, some are looked at more than once and each of them alone; every answer once
    more.
    """
    return 1 + (LOOKS + 1) * min(4, n, chunk) + n


def networks(problem: Problem) -> list[ConvNet]:
    """The classifiers that the problem differentiates."""
    return [module for module in problem.modules() if isinstance(module, ConvNet)]


@dataclass(frozen=True)
class Search:
    """A search that was made, with what the classifiers in it were shown.

    Attributes:
        problem: the question.
        result: the answer, with a full trajectory.
        seen: rows that passed each classifier.
        most: the largest batch of each.
    """

    problem: Problem
    result: Result
    seen: list[int]
    most: list[int]


def searched(space: Entry, objective: Entry, stepper: Entry) -> Search:
    """Search in chunks, under the caller's ``no_grad``, which must not matter."""
    problem = make_problem(space, objective)
    rule, models = rule_for(problem, space.starts(N)), networks(problem)
    for network in models:
        network.seen = network.most = 0
    with torch.no_grad():
        result = solve(
            problem,
            space.starts(N),
            stepper=stepper.make(N),
            stop=rule,
            max_steps=STEPS,
            compute=Compute(chunk=CHUNK),
            watch=Watch(trace=1),
        )
    return Search(problem, result, [m.seen for m in models], [m.most for m in models])
