import pytest
import torch

from tests.laws.registry import starts
from xhat.objectives import Proximity, TotalVariation

N = 4


@pytest.mark.parametrize(
    ("norm", "formula"),
    [
        ("squared", lambda d: d.square().sum(dim=1)),
        ("l2", lambda d: d.square().sum(dim=1).sqrt()),
        ("l1", lambda d: d.abs().sum(dim=1)),
    ],
)
def test_proximity_is_the_formula_with_a_finite_gradient_everywhere(norm, formula):
    x, reference = starts(N), starts(N).roll(1, 0)
    objective = Proximity(reference, norm)
    assert torch.allclose(objective(x), formula((x - reference).flatten(1)))
    at = reference.clone().requires_grad_(True)
    loss = objective(at)
    (gradient,) = torch.autograd.grad(loss.sum(), at)
    assert loss.tolist() == [0.0] * N
    assert torch.equal(gradient, torch.zeros_like(at))


def test_the_reference_may_be_shared():
    x = starts(N)
    assert torch.equal(Proximity(x[:1])(x), Proximity(x[:1].expand_as(x).clone())(x))


def test_total_variation_is_a_sum_over_pairs_of_neighbours():
    x = starts(N)
    expected = torch.zeros(N)
    for i in range(6):
        for j in range(5):
            expected += (x[:, 0, i, j] - x[:, 0, i, j + 1]).abs()
            expected += (x[:, 0, j, i] - x[:, 0, j + 1, i]).abs()
    assert torch.allclose(TotalVariation()(x), expected, atol=1e-4)
    assert torch.equal(TotalVariation()(torch.full_like(x, 0.3)), torch.zeros(N))
    rows = (x[..., 1:] - x[..., :-1]).abs().flatten(1).sum(dim=1)
    assert torch.allclose(TotalVariation(axes=1)(x), rows, atol=1e-4)
