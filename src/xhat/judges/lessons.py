"""What a jury learns from: known samples, and others of no class that are made of them.

==============  ================================================================================
``spliced``     part of one sample in another of a different class: a box of an image or field, a
                stretch of a signal, some columns of a table
``superposed``  two samples of different classes at once: of each value the one that is farther
                from the middle
``blended``     two samples of different classes, whose shares change from place to place
``moved``       a sample with noise of two to six deviations
==============  ================================================================================

Surrogates may learn from samples of no class, too (``xhat.surrogates.Outliers``); those are of
other kinds, so that a judge does not share their blind spots.

Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
Features", ICCV 2019 (boxes of one image in another, there as mixed classes).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["NEGATIVES", "Lesson"]


@dataclass(frozen=True)
class Lesson:
    """Known samples, and how samples of no class are made of them.

    Attributes:
        x: ``(m, *x_shape)``, in their own units.
        labels: ``(m,)`` classes from 0.
        classes: their number; it is the label of what is none of them.
        scale: ``(mean, deviation)`` of features, each ``x_shape``.
    """

    x: Tensor
    labels: Tensor
    classes: int
    scale: tuple[Tensor, Tensor]

    def part(self, rows: Tensor) -> "Lesson":
        """Return some of the samples."""
        return Lesson(self.x[rows], self.labels[rows], self.classes, self.scale)

    def with_none(self, n: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the samples and ``n`` of no class, with their labels."""
        none = self.none(n, draws)
        kinds = self.labels.new_full((len(none),), self.classes)
        return torch.cat((self.x, none)), torch.cat((self.labels, kinds))

    def none(self, n: int, draws: torch.Generator) -> Tensor:
        """Return ``(n, *x_shape)`` that belong to no class, about as many of every kind."""
        share = -(-n // len(NEGATIVES))
        made = torch.cat([make(self, share, draws) for make in NEGATIVES.values()])
        return made[torch.randperm(len(made), generator=draws)[:n]]

    def pairs(self, n: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return two lists of ``n`` samples; those of a pair are of different classes."""
        a, b = torch.randint(len(self.x), (2, 4 * n), generator=draws)
        order = (self.labels[a] == self.labels[b]).int().argsort(stable=True)[:n]
        return self.x[a[order]], self.x[b[order]]


def spliced(lesson: Lesson, n: int, draws: torch.Generator) -> Tensor:
    """Return samples with a part, of a third to two thirds, of one of another class."""
    first, second = lesson.pairs(n, draws)
    if first.ndim == 2:  # columns have no order
        share = 1 / 3 + torch.rand(n, 1, generator=draws) / 3
        return torch.where(torch.rand(first.shape, generator=draws) < share, second, first)
    inside = torch.ones(n, *[1] * (first.ndim - 1), dtype=torch.bool)
    axes = range(2, first.ndim)
    share = (1 / 3 + torch.rand(n, 1, generator=draws) / 3) ** (1 / len(axes))
    for axis in axes:
        length = first.shape[axis]
        wide = (share * length).round()
        start = (torch.rand(n, 1, generator=draws) * (length - wide + 1)).floor()
        place = torch.arange(length)
        along = (place >= start) & (place < start + wide)
        own = [n, *[1] * (first.ndim - 1)]
        own[axis] = length
        inside = inside & along.reshape(own)
    return torch.where(inside, second, first)


def superposed(lesson: Lesson, n: int, draws: torch.Generator) -> Tensor:
    """Return of each value of two samples the one that is farther from the middle."""
    first, second = lesson.pairs(n, draws)
    middle = lesson.x.median(dim=0).values if first.ndim == 2 else lesson.x.median()
    farther = (second - middle).abs() > (first - middle).abs()
    return torch.where(farther, second, first)


def blended(lesson: Lesson, n: int, draws: torch.Generator) -> Tensor:
    """Return two samples at once, of which each has 20 to 80 %, here more and there less."""
    first, second = lesson.pairs(n, draws)
    share = torch.rand(n, 1, *_coarse(first.shape[2:]), generator=draws)
    if first.ndim == 2:
        share = torch.rand(first.shape, generator=draws)
    elif first.ndim > 2:
        mode = ("linear", "bilinear", "trilinear")[first.ndim - 3]
        share = F.interpolate(share, first.shape[2:], mode=mode, align_corners=True)
    return torch.lerp(second, first, 0.2 + 0.6 * share)


def _coarse(sides: Sequence[int]) -> tuple[int, ...]:
    return tuple(min(3, side) for side in sides)


def moved(lesson: Lesson, n: int, draws: torch.Generator) -> Tensor:
    """Return samples with noise of two to six deviations."""
    rows = torch.randint(len(lesson.x), (n,), generator=draws)
    reach = 2 + 4 * torch.rand(n, *[1] * (lesson.x.ndim - 1), generator=draws)
    noise = torch.randn(n, *lesson.x.shape[1:], generator=draws)
    return lesson.x[rows] + reach * lesson.scale[1] * noise


NEGATIVES: dict[str, Callable[[Lesson, int, torch.Generator], Tensor]] = {
    "spliced": spliced,
    "superposed": superposed,
    "blended": blended,
    "moved": moved,
}
