"""Quadratic programs at every point: what they find, what they leave, and that they say so."""

import pytest
import torch
from torch import nn

from tests.engine.hock_schittkowski import PROBLEMS
from tests.engine.test_constrained import EXACT, QUICK, as_problem, searched
from xhat.constraints import Equality, Inequality, L2Ball
from xhat.engine import (
    SQP,
    Adam,
    AugmentedLagrangian,
    Compute,
    LossBelow,
    MaxEvaluations,
    MaxSeconds,
    MaxSteps,
    Plateau,
    Problem,
    Progress,
    Restarts,
    Status,
    TargetReached,
    Watch,
    solve,
)
from xhat.engine.programs import Why
from xhat.engine.sqp import clips
from xhat.objectives import Custom
from xhat.spaces import Box, Logit, Masked, Normalized, Rounded

CIRCLE = Inequality(lambda x: x.square().sum(dim=1) - 1, name="circle")


def program(number):
    return next(p for p in PROBLEMS if p.number == number)


@pytest.mark.parametrize("number", QUICK)
def test_a_tenth_of_the_evaluations_of_multipliers_is_enough(number):
    found = searched(program(number), stepper=SQP())
    assert found.notes == ()
    assert program(number).gap(found.x).abs() <= 1e-4
    assert int(found.evaluations) <= 35


def test_the_multipliers_can_be_asked_for():
    by = {
        name: searched(program(43), stepper=stepper)
        for name, stepper in (("sqp", None), ("multipliers", AugmentedLagrangian()))
    }
    assert by["sqp"].notes == ()
    assert by["multipliers"].notes == ()
    assert 4 * int(by["sqp"].evaluations) < int(by["multipliers"].evaluations)


def test_many_starts_in_chunks_find_what_each_finds_alone():
    of, generator = program(100), torch.Generator().manual_seed(0)
    begun = torch.tensor([of.start]).double() + torch.randn(7, 7, generator=generator).double()
    whole = solve(as_problem(of), begun, compute=EXACT)
    parts = solve(as_problem(of), begun, compute=Compute(chunk=3, precision="float64"))
    assert len(set(whole.evaluations.tolist())) > 1  # they did leave at different times
    assert torch.equal(whole.evaluations, parts.evaluations)
    assert torch.allclose(whole.x, parts.x, atol=1e-6)
    assert of.gap(whole.x).abs().max() < 1e-6
    for i in range(7):
        alone = solve(as_problem(of), begun[i : i + 1], compute=EXACT)
        assert torch.allclose(alone.x[0], whole.x[i], atol=1e-6)


def test_many_conditions_ask_for_their_slopes_together():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(9, 4, generator=generator).double()
    planes = Inequality(lambda x: x @ rows.T - 0.5)
    problem = Problem(lambda x: (x - 3).square().sum(dim=1), Box(-9, 9), planes, tolerance=1e-8)
    found, by = (
        solve(problem, torch.zeros(2, 4).double(), compute=EXACT, stepper=stepper)
        for stepper in (SQP(), AugmentedLagrangian())
    )
    assert torch.allclose(found.x, by.x, atol=1e-4)


def test_a_second_order_correction_lets_full_steps_through_along_a_curve():
    """The Maratos effect: Nocedal, Wright (2006), example 15.4."""
    on = Equality(lambda x: x.square().sum(dim=1) - 1)
    problem = Problem(
        lambda x: 2 * (x.square().sum(dim=1) - 1) - x[:, 0], Box(-2, 2), on, tolerance=1e-9
    )
    angle = torch.tensor([[0.1], [0.3], [0.6]]).double()
    begun = torch.cat([angle.cos(), angle.sin()], dim=1)
    found = solve(problem, begun, compute=EXACT)
    assert torch.allclose(found.x, torch.tensor([[1.0, 0.0]]).double().expand(3, 2), atol=1e-4)
    assert int(found.evaluations.max()) <= 12


def test_trials_that_are_not_finite_are_taken_back():
    def cost(x):
        return x.sum(dim=1) - (x - 0.1).log().sum(dim=1)

    problem = Problem(cost, Box(-9, 9), Inequality(lambda x: 2.5 - x.sum(dim=1)), tolerance=1e-8)
    found = solve(problem, torch.full((1, 2), 8.0).double(), compute=EXACT)
    assert torch.allclose(found.x, torch.full((1, 2), 1.25).double(), atol=1e-4)
    bad = solve(problem, torch.tensor([[8.0, 8.0], [0.0, 8.0]]).double(), compute=EXACT)
    assert bad.sentences[1] == "loss became non-finite at step 0"
    assert torch.allclose(bad.x[0], found.x[0], atol=1e-6)


