"""Small labelled domains of every kind of data."""

import functools

import torch
from sklearn.datasets import load_digits, load_wine

from xhat.core import generator
from xhat.domain import Domain

KINDS = ("image", "field", "signal", "table")


@functools.cache
def small(kind: str) -> Domain:
    """Return a domain of about 150 samples of three classes."""
    if kind == "table":
        wine = load_wine(as_frame=True)
        return Domain(wine.data, wine.target, classes=["a", "b", "c"], name=kind)
    if kind == "signal":
        return waves(150)
    digits = load_digits(n_class=3)
    x, y = torch.tensor(digits.images[:150]).float() / 16, digits.target[:150]
    if kind == "image":
        return Domain(x, y, name=kind)
    return Domain(torch.stack((x, 5 * x.flip(-1) - 2), dim=1), y, kind=kind, name=kind)


@functools.cache
def waves(n: int) -> Domain:
    """Return sines, squares and saw teeth of any phase, with noise."""
    draws = generator(0, "waves")
    labels = torch.arange(n) % 3
    phase = torch.rand(n, 1, generator=draws)
    t = (2 * torch.linspace(0, 1, 40) + phase) % 1
    every = torch.stack(((6.2832 * t).sin(), (0.5 - t).sign(), 1 - 2 * t))
    x = every[labels, torch.arange(n)] + 0.1 * torch.randn(n, 40, generator=draws)
    return Domain(x[:, None], labels, kind="signal", name="signal")
