"""Few changes: inputs that differ from their start in at most so many features."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_count, check_stack
from xhat.spaces.base import Space, Wrapped
from xhat.spaces.lattice import Lattice
from xhat.spaces.lines import check_axis, lines
from xhat.spaces.nesting import check_made
from xhat.spaces.rounded import StraightThrough

__all__ = ["Sparse"]


class Sparse(Wrapped):
    """The inputs of another space that differ from their start in few features, to the bit.

    The features that move farthest, each measured by its range, are kept, and all others are put
    back to the start (hard thresholding: Blumensath, Davies, "Iterative Hard Thresholding for
    Compressed Sensing", 2009); the gradient passes to all of them, so that another may take over.
    ``solve`` then chooses among the features once more.

    Args:
        space: whose inputs these are; each feature, or each category, by itself.
        start: ``(n, *x_shape)`` or ``(1, *x_shape)``, what changes are counted from.
        most: how many features may change, 1 or more; a category counts as one.
        axis: of a single input: features along it count as one, such as the coordinates of a
            token's embedding; None for each by itself.

    Raises:
        TypeError: not a space, or ``most`` no whole number.
        ValueError: ``most`` is below 1, or the structure of the space is lost.

    Example:
        >>> from xhat.spaces import Box
        >>> space = Sparse(Box(0, 1), torch.zeros(1, 3), most=1)
        >>> space.decode(torch.tensor([[0.2, 0.9, 0.1]]))
        tensor([[0.0000, 0.9000, 0.0000]])
    """

    constraint: ClassVar[str | None] = None
    per_candidate: ClassVar[tuple[str, ...]] = ("start",)

    def __init__(self, space: Space, start: Tensor, most: int, *, axis: int | None = None) -> None:
        super().__init__(space)
        self.start = check_stack("the start of Sparse", start)
        self.most = check_count("the number of features that may change", most)
        self.axis = check_axis(axis, self.start)
        check_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.start.shape[1:])

    @property
    def relaxed(self) -> Space:
        """The relaxed space in it."""
        return self.space.relaxed

    def lattice(self, x: Tensor) -> Lattice:
        """Return that of the space in it, with how many may change."""
        own = self.space.lattice(x)
        own = own or Lattice.continuous(x[0].numel(), self.space.intervals())
        start = self.start.expand(1, *self.shape)[0].flatten().double().cpu()
        return replace(own, start=start, unit=self._units(x).cpu(), most=self.most)

    def misses(self, x: Tensor) -> Tensor:
        """Return the largest change beyond the most that there may be, ``(n,)``."""
        changes = self._per_unit((x - self.start.to(x)).abs())
        return changes.sort(dim=1, descending=True).values[:, self.most :].sum(dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """Decode by the wrapped space, and put back all but the largest changes."""
        x = self.space.decode(z)
        with torch.no_grad():
            moved = self.space.relaxed.decode(z) - self.start
            far = torch.where(x == self.start, 0.0, moved.abs().clamp_min(_LEAST) / self._ranges(x))
            sizes = self._per_unit(far)
            if self.most >= sizes.shape[1]:
                return x
            chosen = torch.zeros_like(sizes).scatter_(1, sizes.topk(self.most).indices, 1.0)
            kept = chosen.gather(1, self._units(x).expand(len(x), -1)).reshape(x.shape) > 0
            value = torch.where(kept, x, self.start.to(x))
        return StraightThrough.apply(x, value)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts differ in few features, and fit the space."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"Sparse counts changes from inputs of shape {self.shape}, but the starts have "
                f"shape {tuple(x.shape[1:])}."
            )
        self.space.check(x)
        changed = int((self._per_unit((x - self.start.to(x)).abs()) > 0).sum(dim=1).max())
        if changed > self.most:
            raise ValueError(
                f"the start may differ in at most {self.most} features from what changes are "
                f"counted from, but does in {changed}."
            )

    def _units(self, x: Tensor) -> Tensor:
        """Return which features count as one, ``(d,)``."""
        if self.axis is not None:
            along = lines(torch.arange(x[0].numel()).reshape(1, *self.shape), self.axis)
            first = along[..., :1].expand(along.shape).flatten()
            units = torch.empty_like(first)
            units[along.flatten()] = first
            return units.unique(return_inverse=True)[1].to(x.device)
        lattice = self.space.lattice(x[:1])
        alone = Lattice.continuous(x[0].numel(), None) if lattice is None else lattice
        return alone.units.to(x.device)

    def _per_unit(self, size: Tensor) -> Tensor:
        units = self._units(size)
        blank = size.new_zeros(len(size), int(units.max()) + 1)
        return blank.scatter_reduce(1, units.expand(len(size), -1), size.flatten(1), "amax")

    def _ranges(self, x: Tensor) -> Tensor:
        ends = self.space.relaxed.intervals()
        if ends is None:
            return torch.ones_like(x[:1])
        width = (ends[1] - ends[0]).to(x)
        return torch.where(width.isfinite() & (width > 0), width, 1.0)


_LEAST = 1e-30
