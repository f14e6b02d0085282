"""The attack of least change."""

import pytest
import torch

from tests.laws.registry import ConvNet, starts
from xhat.attacks import distances, minimum_norm
from xhat.engine import Compute

NORMS = ("linf", "l2", "l1", "l0")


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2), ("l1", torch.inf)])
def test_the_minimum_norm_of_a_linear_model_is_known(norm, dual):
    draws = torch.Generator().manual_seed(0)
    w = torch.randn(2, 5, generator=draws)
    x = torch.rand(40, 5, generator=draws)

    def model(x):
        return x @ w.T

    label = model(x).argmax(dim=1)
    away = {"norm": norm, "bounds": (-9.0, 9.0), "radius": 0.3}
    found = minimum_norm(model, x, label=label, **away)
    gap = w[1] - w[0]
    wanted = (x @ gap).abs() / torch.linalg.vector_norm(gap, ord=dual)
    assert found.reached.all()
    assert (model(found.x).argmax(dim=1) != label).all()
    moved = distances(found, norm)
    assert torch.allclose(moved, found.loss, atol=1e-6)
    assert (moved >= wanted - 1e-5).all()
    assert (moved <= 1.01 * wanted + 0.01).all()
    towards = minimum_norm(model, x, 1 - label, **away)
    assert towards.reached.all()
    assert torch.allclose(towards.x, found.x, atol=1e-4)


def test_the_fewest_features_of_a_linear_model_are_known():
    w = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 0.6, 0.2, 0.1]])
    x = torch.zeros(3, 4)

    def model(x):
        return x @ w.T - x.new_tensor([[0.0, 1.5]])

    found = minimum_norm(model, x, label=0, norm="l0")
    assert found.reached.all()
    assert distances(found, "l0").tolist() == [2.0] * 3


@pytest.mark.parametrize("norm", NORMS)
def test_bounds_are_kept_and_where_nothing_fools_it_is_said(norm):
    x = torch.full((3, 4), 0.5)
    found = minimum_norm(lambda x: x[:, :2], x + 0.01 * torch.eye(3, 4), label=0, norm=norm)
    assert found.x.min() >= 0
    assert found.x.max() <= 1
    assert found.feasible.all()
    assert found.reached.any()
    constant = torch.tensor([[3.0, 0.0]])
    found = minimum_norm(lambda x: constant + 0 * x[:, :2], x, label=0, norm=norm)
    assert not found.reached.any()
    assert distances(found, norm).isinf().all()
    assert torch.equal(found.x, x)


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_misread_as_it_is_costs_nothing(norm):
    x = starts(4)
    label = (ConvNet()(x).argmax(dim=1) + 1) % 4
    found = minimum_norm(ConvNet(), x, label=label.detach(), norm=norm)
    assert found.loss.eq(0).all()
    assert found.steps.eq(0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_minimum_norm_does_not_depend_on_its_neighbours(norm):
    net = torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3)).eval()
    x = torch.rand(7, 6, generator=torch.Generator().manual_seed(1))
    label = net(x).argmax(dim=1).detach()
    whole = minimum_norm(net, x, label=label, norm=norm, steps=30)
    alone = minimum_norm(net, x[3:4], label=label[3:4], norm=norm, steps=30)
    split = minimum_norm(net, x, label=label, norm=norm, steps=30, compute=Compute(chunk=2))
    assert torch.allclose(whole.x[3:4], alone.x, atol=1e-5)
    assert torch.allclose(whole.x, split.x, atol=1e-5)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, TypeError, "exactly one of target= .* and label="),
        ({"target": 1, "label": 0}, TypeError, "exactly one"),
        ({"label": 0, "steps": 0}, ValueError, "steps"),
        ({"label": 0, "radius": 0.0}, ValueError, "radius"),
        ({"label": 0, "norm": "l3"}, ValueError, "linf, l2, l1, l0, but is 'l3'"),
        ({"label": 0, "bounds": 1.0}, TypeError, "a pair"),
    ],
)
def test_a_minimum_norm_is_asked_for_one_thing(options, error, said):
    with pytest.raises(error, match=said):
        minimum_norm(lambda x: x, torch.rand(2, 3), **options)
