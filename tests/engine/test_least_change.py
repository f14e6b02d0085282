"""The attack of least change."""

import pytest
import torch

from xhat.engine import minimum_norm


def test_the_minimum_norm_of_a_linear_model_is_known():
    draws = torch.Generator().manual_seed(0)
    w = torch.randn(2, 5, generator=draws)
    x = torch.rand(40, 5, generator=draws)

    def model(x):
        return x @ w.T

    label = model(x).argmax(dim=1)
    found, fooled = minimum_norm(model, x, label=label, bounds=(-9.0, 9.0))
    gap = (w[1] - w[0]) / (w[1] - w[0]).norm()
    wanted = (x @ gap).abs()
    assert fooled.all()
    assert (model(found).argmax(dim=1) != label).all()
    moved = (found - x).norm(dim=1)
    assert (moved >= wanted - 1e-5).all()
    assert (moved <= 1.06 * wanted + 0.02).all()
    other = 1 - label
    towards, reached = minimum_norm(model, x, other, bounds=(-9.0, 9.0))
    assert reached.all()
    assert torch.allclose(towards, found, atol=1e-5)


def test_the_minimum_norm_keeps_bounds_and_says_where_nothing_fools():
    x = torch.full((3, 4), 0.5)
    found, fooled = minimum_norm(lambda x: x[:, :2], x + 0.01 * torch.eye(3, 4), label=0)
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert fooled.any()
    constant = torch.tensor([[1.0, 0.0]])
    found, fooled = minimum_norm(lambda x: constant + 0 * x[:, :2], x, label=0)
    assert not fooled.any()
    assert torch.equal(found, x)


def test_a_minimum_norm_does_not_depend_on_its_neighbours():
    net = torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3)).eval()
    x = torch.rand(7, 6, generator=torch.Generator().manual_seed(1))
    label = net(x).argmax(dim=1).detach()
    whole, _ = minimum_norm(net, x, label=label)
    alone, _ = minimum_norm(net, x[3:4], label=label[3:4])
    assert torch.allclose(whole[3:4], alone, atol=1e-5)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, TypeError, "exactly one of target= .* and label="),
        ({"target": 1, "label": 0}, TypeError, "exactly one"),
        ({"label": 0, "steps": 0}, ValueError, "steps"),
        ({"label": 0, "radius": 0.0}, ValueError, "radius"),
    ],
)
def test_a_minimum_norm_is_asked_for_one_thing(options, error, said):
    with pytest.raises(error, match=said):
        minimum_norm(lambda x: x, torch.rand(2, 3), **options)