@pytest.mark.parametrize(
    ("space", "constraints", "said"),
    [
        (Rounded(Box(0, 9), step=1.0), (), "the space rounds"),
        (Normalized(3**0.5), (), "the space is no product of intervals"),
        (Box(0, 9), (L2Ball(torch.ones(1, 3), 2.0),), "others are kept by projection"),
    ],
)
def test_what_is_not_for_quadratic_programs_is_left_to_multipliers(space, constraints, said):
    left = Inequality(lambda x: x[:, 0] - 0.5)
    problem = Problem(lambda x: (x - 2).square().sum(dim=1), space, (left, *constraints), 1e-3)
    how = SQP(AugmentedLagrangian(Adam(0.1), rounds=3))
    found = solve(problem, torch.ones(1, 3), stepper=how, max_steps=20)
    assert f"constraints were kept by multipliers: {said}" in found.notes


def test_sizes_decide_and_can_be_set():
    light = Inequality(lambda x: x.sum(dim=1) - 1)
    problem = Problem(lambda x: (x - 0.5).square().sum(dim=1), Box(0, 1), light)
    x0 = torch.full((1, 70), 0.01)
    left = solve(problem, x0)
    assert left.notes[0] == "constraints were kept by multipliers: 70 features are too many for SQP"
    asked = solve(problem, x0, stepper=SQP(features=70))
    assert asked.notes == ()
    assert torch.allclose(asked.loss, left.loss, atol=1e-4)
    many = solve(problem, x0, stepper=SQP(features=70, conditions=1))
    assert many.notes == ()
    two = Problem(problem.objective, Box(0, 1), Inequality(lambda x: x[:, :2] - 0.4))
    assert (
        "2 conditions are too many for SQP"
        in solve(two, x0, stepper=SQP(features=70, conditions=1)).notes[0]
    )


def test_wrong_settings():
    with pytest.raises(TypeError, match=r"stepper must be an? AugmentedLagrangian"):
        SQP(Adam())  # pyright: ignore[reportArgumentType]
    for name in ("features", "conditions"):
        with pytest.raises(ValueError, match=name):
            SQP(**{name: 0})


def test_multipliers_take_over_who_is_stuck_and_nobody_else():
    """The root's slope is infinite at the optimum; the second start is in a smooth part."""
    rough = Inequality(lambda x: (x[:, 0] - 0.3).abs().sqrt() - x[:, 1], name="cusp")
    problem = Problem(lambda x: x[:, 1] + 0.1 * x[:, 0].square(), Box(-1, 1), rough)
    x0 = torch.tensor([[0.9, 1.0], [-0.7, 1.0]]).double()
    found = solve(problem, x0, compute=EXACT)
    assert bool(found.feasible.all())
    took = [note for note in found.notes if "multipliers took over from SQP" in note]
    alone = [solve(problem, x0[i : i + 1], compute=EXACT) for i in range(2)]
    for i in range(2):
        assert torch.allclose(alone[i].x[0], found.x[i], atol=1e-5)
        said = any("took over" in note for note in alone[i].notes)
        assert said == any(str(i) in note.split("candidate")[1] for note in took)


def test_nothing_is_worse_where_multipliers_took_over():
    """No feasible point: what is nearest of both methods is kept, with its path."""
    apart = Inequality(lambda x: 0.5 + (x - 0.2).square().sum(dim=1), name="apart")
    problem = Problem(lambda x: x.sum(dim=1), Box(-1, 1), apart)
    how = SQP(AugmentedLagrangian(rounds=4))
    found = solve(problem, torch.zeros(1, 2).double(), compute=EXACT, stepper=how)
    assert found.status == (Status.INFEASIBLE,)
    assert found.violation == pytest.approx(0.5, abs=1e-3)
    assert any("took over" in note and note.endswith("candidate 0") for note in found.notes)


