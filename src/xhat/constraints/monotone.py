"""Features in order: increasing or decreasing along an axis."""

import torch
from torch import Tensor

from xhat.constraints.base import Linear, Projected
from xhat.core import check_flag

__all__ = ["Monotone"]


class Monotone(Projected):
    """Features do not decrease (or do not increase) along an axis.

    The projection is isotonic regression by pooling adjacent violators (Ayer, Brunk, Ewing, Reid,
    Silverman, "An Empirical Distribution Function for Sampling with Incomplete Information", 1955;
    Best, Chakravarti, "Active Set Algorithms for Isotonic Regression", 1990). All neighbouring
    blocks that violate the order are pooled at once, in all candidates; this is right because two
    such blocks always belong to one block of the solution. The gradient is exact wherever there is
    one.

    Args:
        axis: of a single input; None for the flattened input.
        decreasing: whether features must not increase, instead of not decrease.

    Raises:
        TypeError: the axis is no whole number.

    Example:
        >>> Monotone().project(torch.tensor([[1.0, 3.0, 2.0, 4.0]]))
        tensor([[1.0000, 2.5000, 2.5000, 4.0000]])
    """

    def __init__(self, axis: int | None = None, *, decreasing: bool = False) -> None:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise TypeError(f"axis must be a whole number or None, not {type(axis).__name__}.")
        self.axis, self.decreasing = axis, check_flag("decreasing", decreasing)

    def values(self, x: Tensor) -> Tensor:
        """Return by how much every feature lies on the wrong side of its neighbour, ``(n, k)``."""
        steps = self._lines(x).diff(dim=-1)
        return (steps if self.decreasing else -steps).flatten(1)

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest features in order."""
        lines = self._lines(x)
        rows = lines.reshape(-1, lines.shape[-1]).double()
        fitted = -_increasing(-rows) if self.decreasing else _increasing(rows)
        fitted = fitted.to(x.dtype).reshape(lines.shape)
        return fitted.reshape(x.shape) if self.axis is None else fitted.movedim(-1, self._along())

    def linear(self, x: Tensor) -> Linear:
        """Return one row for each pair of neighbours."""
        units = torch.eye(x.numel(), dtype=torch.float64).reshape(-1, *x.shape[1:])
        rows = self.values(units).T
        return Linear(upper=(rows, torch.zeros(len(rows), dtype=torch.float64)))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless inputs of this shape have the axis, with two features."""
        shape = tuple(x.shape[1:])
        there = self.axis is None or -len(shape) <= self.axis < len(shape)
        if not there or self._lines(x).shape[-1] < 2:
            raise ValueError(
                f"{self.name} needs inputs with 2 or more features along "
                f"{'the input' if self.axis is None else f'axis {self.axis}'}, but one has shape "
                f"{shape}."
            )

    def _along(self) -> int:
        axis = self.axis or 0
        return axis if axis < 0 else axis + 1

    def _lines(self, x: Tensor) -> Tensor:
        return x.flatten(1) if self.axis is None else x.movedim(self._along(), -1)


def _increasing(rows: Tensor) -> Tensor:
    """Return the isotonic regression of every row, ``(m, d)``."""
    opens = torch.ones_like(rows, dtype=torch.bool)  # where a block begins
    while True:
        blocks = opens.cumsum(dim=1) - 1
        sums = torch.zeros_like(rows).scatter_add(1, blocks, rows)
        sizes = torch.zeros_like(rows).scatter_add(1, blocks, torch.ones_like(rows))
        fitted = (sums / sizes.clamp_min(1)).gather(1, blocks)
        wrong = fitted[:, 1:] < fitted[:, :-1]  # within a block they are equal
        if not bool(wrong.any()):
            return fitted
        opens = torch.cat((opens[:, :1], opens[:, 1:] & ~wrong), dim=1)
