"""Small worlds whose truth is known, so that judges can be built and fooled on purpose."""

import torch
from torch import Tensor, nn

from xhat.core import generator
from xhat.judges import Judge, Jury, Likelihood, Neighbours

SEEN, OTHER, NONE, NEITHER = range(4)
NATURAL, OFF, ELSEWHERE = 0.0, 4.5, 60.0


class Reader(nn.Module):
    """A classifier that sees what is written in a sample ``(place, code)``.

    The code's whole part, modulo 4, says what: class 0, class 1, no class, or a draw of the two.
    So a sample can tell the jury anything without being unlikely.
    """

    def forward(self, x: Tensor) -> Tensor:
        certain = 6 - 0.1 * x[:, 1:].frac().abs()
        table = torch.cat([torch.eye(3), torch.tensor([[1.0, 1.0, 0.0]])]).to(x)
        return certain * table[x[:, 1].floor().long() % 4]


class Centres(nn.Module):
    """The classifier of unit Gaussians around its centres; far from all, none of them."""

    def __init__(self, centres: Tensor, none: float = -20.0) -> None:
        super().__init__()
        self.centres = nn.Parameter(centres.clone())
        self.none = none

    def forward(self, x: Tensor) -> Tensor:
        logits = -(x.flatten(1)[:, None] - self.centres).square().sum(2) / 2
        return torch.cat([logits, logits.new_full((len(x), 1), self.none)], dim=1)


def place(x: Tensor) -> Tensor:
    return x[:, :1]


def twice(x: Tensor) -> Tensor:
    return 2 * x[:, :1]


def readable(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return real samples ``(place, code)`` around the places 0 and 10, and their classes."""
    labels = torch.arange(n) // 2 % 2  # both classes in each half of the calibration samples
    random = generator(seed, "readable")
    places = 10 * labels + torch.randn(n, generator=random)
    codes = 4 * torch.randint(-5, 6, (n,), generator=random) + labels
    return torch.stack([places, codes + torch.rand(n, generator=random)], dim=1), labels


def sample(where: float, seen: int) -> Tensor:
    """Return one sample ``(1, 2)`` at a place, in which the jury sees this."""
    return torch.tensor([[where, seen + 0.5]])


def reader() -> Jury:
    return Jury((Reader().eval(),), ("reader",), classes=2)


def readable_judge(alpha: float = 0.05, calibration: int = 400) -> Judge:
    """Return a judge of the readable world, with two representations and a likelihood."""
    x, labels = readable(300, 1)
    axes = (
        Neighbours("place", x, place, labels),
        Neighbours("twice the place", x, twice, labels),
        Likelihood("likelihood", x, place),
    )
    return Judge.assemble(reader(), axes, (x, labels), readable(calibration, 2), alpha)


def gaussians(n: int, seed: int, d: int = 6, apart: float = 8.0) -> tuple[Tensor, Tensor]:
    """Return samples ``(n, d)`` of three unit Gaussians and their classes."""
    labels = torch.randint(3, (n,), generator=generator(seed, "labels"))
    noise = torch.randn(n, d, generator=generator(seed, "noise"))
    return apart * torch.eye(3, d)[labels] + noise, labels
