"""Goals: what they ask of a model, and when they are met."""

import pytest
import torch

from xhat.engine import Problem, TargetReached, solve
from xhat.objectives.goals import (
    AtLeast,
    AtMost,
    Avoid,
    Class,
    Distribution,
    Least,
    Most,
    Value,
    Within,
    as_goal,
)
from xhat.spaces import Box


def total(x):
    return x.sum(dim=1)


def logits(x):
    return 4 * x


X0 = torch.tensor([[0.3, 0.4], [0.5, 0.1]])
VALUES = [
    (Value(1.2, 0.01), lambda y: (y - 1.2).abs() <= 0.01),
    (Within(1.0, 1.5), lambda y: (y >= 1.0) & (y <= 1.5)),
    (AtLeast(1.4), lambda y: y >= 1.4),
    (AtMost(0.2), lambda y: y <= 0.2),
    (Within(torch.tensor([1.0, 0.1]), torch.tensor([1.1, 0.2])), None),
]


@pytest.mark.parametrize(("goal", "met"), VALUES, ids=[repr(goal) for goal, _ in VALUES])
def test_a_value_is_reached_and_off_says_so(goal, met):
    result = solve(Problem(goal.objective(total), Box()), X0, stop=TargetReached())
    assert result.reached.all()
    y = total(result.x)
    assert met is None or met(y + 1e-6).all() or met(y - 1e-6).all()
    assert (goal.off(y) <= goal.tolerance + 1e-6).all()
    assert (goal.off(torch.tensor([9.0, 9.0])) > goal.tolerance).any() or goal.off(y).max() == 0


def test_off_is_not_a_number_where_the_truth_failed():
    nothing = torch.tensor([torch.nan, 1.0])
    for goal in (Value(1.0, 0.1), Within(0, 2), AtLeast(0.0), Most(), Class(1)):
        assert goal.off(nothing).isnan().tolist() == [True, False]


def test_classes_are_reached_left_and_mixed():
    for goal, right in (
        (Class(1), lambda y: y.argmax(1) == 1),
        (Avoid([1, 0]), lambda y: y.argmax(1) == torch.tensor([0, 1])),
        (Distribution([0.5, 0.5]), lambda y: (y.softmax(1) - 0.5).abs().amax(1) < 0.1),
    ):
        stop = TargetReached(0.9)
        found = solve(Problem(goal.objective(logits), Box()), X0, stop=stop)
        assert right(logits(found.x)).all(), goal
        assert (goal.off(logits(found.x).softmax(1)) <= 0.1).all()


def test_least_and_most_go_to_the_ends():
    for goal, end in ((Least(), 0.0), (Most(), 2.0)):
        problem = Problem(goal.objective(lambda x: x.sum(dim=1, keepdim=True)), Box())
        found = solve(problem, X0)
        assert not goal.targeted
        assert torch.allclose(total(found.x), torch.full((2,), end))


def test_an_interval_counts_in_units_of_its_width():
    narrow, wide = (Within(0.0, w).objective(total)(torch.tensor([[1.0, 2.0]])) for w in (1, 2))
    assert (float(narrow), float(wide)) == (4.0, 0.25)


def test_ends_may_differ_by_candidate_and_output():
    goal = Within(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.1, 0.9]]))
    found = solve(Problem(goal.objective(lambda x: x), Box()), X0, stop=TargetReached())
    assert (found.x <= torch.tensor([0.1, 0.9]) + 1e-6).all()


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (lambda: as_goal(3.5), TypeError, "say Value(3.5"),
        (lambda: as_goal(torch.tensor([3.5])), TypeError, "say Value(3.5"),
        (lambda: as_goal("three"), TypeError, "must be a tensor or array of numbers"),
        (lambda: Class(-1), ValueError, "classes are numbered from 0, but -1 came"),
        (lambda: Class([0.2, 0.8]), TypeError, "for probabilities use Distribution"),
        (lambda: Distribution([0.2, 0.9]), ValueError, "sums to 1.1"),
        (lambda: Within(2.0, 1.0), ValueError, "low must be below high"),
        (lambda: Within(-torch.inf, torch.inf), ValueError, "at least one end that is finite"),
        (lambda: Within("a", 1.0), TypeError, "low must be a tensor or array of numbers"),
        (lambda: Within(torch.nan, 1.0), ValueError, "low must be finite"),
        (lambda: Within(torch.zeros(1, 3), torch.ones(1, 2)), ValueError, "low has 3 numbers"),
        (lambda: Value(1.0, 0.0), ValueError, "tolerance must be above 0"),
        (lambda: Class([1, 2]).labels_for(3), ValueError, "names 2 classes, but there are 3"),
        (lambda: Within([0.0, 1.0], 3.0).objective(None), TypeError, "must be callable"),
    ],
)
def test_bad_goals_are_refused_in_one_sentence(made, error, said):
    with pytest.raises(error, match=r"\.$") as told:
        made()
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("goal", "text"),
    [
        (Class(3), "Class(3)"),
        (Class([3, 1]), "Class([3, 1])"),
        (Class(torch.arange(40) % 4), "Class(40 of them)"),
        (Value(70, 0.5), "Value(70, 0.5)"),
        (AtLeast(2), "AtLeast(2)"),
        (Distribution([0.5, 0.5]), "Distribution([0.5, 0.5])"),
        (Least(), "Least()"),
    ],
)
def test_a_goal_is_written_as_it_was_made(goal, text):
    assert repr(goal) == text
    assert as_goal(goal) is goal


@pytest.mark.parametrize(
    "goal",
    [
        Class(torch.tensor([0, 1, 2, 1])),
        Avoid(1),
        Value(torch.tensor([[1.0], [0.5], [2.0], [0.0]]), 0.4),
        Within(0.2, 1.1),
        AtLeast(torch.tensor([[0.1], [0.2], [0.3], [0.4]])),
        AtMost(0.7),
    ],
    ids=lambda goal: type(goal).__name__,
)
def test_what_is_inside_has_a_margin_and_what_is_outside_has_none(goal):
    draws = torch.Generator().manual_seed(0)
    for _ in range(20):
        y = (
            torch.randn(4, 3, generator=draws)
            if goal.by_class
            else torch.rand(4, generator=draws) * 2
        )
        inside, off = goal.inside(y), goal.off(y)
        assert torch.equal(inside >= 0, off <= goal.tolerance)
        further = 0.99 * y + 0.01 * torch.randn(y.shape, generator=draws)  # a small change
        assert (goal.inside(further) - inside).abs().max() < 0.3
    nothing = goal.inside(y * torch.nan)
    assert nothing.isnan().all()
