"""Goals for models of quantities: a value with a tolerance, an interval, an end."""

from typing import Any

import torch
from torch import Tensor

from xhat.objectives.base import Objective
from xhat.objectives.goals.base import Goal, Model, unasked, written
from xhat.objectives.values import Interval, Match

__all__ = ["AtLeast", "AtMost", "Value", "Within"]


class _Values(Goal):
    """What is wanted of every output that counts; ``_asked`` holds the numbers."""

    _asked: Any  # a Match or an Interval

    @property
    def rows(self) -> int:
        """For how many candidates it is made; 1 for any number."""
        return self._asked.rows

    def fits(self, outputs: int) -> bool:
        """Return whether it can be asked of so many outputs in a row."""
        if self._asked.column is not None:
            return self._asked.column < outputs
        return self._asked.outputs in (1, outputs)

    @property
    def _unit(self) -> Tensor:
        """In what misses are counted: where outputs differ, each in units of its own."""
        unit = self._asked.unit
        return unit if self._asked.outputs > 1 and unit.shape[1] > 1 else torch.ones(1, 1)

    def apart(self, error: Tensor) -> Tensor:
        """Return the largest error of an output that counts, as ``inside`` counts it."""
        error = self._asked.read(error.abs()).double()
        counted, unit = self._asked.counted, self._unit.amin(dim=0)
        return (error / unit * counted.counts.any(dim=0)).amax(dim=1)

    def _spread(self, place: Tensor, y: Tensor) -> Tensor:
        """Return outputs ``(n, outputs)`` with what counts in its place."""
        if self._asked.column is None:
            return torch.where(self._asked.counted.counts, place, y)
        return y.index_copy(1, torch.tensor([self._asked.column]), place)

    def misfit(self, n: int) -> str:
        """Return the sentence that says that it is made for another number of candidates."""
        if not self._asked.flat:
            return super().misfit(n)
        return (
            f"the goal {self!r} has {self.rows} values, one for each input, but there are {n}; a "
            f"value per output: a row, of shape (1, {self.rows})."
        )


class Value(_Values):
    """A value, met when every output is within a tolerance of it.

    Where each output has a tolerance of its own, errors count in units of it, in the search and in
    how far a result is off; else in the output's unit.

    Args:
        value: a number, ``(1, *y_shape)`` for all, or ``(n, *y_shape)``; NaN for an output of which
            any value will do. For a model of one output also ``(n,)``. One number is wanted of
            every output, with a warning where these are several in a row.
        tolerance: in the unit of the output, above 0: a number, or one for each output, ``y_shape``
            or ``(n, *y_shape)``.
        weight: numbers of 0 or more in these shapes: how much each output counts in the search.
        mask: booleans in these shapes, true for the outputs that count.
        column: the place of the one output that is meant, from 0; None for all.

    Example:
        >>> found = Value(2.0, 0.1).objective(lambda x: x.sum(dim=1)).measure(*[torch.ones(1, 2)]*2)
        >>> float(found.loss), bool(found.reached)
        (0.0, True)
        >>> y = torch.tensor([[0.31, 5.0, 2e4]])
        >>> Value([[0.3, torch.nan, 1.9e4]], torch.tensor([0.1, 1.0, 2e3])).off(y).round(decimals=3)
        tensor([0.5000], dtype=torch.float64)
    """

    def __init__(
        self,
        value: Any,
        tolerance: Any,
        *,
        weight: Any = None,
        mask: Any = None,
        column: int | None = None,
    ) -> None:
        if tolerance is None:
            raise TypeError("a value is met within a tolerance; give one, such as 0.01.")
        self.value, self._near = value, tolerance
        self._where = {"weight": weight, "mask": mask, "column": column}
        self._asked = Match(unasked, value, tolerance, **self._where)

    def objective(self, model: Model) -> Objective:
        """Return the squared error."""
        return Match(model, self.value, self._near, **self._where)

    def off(self, y: Tensor) -> Tensor:
        """Return the largest difference of an output, in its tolerances where each has its own."""
        y = self._asked.read(y if y.is_complex() else y.double())
        error = self._asked.counted.kept(y - self._asked.value) / self._unit
        return error.abs().amax(dim=1)

    def aim(self, y: Tensor) -> Tensor:
        """Return the value, and what is there where any will do."""
        return self._spread(self._asked.value.to(y).expand_as(self._asked.read(y)), y)

    @property
    def tolerance(self) -> float:
        """The tolerance of the value; 1 where each output has its own."""
        near = self._asked.near
        return 1.0 if near.numel() > 1 else float(near)

    @property
    def _unit(self) -> Tensor:
        return self._asked.unit

    def __repr__(self) -> str:
        return written("Value", self.value, self._near, **self._where)


