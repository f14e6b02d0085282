import time

import pytest
import torch

from tests.laws.registry import ConvNet, ink, starts, targets
from xhat.engine import (
    Compute,
    GradientDescent,
    LossBelow,
    MaxEvaluations,
    MaxSeconds,
    MaxSteps,
    Plateau,
    Problem,
    Restarts,
    Snapshot,
    TargetReached,
    Watch,
    solve,
)
from xhat.objectives import CrossEntropy, Match, Maximize
from xhat.spaces import Box

N = 4


def classified(**options):
    problem = Problem(CrossEntropy(ConvNet(), targets(N)), Box())
    return problem, solve(problem, starts(N), watch=Watch(trace=1), **options)


@pytest.mark.parametrize("confidence", [None, 0.3, 0.6])
def test_the_target_is_reached_at_the_first_step_where_it_is(confidence):
    problem, result = classified(stop=TargetReached(confidence))
    assert set(result.status) == {"target reached"}
    assert result.reached.all()
    frames = torch.stack([problem.objective.measure(x, x).confidence for x in result.trajectory.x])
    decided = torch.stack([problem.objective.measure(x, x).reached for x in result.trajectory.x])
    wanted = decided & (frames >= (confidence or 0))
    assert torch.equal(wanted.int().argmax(dim=0), result.steps)
    assert len(set(result.steps.tolist())) > 1


def test_a_confidence_that_is_not_there_is_not_reached_though_the_decision_is():
    problem, result = classified(stop=TargetReached(0.999), max_steps=40)
    assert problem.objective.measure(result.x, result.x).reached.any()
    assert not result.reached.any()
    assert set(result.status) == {"step budget spent"}


def test_without_the_rule_the_objectives_own_decision_counts():
    problem, result = classified(max_steps=8)
    assert torch.equal(result.reached, problem.objective.measure(result.x, result.x).reached)
    assert result.steps.tolist() == [8] * N


def test_the_target_counts_as_reached_whichever_rule_comes_first():
    for stop in ((LossBelow(1.0), TargetReached()), (TargetReached(), LossBelow(1.0))):
        _, result = classified(stop=stop)
        below = result.loss < 1.0
        assert result.reached.all() or below.all()
        assert result.reached[result.confidence > 0.5].all()


def test_success_wins_over_a_budget_that_is_spent_at_once():
    _, free = classified(stop=TargetReached())
    steps = max(int(free.steps.max()), 1)
    _, result = classified(stop=(MaxEvaluations(steps + 1), TargetReached()), max_steps=steps)
    assert set(result.status) == {"target reached"}


def test_a_value_is_matched_within_its_tolerance():
    goal = torch.tensor([[0.6, 0.3, 0.2, 0.4]])
    problem = Problem(Match(ConvNet(), goal, tolerance=0.05), Box())
    result = solve(problem, starts(N), stop=TargetReached(), stepper=GradientDescent(0.5))
    assert set(result.status) == {"target reached"}
    assert ((ConvNet()(result.x) - goal).abs() <= 0.05).all()
    assert (result.steps > 0).any()


def test_loss_below():
    _, result = classified(stop=LossBelow(0.9))
    assert set(result.status) == {"loss below the wanted value"}
    assert (result.loss < 0.9).all()
    for i, step in enumerate(result.steps.tolist()):
        assert (result.trajectory.loss[:step, i] >= 0.9).all()


def test_step_and_evaluation_budgets():
    _, result = classified(stop=MaxSteps(3))
    assert (result.steps.tolist(), result.evaluations.tolist()) == ([3] * N, [4] * N)
    assert set(result.status) == {"step budget spent"}
    _, result = classified(stop=MaxEvaluations(3))
    assert (result.steps.tolist(), result.evaluations.tolist()) == ([2] * N, [3] * N)
    assert set(result.status) == {"evaluation budget spent"}


def seen(rule, losses):
    """At which look each candidate leaves by the rule; -1 if at none."""
    losses = torch.tensor(losses)
    memory, left = rule.init(losses.shape[1], losses.device), torch.full((losses.shape[1],), -1)
    for number, loss in enumerate(losses):
        count = torch.full((losses.shape[1],), number)
        now = Snapshot(loss, loss, None, None, count, count + 1, 0.0)
        fired, memory = rule.fired(now, memory)
        left = torch.where(fired & (left < 0), number, left)
    return left.tolist()


def test_a_plateau_counts_from_the_last_real_progress():
    losses = [
        [5.0, 5.0, 5.0],
        [4.0, 4.99, 6.0],
        [3.0, 4.98, 4.0],
        [2.0, 4.97, 9.0],
        [1.0, 4.96, 9.0],
    ]
    assert seen(Plateau(2, 0.1), losses) == [-1, 2, 4]
    assert seen(Plateau(2, 0.005), losses) == [-1, -1, 4]
    assert seen(Plateau(3, 0.1), losses) == [-1, 3, -1]


def test_a_plateau_ends_a_search_that_stands_still():
    bowl = Problem(lambda x: (x - 0.5).square().sum(dim=1), Box())
    result = solve(bowl, torch.zeros(2, 3), stepper=GradientDescent(0.3), stop=Plateau(5))
    assert set(result.status) == {"no more progress"}
    assert (result.loss < 1e-4).all()
    assert (result.steps < 30).all()


class Slow(torch.nn.Module):
    def forward(self, x):
        time.sleep(0.02)
        return ink(x)


def test_a_time_budget_leaves_waiting_candidates_at_their_start():
    n = 40
    x0 = torch.rand(n, 3, generator=torch.Generator().manual_seed(0))
    problem = Problem(Slow().eval(), Box())
    begun = time.perf_counter()
    tries = Restarts(2, 0.1)
    compute = Compute(chunk=2)
    result = solve(problem, x0, stop=MaxSeconds(0.3), restarts=tries, compute=compute)
    assert time.perf_counter() - begun < 60  # without a budget, minutes
    assert set(result.status) == {"time budget spent"}
    waited = result.evaluations == 0
    assert 0 < waited.sum() < n
    assert torch.equal(result.x[waited], x0[waited])
    assert result.loss[waited].isnan().all()
    assert torch.isfinite(result.loss[~waited]).all()
    assert (result.loss[~waited] < ink(x0)[~waited]).all()
    assert result.steps[waited].tolist() == [0] * int(waited.sum())
    assert result.seconds >= 0.3


def test_a_time_budget_that_is_not_spent_changes_nothing():
    _, free = classified(max_steps=3)
    _, timed = classified(max_steps=3, stop=MaxSeconds(1e6))
    assert torch.equal(free.x, timed.x)
    assert set(timed.status) == {"step budget spent"}


def test_a_time_budget_with_a_trajectory_and_everyone_waiting():
    problem = Problem(Maximize(ink), Box())
    result = solve(problem, starts(N), stop=MaxSeconds(1e-9), watch=Watch(trace=1), max_steps=3)
    assert set(result.status) == {"time budget spent"}
    assert result.trajectory is None
    assert torch.equal(result.x, starts(N))


def test_a_confidence_needs_a_model_that_has_one():
    now = Snapshot(*torch.zeros(2, 3), torch.ones(3).bool(), None, *torch.zeros(2, 3).long(), 0.0)
    assert TargetReached().fired(now, {})[0].all()
    with pytest.raises(ValueError, match="needs a model with class probabilities"):
        TargetReached(0.5).fired(now, {})
