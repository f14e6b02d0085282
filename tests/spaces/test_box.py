import pytest
import torch

from tests.laws.registry import ConvNet, starts, targets
from xhat.engine import Adam, Problem, Restarts, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Box, Logit


def test_a_box_clips_every_feature_to_its_own_bounds():
    low, high = torch.tensor([0.0, -1.0]), torch.tensor([1.0, 5.0])
    z = torch.tensor([[-3.0, -3.0], [9.0, 9.0], [0.5, 2.0]])
    assert Box(low, high).project(z).tolist() == [[0.0, -1.0], [1.0, 5.0], [0.5, 2.0]]
    assert Box(low, 5).project(z).tolist() == [[0.0, -1.0], [5.0, 5.0], [0.5, 2.0]]
    Box(low, high).check(torch.tensor([[1.0, 5.0]]))
    with pytest.raises(ValueError, match=r"from 2 to 5"):
        Box(low, high).check(torch.tensor([[2.0, 5.0]]))


def test_a_logit_space_is_a_sigmoid_between_the_bounds():
    space = Logit(-1.0, torch.tensor([1.0, 3.0]))
    z = torch.tensor([[0.0, 2.0]])
    expected = -1 + torch.tensor([2.0, 4.0]) / (1 + (-z).exp())
    assert torch.allclose(space.decode(z), expected)
    assert torch.allclose(space.encode(expected), z, atol=1e-5)


@pytest.mark.parametrize("inset", [1 / 512, 0.1])
def test_only_values_near_a_bound_begin_inside(inset):
    space = Logit(0, 2, inset)
    x = torch.tensor([[0.0, 0.5, 1.0, 2.0]])
    begun = space.decode(space.begin(x))
    assert torch.allclose(begun, torch.tensor([[2 * inset, 0.5, 1.0, 2 - 2 * inset]]), atol=1e-6)
    assert torch.allclose(space.decode(space.encode(x)), x, atol=1e-5)


@pytest.mark.parametrize("restarts", [None, Restarts(1, 0.2, from_start=False)])
def test_logit_moves_pixels_that_start_exactly_on_a_bound(restarts):
    x0 = starts(4).round()  # nothing but black and white
    assert set(x0.unique().tolist()) == {0.0, 1.0}
    problem = Problem(CrossEntropy(ConvNet(), targets(4)), Logit())
    result = solve(problem, x0, stepper=Adam(0.5), restarts=restarts, max_steps=30)
    moved = (result.x - x0).abs()
    for bound in (0.0, 1.0):
        assert (moved[x0 == bound] > 0.3).float().mean() > 0.3
    assert (result.loss < problem.objective(x0)).all()


def test_a_sigmoid_without_the_inset_would_not_move_them():
    """The fault that ``begin`` is there to avoid."""
    z = Logit().encode(torch.tensor([[0.0, 1.0]])).requires_grad_(True)
    (stuck,) = torch.autograd.grad(Logit().decode(z).sum(), z)
    begun = Logit().begin(torch.tensor([[0.0, 1.0]])).requires_grad_(True)
    (free,) = torch.autograd.grad(Logit().decode(begun).sum(), begun)
    assert (stuck < 2e-6).all()
    assert (free > 1e-3).all()


@pytest.mark.parametrize("inset", [0.5, 0.7])
def test_an_inset_leaves_room_in_the_middle(inset):
    with pytest.raises(ValueError, match=r"inset must be below 0\.5, but is"):
        Logit(0, 1, inset)
    Logit(0, 1, 0.49)


@pytest.mark.parametrize("space", [Box, Logit])
def test_bounds_for_vectors_are_not_for_vectors_of_another_length(space):
    space(torch.zeros(3), 1.0).check(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"bounds are for inputs of shape \(3,\), but .* \(4,\)"):
        space(torch.zeros(3), 1.0).check(torch.zeros(2, 4))
