import pytest
import torch

from xhat.core import generator
from xhat.engine import GradientDescent, Problem, solve
from xhat.objectives import CrossEntropy, Proximity, Transformed
from xhat.spaces import Box


def turned(x):
    return x.flip(-2, -1)


def test_it_is_the_objective_at_the_view():
    x = torch.rand(3, 2, 2, generator=generator(0))
    near = Proximity(torch.rand(3, 2, 2, generator=generator(1)))
    torch.testing.assert_close(Transformed(near, turned)(x), near(turned(x)))
    assert not torch.allclose(Transformed(near, turned)(x), near(x))


def test_the_target_is_that_of_the_view():
    x = torch.tensor([[0.0, 2.0]])
    found = Transformed(CrossEntropy(lambda view: view, 0), lambda x: x.flip(-1)).measure(x, x)
    assert bool(found.reached)
    assert not bool(CrossEntropy(lambda view: view, 0).measure(x, x).reached)


def test_a_search_meets_two_wishes_in_two_views():
    """Half the squared distances to two points: the answer is their mean, one of them seen back."""
    here, there = torch.rand(2, 1, 2, 2, generator=generator(2)).unbind()
    both = 0.5 * Proximity(here) + 0.5 * Transformed(Proximity(there), turned)
    found = solve(Problem(both, Box(0, 1)), torch.zeros(1, 2, 2), stepper=GradientDescent(0.5))
    torch.testing.assert_close(found.x, (here + turned(there)) / 2)


def test_each_candidate_keeps_its_own_target():
    seen = Transformed(CrossEntropy(lambda x: x, torch.tensor([0, 1])), lambda x: x.flip(-1))
    x = torch.tensor([[0.0, 2.0], [0.0, 2.0]])
    assert torch.equal(seen.select(torch.tensor([1]))(x[1:]), seen(x)[1:])
    assert seen.rows == 2


def test_what_does_not_fit_is_told():
    with pytest.raises(TypeError, match="the view must be callable, not int"):
        Transformed(Proximity(torch.zeros(1, 2)), 3)
    with pytest.raises(TypeError, match="an objective must be an Objective or a callable"):
        Transformed(3, turned)
    x = torch.zeros(1, 2, requires_grad=True)
    with pytest.raises(TypeError, match="the view cannot be differentiated"):
        Transformed(Proximity(torch.zeros(1, 2)), lambda x: x.round().detach()).check(x, x)
    with pytest.raises(ValueError, match="the view must have one row per candidate"):
        Transformed(Proximity(torch.zeros(1, 2)), lambda x: torch.cat((x, x))).check(x, x)
