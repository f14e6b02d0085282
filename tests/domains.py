"""Small domains for tests, from data that scikit-learn brings."""

import functools
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits, load_wine
from torch import nn

from xhat.domain import PARTS, Domain

FILE = Path(__file__).parent / "data" / "small-digits.safetensors"


@functools.cache
def small_digits() -> Domain:
    """Return scikit-learn's 8 x 8 digits with judge and networks, from a file of this repository.

    ``python -m tests.domains`` makes it again in about a minute.
    """
    return Domain.load(FILE)


def make() -> None:
    """Write the file."""
    data = load_digits()
    domain = Domain(data.images / 16, data.target, name="small digits")
    domain.judge()
    for part in PARTS:
        domain.network(part)
    domain.save(FILE)


@functools.cache
def small_classifier() -> nn.Module:
    """Return a classifier of those digits, trained on the half for searches."""
    domain = small_digits()
    mine = domain.halves[0]
    x, y = domain.x[mine], domain.labels[mine]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    step = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(120):
        step.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        step.step()
    return net.eval().requires_grad_(False)


def wine() -> Domain:
    """Return a table of 178 wines of three cultivars."""
    data = load_wine(as_frame=True)
    return Domain(data.data, np.array(["a", "b", "c"])[data.target], name="wine")


def cultivar(x: torch.Tensor) -> torch.Tensor:
    """Return logits of the cultivar: how near the mean wine of each, in standard deviations."""
    domain = wine()
    spread = domain.x.std(dim=0)
    means = torch.stack([domain.x[domain.labels == k].mean(dim=0) for k in range(3)])
    return -(((x[:, None] - means) / spread) ** 2).sum(dim=2) / 4


if __name__ == "__main__":
    make()
