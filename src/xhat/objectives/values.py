"""Objectives for models whose output is a quantity: match a value, or push a score up."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core import Key, Model, check_numbers, check_positive, check_tensor
from xhat.objectives.base import Measurement, Objective, check_loss

__all__ = ["Interval", "Match", "Maximize"]


class Match(Objective):
    """``mean (f(x) - value)^2`` over the model's outputs: inverse design by regression.

    Of complex outputs, real and imaginary parts are compared, each for itself.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n,)`` or ``(n, *y_shape)``.
        value: a number for all; or ``(n, *y_shape)``, one row per candidate; or
            ``(1, *y_shape)``, one row for all.
        tolerance: the target counts as reached when every output is this near, in its own unit.
        output: which of the model's outputs is meant, by name or number; None finds it.
        given: further inputs of the model by name, a row for each candidate or one for all.

    Raises:
        TypeError: the model is not callable, or the value not floating point.
        ValueError: the value is not finite or does not fit the model's output.

    Example:
        >>> Match(lambda x: x, torch.tensor([[1.0, 2.0]]), tolerance=0.1)(torch.zeros(1, 2))
        tensor([2.5000])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("value",)
    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        model: Callable[..., Any],
        value: Any,
        tolerance: float | None = None,
        *,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = torch.tensor([float(value)])
        value = _wanted(value)
        if value.ndim == 0:
            value = value.reshape(1)
        self.model = Model.of(model, output=output, given=given)
        self.value = value.flatten(1) if value.ndim > 1 else value[:, None]
        self.tolerance = None if tolerance is None else check_positive("tolerance", tolerance)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the squared error and, given a tolerance, whether it is met."""
        error = self._error(self.model(x))
        reached = None
        if self.tolerance is not None:
            reached = (error.detach().abs() <= self.tolerance).all(dim=1)
        return Measurement(error.square().mean(dim=1), reached)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the model's output on one candidate against the wanted value's shape."""
        output = self.of_first().model(x)
        if not isinstance(output, Tensor) or output.ndim < 1 or output.shape[0] != 1:
            came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"the model must return one row per input, but for one gave {came}.")
        if self.value.shape[1] != output.numel() and self.value.numel() != 1:
            raise ValueError(
                f"the wanted value has {self.value.shape[1]} numbers per candidate, but the model "
                f"returns {output.numel()}; for one row for all candidates use shape (1, ...)."
            )
        real = torch.view_as_real(output) if output.is_complex() else output
        check_loss("the model", real.reshape(1, -1).sum(dim=1), 1, x, z)

    def _error(self, output: Tensor) -> Tensor:
        error = _double_or_single(output).reshape(output.shape[0], -1) - self.value
        return torch.view_as_real(error).flatten(1) if error.is_complex() else error


