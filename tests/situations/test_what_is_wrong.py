"""A search that cannot work says so within three steps, with the remedy; or works."""

import pytest
import torch
from torch import nn

from xhat import Problem, TargetReached, solve
from xhat.constraints import Inequality
from xhat.core import InputWarning
from xhat.engine import LBFGS, Adam, SignDescent
from xhat.objectives import CrossEntropy, Custom, Margin, Match, TotalVariation, Untargeted
from xhat.spaces import Box


def net(seed: int = 1, features: int = 6, classes: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(features, 16), nn.Tanh(), nn.Linear(16, classes)).eval()


NET = net()
X = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
LABEL = NET(X).argmax(dim=1)


def large(x):
    return 1000 * NET(x)


def dead(x):
    return NET((x - 5).relu())


def rounding(x):
    return NET((8 * x).round() / 8)


def saturated(x):
    return torch.sigmoid(NET(x)[:, 0] - 60)


@pytest.mark.parametrize("stepper", [None, SignDescent(), LBFGS(), Adam()], ids=str)
@pytest.mark.parametrize("classes", [2, 3])
def test_large_logits_are_left_by_the_scale_free_loss(stepper, classes):
    model = lambda x: 1000 * net(2, classes=classes)(4 * x - 2)  # noqa: E731
    label = model(X).argmax(dim=1)
    problem = Problem(Untargeted(model, label), Box())
    found = solve(problem, X, stepper=stepper, stop=TargetReached(), max_steps=150)
    assert found.reached.all()
    assert (model(found.x).argmax(dim=1) != label).all()
    assert any("which has no scale" in note for note in found.notes)


def test_the_scale_free_loss_is_above_every_log_probability_and_has_no_scale():
    logits = torch.tensor([[40.0, 0.0, -3.0]], requires_grad=True)
    sure = Untargeted(lambda x: x, 0).measure(logits, logits)
    assert bool(sure.scale_free)
    assert float(sure.loss.detach()) > 0
    (slope,) = torch.autograd.grad(sure.loss.sum(), logits)
    (steep,) = torch.autograd.grad(Untargeted(lambda x: 1000 * x, 0)(logits).sum(), logits)
    assert torch.allclose(slope, steep, rtol=0.05)
    unsure = torch.tensor([[3.0, 0.0, -3.0]])
    assert not bool(Untargeted(lambda x: x, 0).measure(unsure, unsure).scale_free)


def test_large_logits_towards_a_class_are_solved():
    found = solve(Problem(CrossEntropy(large, 1), Box()), X, stop=TargetReached(0.9))
    assert found.reached.all()
    assert not found.notes


@pytest.mark.parametrize("model", [dead, rounding], ids=["dead", "rounding"])
@pytest.mark.parametrize("wanted", [CrossEntropy, Margin])
def test_no_gradient_is_named_at_once(model, wanted):
    target = (model(X).argmax(dim=1) + 1) % 3
    found = solve(Problem(wanted(model, target), Box()), X)
    assert found.notes[0].startswith("the gradient is zero where the goal is not reached")
    assert set(found.status) == {"the gradient is zero at the start: a dead or saturated model, "
                                 "rounding inside it, or nothing to improve"}  # fmt: skip
    assert found.steps.max() <= 3
    assert "Rounded" in found.notes[0]
    assert "Restarts" in found.notes[0]


@pytest.mark.parametrize("model", [dead, rounding], ids=["dead", "rounding"])
def test_no_gradient_behind_another_term_is_named_too(model):
    """The penalty alone moves the candidate, so that no status tells."""
    target = (model(X).argmax(dim=1) + 1) % 3
    objective = CrossEntropy(model, target) + 0.1 * TotalVariation(axes=1)
    with pytest.warns(InputWarning, match="the gradient towards the goal vanishes at the starts"):
        found = solve(Problem(objective, Box()), X, max_steps=3)
    assert found.steps.max() == 3
    assert found.notes


def test_a_vanishing_gradient_is_named():
    wanted = Match(saturated, 1.0, tolerance=0.1)
    with pytest.warns(InputWarning, match="vanishes at the starts"):
        solve(Problem(wanted, Box()), X, max_steps=3)


def test_who_is_at_the_goal_or_has_none_is_told_nothing():
    there = Problem(Margin(NET, LABEL), Box())  # its loss is constant there
    assert not solve(there, X).notes
    assert not solve(Problem(Custom(lambda x: 0 * x.sum(dim=1)), Box()), X).notes
    assert not solve(Problem(CrossEntropy(NET, 1), Box()), X, max_steps=3).notes


def test_steps_too_small_for_the_range_are_named():
    problem = Problem(CrossEntropy(lambda x: NET(x / 2e5), 1), Box(0, 2e5))
    found = solve(problem, 2e5 * X, stepper=Adam(0.05))
    assert found.notes[0].startswith("the steps are too small: 200 like the first lead over 5e-05")
    assert (found.x - 2e5 * X).abs().max() < 100
    assert not solve(problem, 2e5 * X, max_steps=3).notes
    free = Problem(CrossEntropy(lambda x: NET(x / 2e5), 1), Box(-torch.inf, torch.inf))
    found = solve(free, 2e5 * X, stepper=Adam(), max_steps=20)
    assert "of the values of a start" in found.notes[0]
    assert "say the range of every feature" in found.notes[0]


def test_constraints_that_pull_against_the_goal_are_named():
    low = Inequality(lambda x: x.sum(dim=1) - 0.5, name="budget")
    wanted = Match(lambda x: x.sum(dim=1), 3.0, tolerance=0.1)
    found = solve(Problem(wanted, Box(), low), X)
    assert "the constraint budget pulls against the goal for candidate 0" in found.notes[0]
    assert found.feasible.all()
    assert not found.reached.any()
    loose = Inequality(lambda x: x.sum(dim=1) - 4, name="loose")
    assert not solve(Problem(wanted, Box(), loose), X, stop=TargetReached()).notes


def test_of_two_constraints_the_one_that_pulls_is_named():
    low = Inequality(lambda x: x.sum(dim=1) - 0.5, name="budget")
    loose = Inequality(lambda x: x[:, :2] - 2, name="loose")
    wanted = Match(lambda x: x.sum(dim=1), 3.0, tolerance=0.1)
    found = solve(Problem(wanted, Box(), (loose, low)), X[:1])
    assert "the constraint budget pulls against the goal for candidate 0" in found.notes[0]
    assert "loose" not in found.notes[0]


def test_constraints_that_nothing_fulfils_are_named():
    one = Inequality(lambda x: x.square().sum(dim=1) - 0.1, name="small")
    other = Inequality(lambda x: 1 - x.square().sum(dim=1), name="big")
    found = solve(Problem(lambda x: x.sum(dim=1), Box(), (one, other)), X[:1])
    assert found.notes[0].startswith(("the constraint small pulls", "the constraint big pulls"))
    assert found.status == ("no feasible point was found",)
