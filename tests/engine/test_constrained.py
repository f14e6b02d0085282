"""General constraints: optima that are known, and what is said where there is none."""

import pytest
import torch

from tests.engine.hock_schittkowski import CONTRADICTORY, PROBLEMS
from tests.engine.program import Program
from tests.laws.registry import ConvNet, autoencoder, starts, targets
from xhat.constraints import Equality, Inequality, L2Ball
from xhat.engine import (
    LBFGS,
    SQP,
    Adam,
    AugmentedLagrangian,
    Compute,
    LossBelow,
    MaxEvaluations,
    Problem,
    Result,
    TargetReached,
    Watch,
    solve,
)
from xhat.engine.lagrangian import Multipliers
from xhat.objectives import CrossEntropy
from xhat.spaces import Box, Latent

EXACT = Compute(precision="float64")
QUICK = (6, 7, 12, 14, 21, 22, 24, 26, 27, 29, 35, 39, 42, 43, 48, 51, 65, 71, 76, 81)
"""Programs of every kind (equalities, inequalities, both, bounds) that together take seconds."""


def as_problem(program: Program) -> Problem:
    parts = []
    if program.positive is not None:
        parts.append(Inequality(program.inequalities, name="inequalities"))
    if program.zero is not None:
        parts.append(Equality(program.equalities, name="equalities"))
    return Problem(program.objective, Box(*program.bounds()), tuple(parts), tolerance=1e-6)


def searched(program: Program, start: torch.Tensor | None = None, **options) -> Result:
    begun = torch.tensor([program.start], dtype=torch.float64) if start is None else start
    low, high = program.bounds()
    return solve(as_problem(program), begun.clamp(low, high), compute=EXACT, **options)


@pytest.mark.parametrize(
    "program", [p for p in PROBLEMS if p.number in QUICK], ids=lambda p: str(p.number)
)
def test_the_known_optimum_is_found_from_the_start_of_the_source(program):
    found = searched(program)
    assert program.violation(found.x) <= 1e-6
    assert program.gap(found.x).abs() <= 1e-3
    assert found.status == ("constraints hold and the loss no longer falls",)
    assert found.certificate is not None
    assert bool(found.certificate.feasible)
    assert found.violation.dtype == torch.float64


def test_without_the_constraints_the_optimum_is_another_one():
    program = next(p for p in PROBLEMS if p.number == 43)
    free = solve(Problem(program.objective, Box(-9, 9)), torch.zeros(1, 4).double(), compute=EXACT)
    assert program.violation(free.x) > 1


@pytest.mark.parametrize("program", CONTRADICTORY, ids=lambda p: str(p.number))
def test_where_nothing_is_feasible_the_status_says_so(program):
    found = searched(program)
    assert not bool(found.feasible)
    assert found.status == ("no feasible point was found",)
    with pytest.raises(RuntimeError, match=r"no feasible point was found, and \w+ is violated by"):
        found.raise_if_failed()


def test_a_candidate_finds_the_same_alone_and_in_any_batch():
    program = next(p for p in PROBLEMS if p.number == 71)
    begun = torch.tensor([[1.0, 5, 5, 1], [2, 2, 2, 2], [1, 4, 4, 1.5]], dtype=torch.float64)
    together = searched(program, begun)
    chunked = solve(
        as_problem(program), begun, compute=Compute(chunk=2, precision="float64", seed=1)
    )
    assert torch.allclose(together.x, chunked.x, atol=1e-9)
    assert together.status == chunked.status
    for i in range(3):
        alone = searched(program, begun[i : i + 1])
        assert torch.allclose(alone.x, together.x[i : i + 1], atol=1e-9)
        assert alone.evaluations == together.evaluations[i]


def test_one_candidate_that_is_given_nonsense_does_not_touch_the_others():
    def cost(x):
        return torch.where(x[:, 0] > 4, torch.nan, (x - 1).square().sum(dim=1))

    problem = Problem(cost, Box(-9, 9), Equality(lambda x: x.sum(dim=1)), tolerance=1e-6)
    found = solve(problem, torch.tensor([[0.0, 3.0], [5.0, 0.0]]).double(), compute=EXACT)
    assert torch.allclose(found.x[0], torch.zeros(2).double(), atol=1e-6)
    assert found.sentences[1] == "loss became non-finite at step 0"


def test_what_is_given_belongs_to_each_candidate():
    wanted = torch.tensor([[1.0], [2.0], [-3.0]]).double()
    level = Equality(lambda x, sums: x.sum(dim=1) - sums[:, 0], wanted, name="sum")
    problem = Problem(lambda x: x.square().sum(dim=1), Box(-9, 9), level, tolerance=1e-9)
    found = solve(problem, torch.zeros(3, 4).double(), compute=EXACT)
    assert torch.allclose(found.x, (wanted / 4).expand(3, 4), atol=1e-6)