class Within(_Values):
    """Every output between two ends.

    Args:
        low: a number, or ``(1, *y_shape)`` or ``(n, *y_shape)``; ``-inf`` for no end. For a model
            of one output also ``(n,)``. One number is meant for every output, with a warning where
            these are several in a row.
        high: likewise, above ``low``; ``inf`` for no end.
        weight: numbers of 0 or more, ``y_shape`` or ``(n, *y_shape)``: how much each output counts
            in the search.
        mask: booleans in these shapes, true for the outputs that count.
        column: the place of the one output that is meant, from 0; None for all.

    Example:
        >>> goal = Within(1.0, 2.0)
        >>> goal.objective(lambda x: x.sum(dim=1))(torch.tensor([[1.5], [4.0]]))
        tensor([0., 4.])
    """

    def __init__(
        self,
        low: Any,
        high: Any,
        *,
        weight: Any = None,
        mask: Any = None,
        column: int | None = None,
    ) -> None:
        self.low, self.high = low, high
        self._where = {"weight": weight, "mask": mask, "column": column}
        self._asked = Interval(unasked, low, high, **self._where)

    def objective(self, model: Model) -> Objective:
        """Return the squared distance beyond the ends, in units of the interval's width."""
        return Interval(model, self.low, self.high, **self._where)

    def off(self, y: Tensor) -> Tensor:
        """Return how far the farthest output lies beyond the ends."""
        return (0 - self.inside(y)).clamp_min(0)

    def inside(self, y: Tensor) -> Tensor:
        """Return how far the output that is nearest to an end is from it.

        Of several outputs with intervals of their own, in units of their widths.
        """
        y = self._asked.read(y.double())
        far = torch.minimum(y - self._asked.low, self._asked.high - y) / self._unit
        return self._asked.counted.least(far)

    def aim(self, y: Tensor) -> Tensor:
        """Return what is inside by a tenth of the interval, where that has two ends."""
        seen = self._asked.read(y)
        low, high = self._asked.low.to(y), self._asked.high.to(y)
        margin = torch.where((high - low).isfinite(), 0.1 * (high - low), torch.zeros(()).to(y))
        return self._spread(torch.minimum(torch.maximum(seen, low + margin), high - margin), y)

    def __repr__(self) -> str:
        return written("Within", self.low, self.high, **self._where)


class AtLeast(Within):
    """Every output at or above a value.

    Args:
        value: a number, or ``(1, *y_shape)`` or ``(n, *y_shape)``; ``-inf`` for none.
        weight: as of ``Within``, and likewise ``mask`` and ``column``.
        mask: likewise.
        column: likewise.
    """

    def __init__(
        self, value: Any, *, weight: Any = None, mask: Any = None, column: int | None = None
    ) -> None:
        super().__init__(value, torch.inf, weight=weight, mask=mask, column=column)

    def __repr__(self) -> str:
        return written("AtLeast", self.low, **self._where)


class AtMost(Within):
    """Every output at or below a value.

    Args:
        value: a number, or ``(1, *y_shape)`` or ``(n, *y_shape)``; ``inf`` for none.
        weight: as of ``Within``, and likewise ``mask`` and ``column``.
        mask: likewise.
        column: likewise.
    """

    def __init__(
        self, value: Any, *, weight: Any = None, mask: Any = None, column: int | None = None
    ) -> None:
        super().__init__(-torch.inf, value, weight=weight, mask=mask, column=column)

    def __repr__(self) -> str:
        return written("AtMost", self.high, **self._where)
