"""Explorers of small domains: 8 x 8 digits, and coloured shapes of 12 x 10."""

import functools

import numpy as np
import torch
from torch import nn

from tests.domains import small_classifier, small_digits
from xhat.apps.explorer import Explorer
from xhat.domain import Domain

_SETUP = """
from tests.domains import small_classifier, small_digits
domain, model = small_digits(), small_classifier()
"""
THREE = 3  # the place of a 3 that searches may begin at
SHAPES = ("blue bar", "green cross", "red block")


def make(kind: type[Explorer] = Explorer, **options) -> Explorer:
    """Return an explorer that is not set up."""
    return kind(small_digits(), small_classifier(), setup=_SETUP, **options)


@functools.cache
def explorer() -> Explorer:
    """Return an explorer that is ready."""
    made = make()
    made.warm()
    return made


def shapes(count: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures ``(n, 12, 10, 3)`` of bytes, each a coloured shape, and what it is."""
    random = np.random.default_rng(0)
    x, y = random.integers(0, 40, (count, 12, 10, 3)), np.arange(count) % 3
    for k, kind in enumerate(y):
        top, left = random.integers(0, 5), random.integers(0, 4)
        light = int(random.integers(170, 256))
        if kind == 0:
            x[k, top : top + 3, left : left + 6, 2] = light
        elif kind == 1:
            x[k, top + 2, left : left + 5, 1] = light
            x[k, top : top + 5, left + 2, 1] = light
        else:
            x[k, top : top + 5, left : left + 5, 0] = light
    return x.astype(np.uint8), y


@functools.cache
def colours() -> Explorer:
    """Return an explorer of coloured shapes; its networks are not trained."""
    x, y = shapes()
    domain = Domain(x, y, classes=SHAPES, kind="image", name="shapes")
    mine = domain.halves[0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(360, 3))
    step = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(80):
        step.zero_grad()
        nn.functional.cross_entropy(net(domain.x[mine] / 255), domain.labels[mine]).backward()
        step.step()
    net.requires_grad_(False)
    return Explorer(domain, lambda x: net(x / 255))
