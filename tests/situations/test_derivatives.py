"""One feature of many has no finite derivative where it is: it is left out of the step, and named.

Met in: adversarial-robustness-toolbox #824 and #883, botorch #2070.
"""

import pytest
import torch
from torch import nn

from xhat import Problem, TargetReached, solve
from xhat.core import InputWarning
from xhat.engine import LBFGS, Adam, GradientDescent, NormalizedDescent, SignDescent, VectorAdam
from xhat.objectives import CrossEntropy
from xhat.spaces import Box, Rounded, Softmax

STEPPERS = (
    Adam(), GradientDescent(0.2), SignDescent(), NormalizedDescent(), VectorAdam(), LBFGS(),
)  # fmt: skip


def net(features: int = 6, classes: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Linear(features, classes).eval()


def inputs(n: int = 3, features: int = 6) -> torch.Tensor:
    return torch.rand(n, features, generator=torch.Generator().manual_seed(0))


def guarded(x):
    return torch.where(x > 0, x.sqrt(), torch.zeros_like(x))  # 0 * inf in the branch not taken


def length(x):
    return x.square().sum(dim=1, keepdim=True).sqrt()


BAD = {
    "square root": lambda x: x.sqrt(),
    "where": guarded,
    "power": lambda x: x**0.3,
    "logarithm": lambda x: torch.special.xlogy(x, x),
    "length": length,
    "arc": lambda x: torch.asin(1 - x),
}


@pytest.mark.parametrize("stepper", STEPPERS, ids=lambda each: type(each).__name__)
def test_the_case_as_it_was_met(stepper):
    weights, x = net(), inputs()
    x[0, 0] = 0.0
    model = lambda x: 6 * weights(torch.cat([x[:, :1].sqrt(), x[:, 1:]], dim=1))  # noqa: E731
    problem = Problem(CrossEntropy(model, 1), Box())
    with pytest.warns(InputWarning, match=r"candidate 0: feature 0, from step 0 on"):
        found = solve(problem, x, stepper=stepper, max_steps=60)
    assert all(status == "step budget spent" or "zero" in status for status in found.status)
    assert (found.confidence > 0.9).all()  # the most that there is, is 0.983
    assert "candidate 0: feature 0, from step 0 on" in found.notes[0]


@pytest.mark.parametrize("name", BAD)
def test_the_other_features_go_on(name):
    weights, x = net(), inputs()
    x[0, 0] = 0.0
    model = lambda x: 6 * weights(torch.cat([BAD[name](x[:, :1]), x[:, 1:]], dim=1))  # noqa: E731
    problem = Problem(CrossEntropy(model, 1), Box())
    with pytest.warns(InputWarning, match="candidate 0: feature 0, from step 0"):
        found = solve(problem, x, stop=TargetReached(0.9), max_steps=100)
    assert found.reached[1:].all()
    moved = (found.x[0, 1:] - x[0, 1:]).abs()
    assert moved.min() > 0.1
    assert found.confidence[0] > 0.6  # one of six features stayed


def test_the_bad_derivative_of_one_candidate_touches_no_other():
    weights, x = net(), 0.3 + 0.5 * inputs(4)
    x[2, 0] = 0.0
    model = lambda x: 6 * weights(torch.cat([x[:, :1].sqrt(), x[:, 1:]], dim=1))  # noqa: E731
    problem = Problem(CrossEntropy(model, 1), Box())
    with pytest.warns(InputWarning, match="candidate 2"):
        found = solve(problem, x, stepper=Adam(), max_steps=3)
    others = torch.tensor([0, 1, 3])
    clean = solve(problem, x[others], stepper=Adam(), max_steps=3)
    assert not clean.notes
    assert torch.allclose(found.x[others], clean.x, atol=1e-6)
    assert (found.x[2, 1:] != x[2, 1:]).any()


def test_a_channel_of_an_image_without_derivatives():
    weights, x = net(3 * 16), inputs(2, 3 * 16).reshape(2, 3, 4, 4)
    x[0, 1] = 0.0
    roots = lambda x: torch.stack([x[:, 0], x[:, 1].sqrt(), x[:, 2]], dim=1)  # noqa: E731
    problem = Problem(CrossEntropy(lambda x: 6 * weights(roots(x).flatten(1)), 1), Box())
    with pytest.warns(InputWarning, match=r"features \(1, 0, 0\), .* and 13 more"):
        found = solve(problem, x, stop=TargetReached(0.9), max_steps=50)
    assert found.reached.all()
    assert (found.x[0, 1] == 0).all()


def test_only_where_nothing_finite_is_left_it_ends():
    x = inputs()
    x[0] = 0.0
    found = solve(
        Problem(lambda x: x.sqrt().sum(dim=1), Box(-1, 1)),
        x,
        stepper=SignDescent(1e-3),
        max_steps=5,
    )
    assert found.sentences[0] == "gradient became non-finite at step 0"
    assert found.sentences[1] == "step budget spent"
    assert torch.equal(found.x[0], x[0])


@pytest.mark.parametrize("space", [Softmax(), Rounded(Box(0, 4))], ids=["softmax", "rounded"])
def test_in_other_spaces(space):
    def loss(x):
        # the derivative with respect to the first share is infinite from the start
        return (x[:, 0] - x[:, 0].detach()).sqrt() + (x[:, 1:] - 0.5).square().sum(dim=1)

    x = torch.tensor([[0.25, 0.5, 0.25]]) if isinstance(space, Softmax) else torch.ones(1, 3)
    if isinstance(space, Softmax):  # all of z lies on the way to that share
        found = solve(Problem(loss, space), x, max_steps=3)
        assert found.status == ("gradient became non-finite",)
        return
    with pytest.warns(InputWarning, match="feature 0"):
        found = solve(Problem(loss, space), x, max_steps=50)
    assert found.x[0, 0] == 1
