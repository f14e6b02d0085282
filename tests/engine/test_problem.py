import dataclasses

import pytest
import torch

from tests.laws.registry import ConvNet, ink, starts, targets
from xhat.constraints import L1Ball, L2Ball, LinfBall
from xhat.engine import Problem
from xhat.objectives import CrossEntropy, Custom
from xhat.spaces import Box


def test_a_problem_is_frozen_and_takes_callables_and_single_constraints():
    ball = LinfBall(starts(2), 0.1)
    problem = Problem(ink, Box(), ball)
    assert isinstance(problem.objective, Custom)
    assert problem.constraints == (ball,)
    assert Problem(ink, Box(), [ball]).constraints == (ball,)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.tolerance = 1.0


def test_the_violation_is_the_worst_of_all_constraints():
    center = torch.zeros(1, 2)
    problem = Problem(ink, Box(-9, 9), (LinfBall(center, 1.0), L1Ball(center, 1.5)))
    x = torch.tensor([[0.5, 0.5], [1.0, 1.0], [3.0, 0.0]])
    assert problem.violation(x).tolist() == [-0.5, 0.5, 2.0]
    assert Problem(ink, Box()).violation(x).tolist() == [0.0, 0.0, 0.0]


def test_a_projection_holds_the_ball_and_the_box():
    problem = Problem(ink, Box(), L2Ball(starts(3), 0.5))
    x = problem.project(starts(3) + 3 * torch.randn_like(starts(3)))
    assert (problem.violation(x) <= problem.tolerance).all()
    assert x.min() >= 0
    assert x.max() <= 1


def test_it_knows_for_how_many_candidates_it_is():
    assert Problem(ink, Box()).rows == 1
    problem = Problem(CrossEntropy(ConvNet(), targets(3)), Box(), LinfBall(starts(3), 0.1))
    assert problem.rows == 3
    assert problem.select(torch.tensor([0, 2])).rows == 2
    problem.check_count(3)
    with pytest.raises(ValueError, match=r"made for 3 candidates.*2 starts"):
        problem.check_count(2)
    with pytest.raises(ValueError, match="different numbers of candidates"):
        Problem(CrossEntropy(ConvNet(), targets(3)), Box(), LinfBall(starts(2), 0.1))


def test_a_check_changes_nothing_and_tries_one_row():
    net = ConvNet()
    problem = Problem(CrossEntropy(net, targets(3)), Box())
    problem.check(starts(1))
    assert net.seen == 1
    assert all(p.grad is None for p in net.parameters())
    with pytest.raises(ValueError, match=r"cannot take a start of shape \(7,\) and type float32"):
        problem.check(torch.zeros(1, 7))
