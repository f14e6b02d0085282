"""Truths and surrogates whose values and gradients are known."""

import torch
from torch import nn

from xhat.core import generator

__all__ = ["NAN", "mlp", "normal", "sphere", "state", "unchanged"]

NAN = float("nan")


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def sphere(x):
    """The signed distance of points to the unit sphere; its gradient is ``x / |x|``."""
    return x.flatten(1).norm(dim=1) - 1


def mlp(inputs, outputs=1):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(inputs, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, outputs)
        )


def state(net):
    return [value.clone() for value in net.state_dict().values()]


def unchanged(net, before, training):
    assert all(module.training is training for module in net.modules())
    assert all(torch.equal(a, b) for a, b in zip(state(net), before, strict=True))
    assert all(weight.grad is None and weight.requires_grad for weight in net.parameters())
