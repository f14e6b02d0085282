"""Samples that belong to no class, made from those that do: outliers of any kind of data.

=============  =================================================================================
``mixtures``   two samples of different classes, each at about half
``shuffled``   tiles of an image or field, or stretches of a signal, in another order; for a
               table columns drawn from different rows, which are then independent of each other
``beyond``     a sample moved away from another, past where data are
``noise``      even noise, coarse or fine, within the limits
=============  =================================================================================

What detection is tested on is made otherwise: ``halves`` joins half of one sample to half of
another of a different class, and ``borders`` has most values near the ends of their range.

Source: columns drawn independently of each other as what is not the data: Breiman, "Random
Forests", 2001 (its unsupervised mode); mixtures: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond
Empirical Risk Minimization", ICLR 2018.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.surrogates.training_terms import Limits, within

__all__ = ["KINDS", "Outliers", "shuffle_tiles"]

_STRETCHES = 4  # of a signal, and tiles along a side


@dataclass(frozen=True)
class Outliers:
    """Draws samples of no class.

    Args:
        x: ``(m, *x_shape)`` real samples, the material.
        labels: ``(m,)`` int64, their classes; at least two different ones.
        limits: ``(low, high)`` of the features, finite.

    Example:
        >>> from xhat.core import generator
        >>> table = Outliers(torch.rand(20, 5), torch.arange(20) % 2)
        >>> table.draw(8, generator(0)).shape, table.tested
        (torch.Size([8, 5]), ('halves', 'borders'))
    """

    x: Tensor
    labels: Tensor
    limits: Limits = (0.0, 1.0)
    kinds: ClassVar[tuple[str, ...]] = ("mixtures", "shuffled", "beyond", "noise")
    tested: ClassVar[tuple[str, ...]] = ("halves", "borders")

    def __post_init__(self) -> None:
        if len(self.labels.unique()) < 2:
            raise ValueError("labels must name at least two different classes to mix.")

    def draw(
        self, n: int, generator: torch.Generator, kinds: tuple[str, ...] | None = None
    ) -> Tensor:
        """Return ``n`` samples within the limits, about as many of every kind, in mixed order.

        Args:
            n: how many.
            generator: the source of randomness.
            kinds: names in ``KINDS``; None for those to train on.
        """
        chosen = self.kinds if kinds is None else kinds
        share = -(-n // len(chosen))
        made = torch.cat([KINDS[kind](self, share, generator) for kind in chosen])
        return within(made[torch.randperm(len(made), generator=generator)[:n]], self.limits)

    def two(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return two lists of ``n`` samples, of which the two of a pair are of different classes.

        ``3 n`` pairs are drawn, and those of one class come last.
        """
        a, b = torch.randint(len(self.x), (2, 3 * n), generator=generator)
        order = (self.labels[a] == self.labels[b]).int().argsort(stable=True)[:n]
        return self.x[a[order]], self.x[b[order]]

    def uniform(self, n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
        """Return a number for each of ``n`` samples, in a shape that broadcasts over them."""
        drawn = torch.rand(n, *[1] * (self.x.ndim - 1), generator=generator)
        return drawn * (high - low) + low

    def spread(self, unit: Tensor) -> Tensor:
        """Return values in [0, 1] as values between the limits."""
        low, high = self.limits
        return low + unit * (high - low)


def mixtures(source: Outliers, n: int, generator: torch.Generator) -> Tensor:
    """Two samples of different classes, at 35 to 65 % each."""
    return torch.lerp(*source.two(n, generator), source.uniform(n, 0.35, 0.65, generator))


def shuffled(source: Outliers, n: int, generator: torch.Generator) -> Tensor:
    """Parts in another order; of a table, columns of different rows."""
    rows = torch.randint(len(source.x), (n,), generator=generator)
    if source.x.ndim == 2:
        columns = source.x.shape[1]
        drawn = torch.randint(len(source.x), (n, columns), generator=generator)
        return source.x[drawn, torch.arange(columns)]
    x = source.x[rows]
    whole = x if x.ndim == 4 else x[:, :, None]
    return shuffle_tiles(whole, _STRETCHES, generator).reshape(x.shape)


def beyond(source: Outliers, n: int, generator: torch.Generator) -> Tensor:
    """A sample moved away from another, by 0.7 to 2 times what lies between them."""
    first, second = source.two(n, generator)
    return first + source.uniform(n, 0.7, 2.0, generator) * (first - second)


def noise(source: Outliers, n: int, generator: torch.Generator) -> Tensor:
    """Even noise within the limits, for data along axes half of it smooth."""
    shape = source.x.shape[1:]
    fine = torch.rand(n, *shape, generator=generator)
    if len(shape) > 1:
        mode = "linear" if len(shape) == 2 else "bilinear"
        coarse = torch.rand(n, shape[0], *[5] * (len(shape) - 1), generator=generator)
        smooth = F.interpolate(coarse, shape[1:], mode=mode, align_corners=True)
        fine = torch.cat((fine[: n // 2], smooth[n // 2 :]))
    return source.spread(fine)


def halves(source: Outliers, n: int, generator: torch.Generator) -> Tensor:
    """The first half of one sample, and the second half of another of a different class."""
    first, second = source.two(n, generator)
    if source.x.ndim == 2:  # columns have no order
        mine = torch.rand(first.shape, generator=generator) < 0.5
        return torch.where(mine, first, second)
    axis = -2 if source.x.ndim == 4 else -1
    middle = source.x.shape[axis] // 2
    end = source.x.shape[axis] - middle
    return torch.cat((first.narrow(axis, 0, middle), second.narrow(axis, middle, end)), axis)


def borders(source: Outliers, n: int, generator: torch.Generator) -> Tensor:
    """Values near the two ends of their range, each drawn alone."""
    drawn = torch.rand(n, *source.x.shape[1:], generator=generator)
    return source.spread(0.5 + 0.5 * (2 * drawn - 1).sign() * (2 * drawn - 1).abs() ** 0.25)


KINDS: dict[str, Callable[[Outliers, int, torch.Generator], Tensor]] = {
    "mixtures": mixtures,
    "shuffled": shuffled,
    "beyond": beyond,
    "noise": noise,
    "halves": halves,
    "borders": borders,
}


def shuffle_tiles(x: Tensor, tiles: int, generator: torch.Generator) -> Tensor:
    """Return ``(n, channels, h, w)`` with tiles in another order, none of them in its place.

    There are ``tiles`` along each side, or along the only side that is longer than 1. What is left
    where a side is no multiple stays as it is.
    """
    n, channels = x.shape[:2]
    down, across = (tiles if side >= 2 * tiles else 1 for side in x.shape[2:])
    h, w = x.shape[2] // down, x.shape[3] // across
    whole = x[:, :, : down * h, : across * w]
    cut = whole.reshape(n, channels, down, h, across, w).permute(0, 2, 4, 1, 3, 5)
    flat = cut.reshape(n, down * across, channels, h, w)
    order = torch.rand(n, down * across, generator=generator).argsort(1)
    # following a random cycle by one step moves every tile
    moved = torch.empty_like(flat)
    rows = torch.arange(n)[:, None]
    moved[rows, order] = flat[rows, order.roll(1, 1)]
    out = x.clone()
    out[:, :, : down * h, : across * w] = (
        moved.reshape(cut.shape).permute(0, 3, 1, 4, 2, 5).reshape(whole.shape)
    )
    return out
