"""Objectives for models whose output is a quantity, or several in units of their own."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core import InputWarning, Key, Model, check_numbers, check_positive, check_tensor
from xhat.objectives.base import Measurement, Objective, check_loss
from xhat.objectives.counted import Counted, rows_of
from xhat.objectives.outputs import check_column, read

__all__ = ["Interval", "Match"]


class _Values(Objective):
    """A model whose outputs are compared with numbers, one by one."""

    models: ClassVar[tuple[str, ...]] = ("model",)
    called: ClassVar[str]  # the numbers, by messages

    def __init__(
        self,
        model: Callable[..., Any],
        column: int | None,
        output: Key | None,
        given: Mapping[str, Any] | None,
    ) -> None:
        self.model = Model.of(model, output=output, given=given)
        self.column = check_column(column)
        self.counted, self.flat = Counted(), False

    @property
    def outputs(self) -> int:
        """How many outputs have numbers of their own; 1 where all have the same."""
        own = (getattr(self, name).shape[1] for name in self.per_candidate)
        return max(self.counted.weight.shape[1], *own)

    def read(self, y: Tensor) -> Tensor:
        """Return outputs ``(n, *y_shape)`` as ``(n, outputs)``, or the one that counts."""
        return read(y, self.column)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the model's output on one candidate against the numbers."""
        output = self.of_first().model(x)
        if not isinstance(output, Tensor) or output.ndim < 1 or output.shape[0] != 1:
            came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"the model must return one row per input, but for one gave {came}.")
        found = self.read(output).shape[1]
        if self.flat and found > 1:
            raise ValueError(
                f"{self.called} has one number for each candidate, but the model returns {found} "
                f"outputs; a value per output: a row, shape (1, {found}), for all candidates, or "
                f"one for each, (n, {found})."
            )
        if self.outputs not in (1, found):
            raise ValueError(
                f"{self.called} has {self.outputs} numbers per candidate, but the model returns "
                f"{found}; for one row for all candidates use shape (1, ...)."
            )
        if self.outputs == 1 and found > 1 and output.ndim == 2:
            warnings.warn(
                f"{self.called} is one number, and wanted of each of the model's {found} outputs; "
                f"for one of them say column=0 … {found - 1}, for others a row with NaN (or "
                f"infinite ends) for any; a row of {found} equal numbers says that all are meant.",
                InputWarning,
                stacklevel=2,
            )
        real = torch.view_as_real(output) if output.is_complex() else output
        check_loss("the model", real.reshape(1, -1).sum(dim=1), 1, x, z)

    def _asked(self, x: Tensor) -> Tensor:
        output = self.model(x)
        exact = output.is_complex() or output.dtype == torch.float64
        return self.read(output if exact else output.float())


