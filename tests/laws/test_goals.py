"""What holds of every goal: its objective, its margin and its distance say the same."""

import pytest
import torch

from tests.laws.registry import CLASSES, GOALS, SHAPE
from xhat.core import generator
from xhat.objectives.goals import as_goal

N, DRAWS = 5, 40
MAPS = ("map", "avoid-map")
BY_PROBABILITY = ("distribution", "labels")  # a truth of which gives probabilities
every_goal = pytest.mark.parametrize("entry", GOALS, ids=str)


def same(x):
    return x


def outputs(entry, seed=0):
    shape = (N, CLASSES, *SHAPE[1:]) if entry.name in MAPS else (N, CLASSES)
    return torch.randn(shape, generator=generator(seed, "outputs"))


def as_told(entry, y):
    """What a truth says where the model has logits."""
    if entry.name in BY_PROBABILITY:
        return y.sigmoid() if entry.name == "labels" else y.softmax(dim=1)
    return y


@every_goal
def test_what_is_reached_is_inside_and_not_off(entry):
    goal, seen = entry.make(N), set()
    assert as_goal(goal) is goal
    objective = goal.objective(same)
    for seed in range(DRAWS):
        y = outputs(entry, seed)
        found = objective.measure(y, y)
        assert found.loss.shape == (N,)
        off, inside = goal.off(as_told(entry, y)), goal.inside(y)
        assert off.shape == inside.shape == (N,)
        if not goal.targeted:
            assert found.reached is None
            assert (off == 0).all()
        elif entry.name != "distribution":  # which is met exactly by nothing
            assert torch.equal(found.reached, off <= goal.tolerance)
            assert torch.equal(found.reached, inside >= 0)
            seen |= set(found.reached.tolist())
        if found.confidence is not None:
            assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert not goal.targeted or entry.name == "distribution" or seen == {True, False}


@every_goal
def test_what_is_aimed_at_is_met_and_nearest_to_what_is_there(entry):
    goal, y = entry.make(N), outputs(entry)
    aim = goal.aim(y)
    if aim is not None:
        assert aim.shape == y.shape
        assert (goal.off(aim) <= goal.tolerance + 1e-6).all()
        met = goal.objective(same).measure(aim, aim)
        assert met.reached.all()
        assert torch.allclose(goal.aim(aim), aim, atol=1e-6)


@every_goal
def test_candidates_of_a_goal_are_independent_and_counted(entry):
    goal, y, rows = entry.make(N), outputs(entry), torch.tensor([3, 1])
    objective = goal.objective(same)
    whole, part = objective.measure(y, y), objective.select(rows).measure(y[rows], y[rows])
    assert torch.equal(whole.loss[rows], part.loss)
    assert goal.rows == objective.rows
    assert goal.shared == (goal.rows == 1)
    goal.labels_for(N)
    if not goal.shared:
        with pytest.raises(ValueError, match=r"but there are 3.*\.$"):
            goal.labels_for(3)


@every_goal
def test_a_goal_without_an_answer_is_not_met(entry):
    goal, y = entry.make(N), outputs(entry)
    assert goal.off(as_told(entry, y * torch.nan)).isnan().all()
    assert not (goal.inside(y * torch.nan) >= 0).any()
    assert " at 0x" not in repr(goal)
    assert len(repr(goal)) < 100