class Interval(Objective):
    """How far outputs lie beyond an interval, squared: ``mean max(0, low - f(x), f(x) - high)^2``.

    If both ends are finite, distances are divided by the width of the interval, so that outputs
    with wide and narrow intervals weigh the same. The target counts as reached when every output
    lies within, to a relative rounding of 1e-7.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n,)`` or ``(n, *y_shape)``.
        low: the lower end: a number for all, ``(n, *y_shape)`` or ``(1, *y_shape)``; ``-inf`` for
            none.
        high: likewise, with ``inf``.
        output: which of the model's outputs is meant, by name or number; None finds it.
        given: further inputs of the model by name, a row for each candidate or one for all.

    Raises:
        TypeError: the model is not callable, or an end is no number.
        ValueError: an end is NaN, ``low`` is not below ``high``, or both are infinite.

    Example:
        >>> Interval(lambda x: x.sum(dim=1), 0.0, 2.0)(torch.tensor([[1.0], [4.0]]))
        tensor([0., 1.])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high")
    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        model: Callable[..., Any],
        low: Any,
        high: Any,
        *,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = Model.of(model, output=output, given=given)
        self.low, self.high = _end("low", low), _end("high", high)
        if self.low.shape[1] != self.high.shape[1] and 1 not in (
            self.low.shape[1],
            self.high.shape[1],
        ):
            raise ValueError(
                f"low has {self.low.shape[1]} numbers and high {self.high.shape[1]}; give one for "
                f"each output, or one for all."
            )
        if self.rows in (len(self.low), len(self.high)) and bool((self.low >= self.high).any()):
            raise ValueError("low must be below high everywhere; swap them where it is not.")
        if bool((self.low.isinf() & self.high.isinf()).all()):
            raise ValueError("an interval needs at least one end that is finite.")

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the squared distance and whether there is none."""
        output = self.model(x)
        output = _double_or_single(output).reshape(output.shape[0], -1)
        low, high = self.low.to(output), self.high.to(output)
        away = torch.maximum(low - output, output - high).clamp_min(0)
        width = high - low
        unit = torch.where(width.isfinite(), width, torch.ones_like(width))
        slack = 1e-7 * (1 + torch.minimum(low.abs(), high.abs()))
        inside = (away.detach() <= slack).all(dim=1) & output.detach().isfinite().all(dim=1)
        return Measurement((away / unit).square().mean(dim=1), inside)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the model's output on one candidate against the ends."""
        output = self.of_first().model(x)
        if not isinstance(output, Tensor) or output.ndim < 1 or output.shape[0] != 1:
            came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"the model must return one row per input, but for one gave {came}.")
        for end in (self.low, self.high):
            if end.shape[1] not in (1, output.numel()):
                raise ValueError(
                    f"the interval has {end.shape[1]} numbers per candidate, but the model returns "
                    f"{output.numel()}; give one for each output, or one for all."
                )
        check_loss("the model", output.reshape(1, -1).sum(dim=1), 1, x, z)


class Maximize(Objective):
    """The negative of a score, which a search then maximises.

    Args:
        score: differentiable, ``x -> (n,)`` or ``(n, 1)``; another objective will do.
        output: which of the score's outputs is meant, by name or number; None finds it.
        given: further inputs of the score by name, a row for each candidate or one for all.

    Example:
        >>> Maximize(lambda x: x.sum(dim=1))(torch.ones(2, 3))
        tensor([-3., -3.])
    """

    models: ClassVar[tuple[str, ...]] = ("score",)

    def __init__(
        self,
        score: Callable[..., Any],
        *,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(score):
            raise TypeError(f"the score must be callable, not {type(score).__name__}.")
        if isinstance(score, Objective):
            self.score = score
        else:
            self.score = Model.of(score, "loss", output=output, given=given)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Return the negative score."""
        if isinstance(self.score, Objective):
            return Measurement(-self.score.measure(x, z).loss)
        score = self.score(x)
        if isinstance(score, Tensor) and score.ndim == 2 and score.shape[1] == 1:
            score = score[:, 0]
        return Measurement(-score)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the score, with all of its targets if it is an objective."""
        if isinstance(self.score, Objective):
            self.score.check(x, z)
        else:
            super().check(x, z)


def _double_or_single(output: Tensor) -> Tensor:
    if output.is_complex() or output.dtype == torch.float64:
        return output
    return output.float()


def _wanted(value: Any) -> Tensor:
    """Return a wanted value as a tensor; of complex ones both parts are looked at."""
    value = torch.tensor([value]) if isinstance(value, complex) else value
    if isinstance(value, Tensor) and value.is_complex():
        check_tensor("the wanted value", torch.view_as_real(value))
        return value.resolve_conj()
    return check_tensor("the wanted value", value)


def _end(name: str, value: Any) -> Tensor:
    """Return an end of an interval, ``(n, d)`` or ``(1, d)``; infinity is none."""
    if isinstance(value, float) and abs(value) == torch.inf:
        return torch.full((1, 1), value)
    if isinstance(value, Tensor):  # which may hold both ends that are there and ends that are not
        check_numbers(name, value.nan_to_num(torch.nan, 0.0, 0.0))
        end = value
    else:
        end = check_numbers(name, value)
    end = end if end.is_floating_point() else end.float()
    return end.reshape(1, 1) if end.ndim == 0 else end.flatten(1) if end.ndim > 1 else end[:, None]