class Match(_Values):
    """``mean (f(x) - value)^2`` over the model's outputs: inverse design by regression.

    Where each output has a tolerance of its own, each error counts in units of it, so that outputs
    in metres and in millimetres weigh the same; else errors count in the output's unit. Of complex
    outputs, real and imaginary parts are compared, each for itself.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n,)`` or ``(n, *y_shape)``.
        value: a number; or ``(n, *y_shape)``, one row per candidate; or ``(1, *y_shape)``, one row
            for all; NaN for an output of which any value will do. For a model of one output also
            ``(n,)``. One number is wanted of every output, with a warning where these are several
            in a row.
        tolerance: the target counts as reached when every output is this near, in its own unit: a
            number, or one for each output, ``y_shape`` or ``(n, *y_shape)``; None for no target.
        weight: numbers of 0 or more in these shapes: how much each output counts in the loss.
        mask: booleans in these shapes, true for the outputs that count.
        column: the place of the one number that is meant, from 0, of several; None for all.
        output: which output is meant of a model that returns several tensors, by name or number;
            None finds it.
        given: further inputs of the model by name, a row for each candidate or one for all.

    Raises:
        TypeError: the model is not callable, or the value not floating point.
        ValueError: the value is not finite or does not fit the model's output.

    Example:
        >>> Match(lambda x: x, torch.tensor([[1.0, 2.0]]), tolerance=0.1)(torch.zeros(1, 2))
        tensor([2.5000])
        >>> wanted, near = torch.tensor([[1.0, torch.nan, 5e4]]), torch.tensor([0.1, 1.0, 1e3])
        >>> apart = Match(lambda x: x, wanted, near)
        >>> found = apart.measure(torch.tensor([[1.1, 7.0, 4.8e4]]), torch.zeros(1))
        >>> found.loss.round(decimals=1), found.reached  # the mean of 1² and 2²
        (tensor([2.5000]), tensor([False]))
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("value", "unit", "near")
    called: ClassVar[str] = "the wanted value"

    def __init__(
        self,
        model: Callable[..., Any],
        value: Any,
        tolerance: Any = None,
        *,
        weight: Any = None,
        mask: Any = None,
        column: int | None = None,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model, column, output, given)
        value, self.flat = _value(value)
        shape = tuple(value.shape[1:]) if value[0].numel() > 1 else None
        self.counted = Counted(weight, mask, shape)
        if bool(value.isnan().any()):
            self.counted = self.counted.only(~value.isnan())
        self.value = (value if value.is_complex() else value.nan_to_num(0.0)).flatten(1)
        self.targeted = tolerance is not None
        self.near = self.unit = torch.ones(1, 1)
        if tolerance is not None:
            self.near = _tolerance(tolerance, shape)
            self.unit = self.near if self.near.numel() > 1 else self.unit
        if self.flat and max(self.near.shape[1], self.counted.weight.shape[1]) > 1:
            raise ValueError(
                f"the wanted value has shape ({len(value)},), one number for each candidate, but "
                f"tolerance, weight or mask have one for each output; a value per output: shape "
                f"(1, {len(value)})."
            )

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the squared error and, given a tolerance, whether it is met."""
        error = self.counted.kept(self._asked(x) - self.value)
        parts = torch.view_as_real(error) if error.is_complex() else error[..., None]
        reached = None
        if self.targeted:
            off = parts.detach().abs().amax(dim=2)
            reached = self.counted.all(off <= self.near.to(off))
        square = (parts / self.unit.to(parts)[..., None]).square().mean(dim=2)
        return Measurement(self.counted.mean(square), reached)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the model's output on one candidate against the wanted value's shape."""
        super().check(x, z)
        flags = self.counted.counts & (self.value != 0) & (self.value != 1)
        if self.targeted and bool((self.near == 0.5).all()) and not bool(flags.any()):
            y = self.read(self.of_first().model(x)).detach()
            if not y.is_complex() and bool(((y >= 0) & (y <= 1)).all()):
                warnings.warn(
                    "within 0.5 of 0 or 1 is a probability of barely 0.5; for labels use "
                    "BinaryCrossEntropy (the goal Labels) on the logits, with a confidence, such "
                    "as TargetReached(0.9), or give a smaller tolerance.",
                    InputWarning,
                    stacklevel=2,
                )


class Interval(_Values):
    """How far outputs lie beyond an interval, squared: ``mean max(0, low - f(x), f(x) - high)^2``.

    If both ends are finite, distances are divided by the width of the interval, so that outputs
    with wide and narrow intervals weigh the same. The target counts as reached when every output
    lies within, to a relative rounding of 1e-7.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n,)`` or ``(n, *y_shape)``.
        low: the lower end: a number, ``(n, *y_shape)`` or ``(1, *y_shape)``; ``-inf`` for none. For
            a model of one output also ``(n,)``.
        high: likewise, with ``inf``. An output without ends may be anything.
        weight: numbers of 0 or more, ``y_shape`` or ``(n, *y_shape)``: how much each output counts
            in the loss.
        mask: booleans in these shapes, true for the outputs that count.
        column: the place of the one number that is meant, from 0, of several; None for all.
        output: which output is meant of a model that returns several tensors, by name or number;
            None finds it.
        given: further inputs of the model by name, a row for each candidate or one for all.

    Raises:
        TypeError: the model is not callable, or an end is no number.
        ValueError: an end is NaN, ``low`` is not below ``high``, or both are infinite.

    Example:
        >>> Interval(lambda x: x.sum(dim=1), 0.0, 2.0)(torch.tensor([[1.0], [4.0]]))
        tensor([0., 1.])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high")
    called: ClassVar[str] = "the interval"

    def __init__(
        self,
        model: Callable[..., Any],
        low: Any,
        high: Any,
        *,
        weight: Any = None,
        mask: Any = None,
        column: int | None = None,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model, column, output, given)
        (low, flat_low), (high, flat_high) = _end("low", low), _end("high", high)
        shapes = [tuple(end.shape[1:]) for end in (low, high) if end[0].numel() > 1]
        self.low, self.high = low.flatten(1), high.flatten(1)
        self.flat = (flat_low or flat_high) and not shapes
        if self.low.shape[1] != self.high.shape[1] and len(shapes) == 2:
            raise ValueError(
                f"low has {self.low.shape[1]} numbers and high {self.high.shape[1]}; give one for "
                f"each output, or one for all."
            )
        if self.rows in (len(self.low), len(self.high)) and bool((self.low >= self.high).any()):
            raise ValueError("low must be below high everywhere; swap them where it is not.")
        ended = self.low.isfinite() | self.high.isfinite()
        if not bool(ended.any()):
            raise ValueError("an interval needs at least one end that is finite.")
        self.counted = Counted(weight, mask, shapes[0] if shapes else None)
        if not bool(ended.all()):
            self.counted = self.counted.only(ended)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the squared distance and whether there is none."""
        output = self._asked(x)
        low, high = self.low.to(output), self.high.to(output)
        away = self.counted.kept(torch.maximum(low - output, output - high).clamp_min(0))
        slack = 1e-7 * (1 + torch.minimum(low.abs(), high.abs()))
        inside = (away.detach() <= slack) & output.detach().isfinite()
        return Measurement(
            self.counted.mean((away / self.unit.to(output)).square()), self.counted.all(inside)
        )

    @property
    def unit(self) -> Tensor:
        """The width of each interval, 1 where an end is infinite, ``(n, outputs)``."""
        width = self.high - self.low
        return torch.where(width.isfinite(), width, torch.ones_like(width))


def _value(value: Any) -> tuple[Tensor, bool]:
    """Return ``(n, *y_shape)`` or ``(1, *y_shape)``, and whether it came as ``(n,)``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = torch.tensor([[float(value)]])
    if not isinstance(value, Tensor):
        try:
            value = torch.as_tensor([value] if isinstance(value, complex) else value)
        except (TypeError, ValueError, RuntimeError) as error:
            kind = type(value).__name__
            raise TypeError(
                f"the wanted value must be a tensor or array of numbers, not {kind}."
            ) from error
    if value.is_complex():
        known = torch.view_as_real(value.resolve_conj())
    else:
        known = value.nan_to_num(0.0, torch.inf, -torch.inf) if value.is_floating_point() else value
    check_tensor("the wanted value", known)
    flat = value.ndim == 1 and len(value) > 1
    value = value.reshape(-1, 1) if value.ndim < 2 else value
    nothing = value.isnan().flatten(1).all(dim=1).nonzero()[:, 0]
    if len(nothing):
        raise ValueError(
            f"the wanted value must be finite for an output or more of each candidate (NaN is for "
            f"any), but row {int(nothing[0])} is NaN throughout."
        )
    return value, flat


