import torch

from tests.laws.registry import ConvNet, mask, starts, targets
from xhat.constraints import L2Ball
from xhat.engine import Problem, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Box, Masked


def test_frozen_features_are_held_at_each_candidates_values():
    values = starts(3).roll(1, 0)
    problem = Problem(CrossEntropy(ConvNet(), targets(3)), Masked(Box(), mask(), values))
    result = solve(problem, starts(3), max_steps=10)
    free = mask().expand_as(values)
    assert torch.equal(result.x[~free], values[~free])
    assert (result.x != starts(3))[free].float().mean() > 0.5
    assert torch.equal(result.x0, starts(3))


def test_one_row_of_values_serves_all_and_a_start_may_violate_them():
    space = Masked(Box(), mask(), torch.full((1, 1, 6, 6), 0.5))
    outside = torch.where(mask(), starts(2), 7.0)  # only where they are replaced anyway
    result = solve(Problem(CrossEntropy(ConvNet(), 1), space), outside, max_steps=3)
    assert (result.x[~mask().expand_as(result.x)] == 0.5).all()


def test_a_ball_holds_as_well():
    ball = L2Ball(starts(3), 0.3)
    problem = Problem(
        CrossEntropy(ConvNet(), targets(3)), Masked(Box(), mask(), starts(3)), (ball,)
    )
    result = solve(problem, starts(3), max_steps=20)
    assert result.feasible.all()
    assert (result.violation > -0.1).all()  # the border is where it wanted to go
    free = mask().expand_as(result.x)
    assert torch.equal(result.x[~free], starts(3)[~free])


def test_a_mask_of_rows_and_columns_is_not_taken_for_one_of_candidates():
    """Whatever the number of candidates: also as many as there are rows."""
    free = torch.tensor([[True, False, True], [False, False, True]])
    for n in (1, 2, 3):
        values = torch.rand(n, 2, 3)
        found = Masked(Box(), free, values).decode(torch.full((n, 2, 3), 0.25))
        assert torch.equal(found, torch.where(free, torch.tensor(0.25), values))