def test_a_target_counts_as_reached_only_where_the_constraints_hold():
    net = ConvNet()
    light = Inequality(lambda x: x.flatten(1).sum(dim=1) - 9.0, name="ink")
    objective = CrossEntropy(net, targets(4))
    free = solve(Problem(objective, Box()), starts(4), stop=TargetReached())
    found = solve(Problem(objective, Box(), light), starts(4), stop=TargetReached(), max_steps=40)
    assert bool((light.violation(free.x) > 0).any())
    assert bool(found.feasible.all())
    done = torch.tensor([said == "target reached" for said in found.status])
    assert bool((found.reached == done).all())
    assert bool(done.any())


def test_a_wanted_loss_counts_only_where_the_constraints_hold():
    far = Inequality(lambda x: 1.0 - x[:, 0], name="far")
    problem = Problem(lambda x: x.square().sum(dim=1), Box(-9, 9), far)
    found = solve(problem, torch.zeros(1, 2), stop=LossBelow(0.5))
    assert found.status != ("loss below the wanted value",)
    assert found.loss == pytest.approx(1.0, abs=1e-3)
    reached = solve(problem, torch.zeros(1, 2), stop=LossBelow(1.5))
    assert reached.status == ("loss below the wanted value",)


def test_steps_of_another_kind_and_a_ball_that_a_latent_space_cannot_project_onto():
    ball = L2Ball(starts(3), 1.2)
    space = Latent(*autoencoder())
    problem = Problem(CrossEntropy(ConvNet(), 1), space, ball, tolerance=1e-4)
    assert problem.general == (ball,)
    found = solve(problem, starts(3), stepper=Adam(0.1), max_steps=30)
    outside = solve(Problem(problem.objective, space), starts(3), stepper=Adam(0.1), max_steps=60)
    assert bool((ball.violation(outside.x) > 0.1).any())
    assert bool((ball.violation(found.x) <= 1e-4).all()) == bool(found.feasible.all())


def test_the_trajectory_goes_through_all_rounds():
    program = next(p for p in PROBLEMS if p.number == 6)
    found = searched(program, watch=Watch(trace=1))
    path = found.trajectory
    assert path is not None
    assert path.x.shape[0] == len(path.steps) == int(found.steps) + 2
    assert torch.equal(path.x[0, 0], torch.tensor(program.start, dtype=torch.float64))
    assert torch.equal(path.x[-1], found.x)
    assert (path.x[:, 0].abs().sum(dim=1) > 0).all()  # no frame was left out, as zeros


def test_budgets_and_wrong_settings():
    program = next(p for p in PROBLEMS if p.number == 71)
    short = searched(program, stepper=AugmentedLagrangian(rounds=1))
    assert short.status[0] in ("round budget spent", "no feasible point was found")
    for wrong, said in (
        ({"rounds": 0}, "rounds"),
        ({"growth": 1.0}, "growth must be above 1"),
        ({"progress": 1.0}, "progress must lie between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=said):
            AugmentedLagrangian(**wrong)
    with pytest.raises(TypeError, match="stepper must be a Stepper, not int"):
        AugmentedLagrangian(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="not another AugmentedLagrangian"):
        AugmentedLagrangian(AugmentedLagrangian())


def test_a_plain_stepper_means_one_with_the_usual_rounds():
    program = next(p for p in PROBLEMS if p.number == 71)
    plain, wrapped = (
        searched(program, stepper=stepper, watch=Watch(trace=1))
        for stepper in (Adam(0.1), AugmentedLagrangian(Adam(0.1)))
    )
    assert torch.equal(plain.x, wrapped.x)
    assert torch.equal(plain.trajectory.x, wrapped.trajectory.x)
    # and none at all means quadratic programs
    usual, none = (searched(program, stepper=s) for s in (SQP(), None))
    assert torch.equal(usual.x, none.x)
    assert not torch.equal(usual.x, plain.x)


@pytest.mark.parametrize("inner", [LBFGS(history=3), Adam(0.1)])
def test_where_nothing_needs_multipliers_the_stepper_within_is_used(inner):
    ball = L2Ball(torch.zeros(1, 3), 0.5)
    problem = Problem(lambda x: (x - 0.4).pow(4).sum(dim=1), Box(-1, 1), ball)
    plain, wrapped = (
        solve(problem, torch.zeros(2, 3), stepper=stepper, max_steps=30)
        for stepper in (inner, AugmentedLagrangian(inner, rounds=2))
    )
    assert torch.equal(plain.x, wrapped.x)
    assert plain.status == wrapped.status
    assert torch.equal(plain.steps, wrapped.steps)


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        (lambda x: (x[:, 0] - 2).log(), ValueError, "dent is NaN at the first start"),
        (lambda x: x.detach().sum(dim=1), TypeError, "dent cannot be differentiated"),
        (lambda x: x.sum(), ValueError, r"dent must return shape \(n,\) or \(n, k\)"),
        (lambda x: 3.0, TypeError, "dent must return a tensor, not float"),
        (lambda x: x @ torch.ones(7), ValueError, "the constraint dent cannot take a start"),
    ],
)
def test_a_wrong_function_is_told_before_the_search(function, kind, said):
    problem = Problem(lambda x: x.sum(dim=1), Box(), Inequality(function, name="dent"))
    with pytest.raises(kind, match=said):
        solve(problem, torch.full((2, 3), 0.5))
    for wrong in (3.0, Inequality):
        with pytest.raises(TypeError, match="must be callable"):
            Inequality(wrong)