def _tolerance(tolerance: Any, shape: tuple[int, ...] | None) -> Tensor:
    if isinstance(tolerance, int | float):
        return torch.full((1, 1), float(check_positive("tolerance", tolerance)))
    near = check_numbers("tolerance", tolerance)
    if not bool((near > 0).all()):
        raise ValueError(f"tolerance must be above 0, but is {float(near.min()):g} somewhere.")
    near = near if near.is_floating_point() else near.float()
    return near.reshape(1, 1) if near.numel() == 1 else rows_of("tolerance", near, shape).flatten(1)


def _end(name: str, value: Any) -> tuple[Tensor, bool]:
    """Return an end of an interval, ``(n, ...)`` or ``(1, ...)``, and whether it came as ``(n,)``.

    Infinity is no end.
    """
    if isinstance(value, float) and abs(value) == torch.inf:
        return torch.full((1, 1), value), False
    if isinstance(value, list | tuple):  # infinity is no number of a user's that went wrong
        try:
            value = torch.as_tensor(value, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name} must be numbers, but is {value!r}.") from error
    if isinstance(value, Tensor):  # which may hold both ends that are there and ends that are not
        check_numbers(name, value.nan_to_num(torch.nan, 0.0, 0.0))
        end = value
    else:
        end = check_numbers(name, value)
    end = end if end.is_floating_point() else end.float()
    return (end.reshape(-1, 1), end.numel() > 1) if end.ndim < 2 else (end, False)
