"""Where searches for an image with two readings begin: two real images that cover each other."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import check_count, check_range, check_tensor

__all__ = ["Overlaps", "half_turned"]

_MOST = 20_000  # pairs of real images that are looked at, the best first


def half_turned(x: Tensor) -> Tensor:
    """Return images ``(n, channels, h, w)`` turned by 180 degrees: pixels move, none is blurred.

    Example:
        >>> half_turned(torch.arange(4.0).reshape(1, 1, 2, 2))[0, 0].tolist()
        [[3.0, 2.0], [1.0, 0.0]]
    """
    return x.flip(-2, -1)


@dataclass(frozen=True)
class Overlaps:
    """Pairs of real images, one of each class, of which one turned covers the other best.

    Covering is the cosine between the images at half the size, slightly blurred. Thick strokes
    cover anything, and leave no room for two readings; so of every class the boldest are left out.

    Attributes:
        x: ``(m, 1, size, size)`` real images in [0, 1]; the size is even.
        labels: ``(m,)`` their classes.
        bold: the share of every class with the most ink that is left out, from 0 to below 1.

    Raises:
        TypeError: images that are not floating point.
        ValueError: images outside [0, 1], or not one label each.
    """

    x: Tensor
    labels: Tensor
    bold: float = 0.4

    def __post_init__(self) -> None:
        check_range("the images", check_tensor("the images", self.x), 0.0, 1.0)
        if self.labels.shape != (len(self.x),):
            raise ValueError(
                f"labels must be one for each of {len(self.x)} images, but have shape "
                f"{tuple(self.labels.shape)}."
            )
        if not 0 <= self.bold < 1:
            raise ValueError(f"bold must lie from 0 to below 1, but is {self.bold}.")

    def pairs(self, upright: int, turned: int, count: int) -> Tensor:
        """Return the mean images of the ``count`` best pairs, ``(count, 1, size, size)``.

        No real image is used twice, as far as there are enough.

        Raises:
            ValueError: there is no image of a class.
        """
        check_count("count", count)
        first, second = self._of(upright), half_turned(self._of(turned))
        cover = _seen(first) @ _seen(second).T
        best = cover.flatten().topk(min(cover.numel(), _MOST)).indices.tolist()
        used: tuple[set[int], set[int]] = (set(), set())
        chosen, rest = [], []
        for i, j in (divmod(place, len(second)) for place in best):
            fresh = i not in used[0] and j not in used[1]
            (chosen if fresh else rest).append((i, j))
            if fresh:
                used[0].add(i)
                used[1].add(j)
            if len(chosen) == count:
                break
        chosen = (chosen + rest)[:count]
        rows = torch.tensor([chosen[k % len(chosen)] for k in range(count)])
        return (first[rows[:, 0]] + second[rows[:, 1]]) / 2

    def _of(self, label: int) -> Tensor:
        found = self.x[self.labels == label]
        if not len(found):
            raise ValueError(f"there is no image of class {label} among the real ones.")
        ink = found.flatten(1).sum(dim=1)
        return found[ink <= ink.quantile(1 - self.bold)]


def _seen(x: Tensor) -> Tensor:
    blurred = F.avg_pool2d(F.avg_pool2d(x, 3, 1, 1), 2).flatten(1)
    return F.normalize(blurred, dim=1)
