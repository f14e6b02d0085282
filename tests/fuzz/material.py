"""What the problems of the campaign are made of: data from seeds, and models with their faults.

The scripts that the campaign prints import this, so that they stay short.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 3
HIDDEN = 6
LATENT = 3
BRINK = 0.5
"""The mean feature above which a model that fails for some inputs fails."""


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(seed: int, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=random(seed), dtype=torch.float64)


def starts(seed: int, n: int, shape: tuple[int, ...], traits: str = "", top: int = 1) -> Tensor:
    """``n`` inputs within [0, top], in float64, with the wanted traits; none of them is blank.

    Traits are words: ``whole`` numbers, ``sorted`` along the last axis, ``mirrored`` there,
    ``paired`` neighbours, rows of ``unit`` length, and ``edges`` (some features lie on 0 or
    ``top``).
    """
    x = top * uniform(seed, n, *shape, low=0.15, high=0.85)
    words = traits.split()
    if "edges" in words:
        where = uniform(seed + 1, n, *shape)
        x = torch.where(where < 0.15, 0.0, torch.where(where > 0.85, float(top), x))
    for _ in range(40 if len(words) > 1 else 1):
        if "sorted" in words:
            x = x.sort(dim=-1).values
        if "mirrored" in words:
            x = (x + x.flip(-1)) / 2
        if "sorted" in words and "mirrored" in words:
            x = x.mean(dim=-1, keepdim=True).expand_as(x).clone()
        if "paired" in words:
            x = tie(x, pairs(shape))
    if "whole" in words:
        x = x.round()
    return x / x.norm(dim=-1, keepdim=True) if "unit" in words else x


def tie(x: Tensor, labels: Tensor) -> Tensor:
    """Every feature replaced by the mean of those with its label."""
    hot = F.one_hot(labels.flatten()).double()
    flat = x.flatten(1).double()
    return ((flat @ hot / hot.sum(dim=0)) @ hot.T).reshape(x.shape)


def pairs(shape: tuple[int, ...]) -> Tensor:
    """Labels of neighbours, two by two in the flattened input."""
    return torch.arange(torch.Size(shape).numel()).reshape(shape) // 2


def mask(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Booleans, about two thirds of them true, and one at least."""
    found = uniform(seed, *shape) < 0.67
    found.view(-1)[seed % found.numel()] = True
    return found


def matrix(seed: int, shape: tuple[int, ...]) -> Tensor:
    """One or two rows of equations, float64; fewer than there are features."""
    rows = min(1 + seed % 2, torch.Size(shape).numel() - 1)
    return uniform(seed, rows, *shape, low=-1.0)


class Net(nn.Module):
    """A small network with all that a search could spoil; it counts the rows that it is shown.

    Attributes:
        rows: that passed.
        most: of the largest batch.
        calls: passes.
    """

    def __init__(self, seed: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        super().__init__()
        size = torch.Size(shape).numel()
        self.enter, self.norm = nn.Linear(size, HIDDEN), nn.BatchNorm1d(HIDDEN)
        self.drop, self.leave = nn.Dropout(0.3), nn.Linear(HIDDEN, CLASSES)
        with torch.no_grad():
            for k, tensor in enumerate((*self.parameters(), *self.buffers())):
                if tensor.is_floating_point():
                    drawn = uniform(seed + k, *tensor.shape, low=-1.0)
                    tensor.copy_(drawn if tensor.ndim > 1 else 0.7 + 0.3 * drawn)
            self.enter.weight.mul_(3 / size**0.5)
            self.leave.weight.mul_(3)
        self.leave.bias.requires_grad_(False)
        self.rows = self.most = self.calls = 0
        self.to(dtype).eval()

    def forward(self, x: Tensor) -> Tensor:
        self.rows, self.most, self.calls = (
            self.rows + len(x),
            max(self.most, len(x)),
            self.calls + 1,
        )
        return self.leave(self.drop(torch.tanh(self.norm(self.enter(x.flatten(1))))))


class Autoencoder(nn.Module):
    """Codes of inputs, and inputs within (0, 1) of codes."""

    def __init__(self, seed: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        super().__init__()
        size = torch.Size(shape).numel()
        self.enter, self.leave = nn.Linear(size, LATENT), nn.Linear(LATENT, size)
        self.noise, self.shape = nn.Dropout(0.3), shape
        with torch.no_grad():
            for k, tensor in enumerate(self.parameters()):
                tensor.copy_(uniform(seed + k, *tensor.shape, low=-1.0))
            self.enter.weight.mul_(1 / size**0.5)
        self.to(dtype).eval()

    def encode(self, x: Tensor) -> Tensor:
        return self.enter(self.noise(x.flatten(1)))

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.leave(self.noise(z))).reshape(-1, *self.shape)


class Holder:
    """An object that is no module and holds one."""

    def __init__(self, net: nn.Module) -> None:
        self.inner = {"net": net}

    def __call__(self, x: Tensor) -> Tensor:
        return self.inner["net"](x)


def applied(net: nn.Module, x: Tensor) -> Tensor:
    return net(x)


def partial(net: nn.Module) -> Callable[[Tensor], Tensor]:
    return functools.partial(applied, net)


def closed(net: nn.Module) -> Callable[[Tensor], Tensor]:
    def model(x: Tensor) -> Tensor:
        return net(x)

    return model


def high(x: Tensor) -> Tensor:
    """Which rows lie beyond the brink."""
    return x.detach().flatten(1).mean(dim=1) > BRINK


class NormalPrior:
    """A density over latents, up to a constant."""

    def log_prob(self, z: Tensor) -> Tensor:
        return -z.square().sum(dim=1) / 2


class NanSometimes(nn.Module):
    """NaN for inputs beyond the brink."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(high(x)[:, None], torch.nan, self.net(x))


class RaisesSometimes(nn.Module):
    """An error as soon as one input of the batch lies beyond the brink."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        if bool(high(x).any()):
            raise RuntimeError("the mesh of an input is degenerate")
        return self.net(x)


class RaisesLate(nn.Module):
    """An error at one call, or from there on."""

    def __init__(self, net: nn.Module, at: int, *, once: bool) -> None:
        super().__init__()
        self.net, self.at, self.once, self.calls = net, at, once, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.at or (self.calls > self.at and not self.once):
            raise LookupError("the licence server is gone")
        return self.net(x)


class Interrupts(nn.Module):
    """Ctrl-C while the model computes, at one call."""

    def __init__(self, net: nn.Module, at: int) -> None:
        super().__init__()
        self.net, self.at, self.calls = net, at, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return self.net(x)


def dropping(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """A model whose dropout is always on."""
    return lambda x: net(F.dropout(x, 0.3, training=True))


def noisy(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """A model that adds noise of its own."""
    return lambda x: net(x + 0.1 * torch.randn_like(x))


def across(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """A model that sees every input relative to its batch."""
    return lambda x: net(x - 0.5 * x.mean(dim=0, keepdim=True))


def dead(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """A model whose gradient is zero everywhere: its units are off."""
    return lambda x: net(torch.relu(-1 - x.abs()))


def rounding(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """A model whose gradient is zero everywhere: it rounds what it sees."""
    return lambda x: net(torch.round(4 * x) / 4)


def saturated(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """Logits a million times too large: a softmax of them has no gradient."""
    return lambda x: 1e6 * net(x)


def interrupting(at: int) -> Callable[[Any], None]:
    """A callback during whose call number ``at`` Ctrl-C is pressed."""
    calls: list[Any] = []

    def tell(now: Any) -> None:
        calls.append(now.done)
        if len(calls) == at:
            raise KeyboardInterrupt

    return tell