def test_stop_rules_hold_only_where_the_constraints_do():
    goal = Custom(lambda x: x.square().sum(dim=1), reached=2.0)
    far = Inequality(lambda x: 1.0 - x[:, 0], name="far")
    problem = Problem(goal, Box(-9, 9), far)
    x0 = torch.tensor([[0.0, 0.0], [3.0, 3.0]])
    found = solve(problem, x0, stop=TargetReached())
    assert found.status == (Status.TARGET_REACHED,) * 2
    assert bool((found.loss <= 2).all())
    assert bool((found.loss >= 1 - 1e-4).all())
    assert bool(found.feasible.all())
    low = solve(problem, x0, stop=LossBelow(0.5))
    assert Status.LOSS_BELOW not in low.status
    assert low.loss.tolist() == pytest.approx([1, 1], abs=1e-3)


def test_budgets():
    of = program(100)
    steps = searched(of, stop=MaxSteps(3))
    assert int(steps.evaluations) >= 4
    spent = searched(of, stop=MaxEvaluations(6))
    assert spent.status == (Status.EVALUATIONS_SPENT,)
    assert int(spent.evaluations) == 6
    late = searched(of, stop=MaxSeconds(1e-9))
    assert late.status == (Status.TIME_SPENT,)
    patient = searched(of, stop=Plateau(1, 1e9))
    assert patient.status == (Status.NO_PROGRESS,)
    assert bool(patient.feasible)


def test_restarts_find_the_better_of_two_valleys():
    def cost(x):
        return ((x - 2).square() * (x + 2).square() + x).sum(dim=1)

    problem = Problem(cost, Box(-4, 4), Inequality(lambda x: x[:, 0] - 3))
    once = solve(problem, torch.tensor([[2.5]]).double(), compute=EXACT)
    more = solve(problem, torch.tensor([[2.5]]).double(), compute=EXACT, restarts=Restarts(6, 0.7))
    assert float(once.loss) == pytest.approx(1.97, abs=0.05)
    assert float(more.loss) < -2


def test_progress_and_the_path_are_told():
    told: list[Progress] = []
    of = program(43)
    found = searched(of, watch=Watch(trace=1, on_progress=told.append))
    assert [now.done for now in told][-1] == 1
    assert found.trajectory is not None
    assert found.trajectory.x.shape[0] == int(found.steps) + 2
    assert torch.equal(found.trajectory.x[-1], found.x)


def test_an_interrupted_search_keeps_what_was_best():
    asked = [0]

    def cost(x):
        asked[0] += 1
        if asked[0] == 25:
            raise KeyboardInterrupt
        return (x - 1).square().square().sum(dim=1)

    problem = Problem(cost, Box(-9, 9), Equality(lambda x: x.prod(dim=1) - 2), tolerance=1e-9)
    begun = torch.tensor([[6.0, 3.0, 2.0]]).double()
    found = solve(problem, begun, compute=EXACT)
    assert found.status == (Status.INTERRUPTED,)
    assert float(found.violation) < float(problem.violation(begun))


@pytest.mark.parametrize(
    ("space", "yes"),
    [
        (Box(0, 1), True),
        (Box(-float("inf"), torch.tensor([1.0, 2.0, 3.0])), True),
        (Logit(0, 1), True),
        (Masked(Box(0, 1), torch.tensor([True, False, True]), torch.full((1, 3), 0.5)), True),
        (Normalized(1.0), False),
    ],
)
def test_a_space_that_only_clips_is_told_by_what_it_does(space, yes):
    assert clips(space, space.begin(torch.full((1, 3), 1 / 3))) == yes


def test_a_network_under_two_inequalities_in_single_precision():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)).eval()
    problem = Problem(
        lambda x: net(x)[:, 0],
        Box(0, 1),
        (
            Inequality(lambda x: x.sum(dim=1) - 4),
            Inequality(lambda x: (x - 0.5).square().sum(dim=1) - 0.25),
        ),
    )
    found = solve(problem, torch.rand(6, 8))
    assert found.status == (Status.CONVERGED,) * 6
    by = solve(problem, found.x, stepper=AugmentedLagrangian())
    assert bool((found.loss <= by.loss + 1e-4).all())


def test_every_reason_to_leave_has_a_status():
    from xhat.engine.sqp import _ENDINGS

    assert set(_ENDINGS) == set(Why) - {Why.STAYS}