def test_a_constraint_that_never_holds_anything_up_costs_one_round():
    far = Inequality(lambda x: x.sum(dim=1) - 100)
    for stepper in (LBFGS(), Adam(0.1)):
        how = AugmentedLagrangian(stepper, rounds=1)
        bowl = Problem(lambda x: (x - 0.3).square().sum(dim=1), Box(), far)
        found = solve(bowl, torch.zeros(1, 2).double(), compute=EXACT, max_steps=400, stepper=how)
        assert found.status == ("constraints hold and the loss no longer falls",)
        assert torch.allclose(found.x, torch.full((1, 2), 0.3).double(), atol=1e-2)


def test_no_further_round_begins_when_the_evaluations_are_spent():
    """They are counted over all rounds; the one in which they run out is finished."""
    line = Equality(lambda x: x.sum(dim=1) - 1.5)
    problem = Problem(lambda x: (x - 0.1).square().sum(dim=1), Box(), line, tolerance=1e-9)
    how = {"stepper": AugmentedLagrangian(Adam(0.01), rounds=20), "max_steps": 3}
    found = solve(problem, torch.zeros(1, 3), stop=MaxEvaluations(12), **how)
    assert 12 <= int(found.evaluations[0]) <= 18
    endless = solve(problem, torch.zeros(1, 3), **how)
    assert int(endless.evaluations[0]) > 30


@pytest.mark.parametrize(("limit", "wall"), [(0.9, 0.3), (0.5, 0.8)])
def test_a_target_counts_where_the_model_gives_it_and_the_constraints_hold(limit, wall):
    """Class 1 is beyond ``wall``; what must hold, up to ``limit``: from both sides of it."""
    net = CrossEntropy(lambda x: torch.cat([wall - x, x - wall], dim=1) * 50, 1)
    problem = Problem(net, Box(), Inequality(lambda x: x[:, 0] - limit))
    how = {"stepper": AugmentedLagrangian(Adam(0.02), rounds=3), "max_steps": 60}
    begun = torch.tensor([[0.1], [0.95]])
    found = solve(problem, begun, stop=TargetReached(), **how)
    possible = wall < limit
    for status, x in zip(found.status, found.x[:, 0].tolist(), strict=True):
        assert (status == "target reached") == possible
        assert "in the search" not in status
        assert not possible or wall < x <= limit + 1e-5
    assert found.reached.tolist() == [possible] * 2
    assert (found.steps > 0).all()


def test_the_first_penalty_looks_at_what_is_broken_only():
    """Birgin and Martinez: 10 max(1, |f|) / max(1, |broken|^2 / 2), at most 10."""
    conditions = torch.tensor([[-5.0, -0.1, -3.0, -2.0], [4.0, -9.0, -1.0, 2.0], [0.5, 0, 0, 0]])
    loss, equality = torch.tensor([0.1, 3.0, 0.1]), torch.tensor([[False] * 4])
    ones = torch.ones(3, 4)
    begun = Multipliers.begin(loss, torch.ones(3), conditions, ones, equality)
    assert begun.penalty.tolist() == pytest.approx([10.0, 3.0, 10.0])
    equal = Multipliers.begin(loss, torch.ones(3), conditions, ones, ~equality)
    sizes = conditions.square().sum(dim=1) / 2
    wanted = 10 * loss.clamp_min(1) / sizes.clamp_min(1)
    assert equal.penalty.tolist() == pytest.approx(wanted.clamp_max(10).tolist())
