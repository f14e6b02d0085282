import pytest
import torch

from xhat.core import generator
from xhat.engine import Adam, Problem, VectorAdam, solve
from xhat.spaces import Box


def by_hand(gradients: torch.Tensor, rate: float) -> torch.Tensor:
    """The sum of the steps of one vector, as the paper writes them."""
    mean, square, moved = torch.zeros(2).double(), 0.0, torch.zeros(2).double()
    for t, g in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * g
        square = 0.999 * square + 0.001 * float(g @ g)
        moved = moved - rate * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)) ** 0.5 + 1e-8)
    return moved


@pytest.mark.parametrize("axis", [None, -1, 0])
def test_steps_are_those_of_the_paper(axis):
    gradients = torch.randn(5, 2, generator=generator(0), dtype=torch.float64)
    stepper = VectorAdam(0.3, axis=axis)
    z = torch.zeros(1, 2).double() if axis is None else torch.zeros(1, 2, 2).double()
    state = stepper.init(z)
    for g in gradients:
        g = g.reshape(1, 2) if axis is None else torch.stack([g, g], 1 - axis % 2)[None]
        z, state = stepper.step(z, torch.ones(1), g, state)
    vectors = z.reshape(1, 2) if axis is None else z[0] if axis == -1 else z[0].T
    for vector in vectors:
        assert torch.allclose(vector, by_hand(gradients, 0.3), atol=1e-12)


def test_of_one_feature_it_is_adam_and_it_finds_the_minimum():
    bowl = Problem(lambda x: (x - 0.3).square().sum(dim=1), Box(0, 1))
    one = torch.tensor([[0.9]])
    plain = solve(bowl, one, stepper=Adam(0.02), max_steps=20)
    assert torch.equal(solve(bowl, one, stepper=VectorAdam(0.02), max_steps=20).x, plain.x)
    found = solve(bowl, torch.rand(4, 6), stepper=VectorAdam(0.05), max_steps=300)
    assert float((found.x - 0.3).abs().max()) < 1e-3


def test_what_does_not_fit_is_told():
    assert VectorAdam().rotates
    assert not VectorAdam(axis=-1).rotates
    with pytest.raises(TypeError, match="axis must be a whole number or None, not float"):
        VectorAdam(axis=1.0)
    with pytest.raises(ValueError, match="rate must be above 0"):
        VectorAdam(0.0)
    with pytest.raises(ValueError, match=r"axis=2\) needs search variables that have this axis"):
        VectorAdam(axis=2).init(torch.zeros(1, 3))
