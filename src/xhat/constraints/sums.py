"""A given sum: of features within bounds, or of features that are not negative."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.constraints.base import Linear, Projected
from xhat.core import check_numbers, check_rows, check_stack, increasing_root, per_row

__all__ = ["Simplex", "SumWithin"]


class SumWithin(Projected):
    """``low <= x <= high`` and ``sum(weights * x) = total``: a given ink, mass or volume.

    The nearest point is ``clip(x - shift * weights)``, with the shift at which the sum is right:
    the root of a piecewise linear function, found by Newton's method within a bracket; to rounding.
    The gradient of the projection is exact (the last of these steps is differentiable).

    Source: Wang, Lu, "Projection onto the Capped Simplex" (2015).

    Args:
        low: a number, or ``(1, *x_shape)`` or ``(n, *x_shape)``.
        high: likewise; infinity for no upper bound.
        total: a number, or ``(n,)`` numbers.
        weights: above 0, ``(1, *x_shape)``; None for 1.

    Raises:
        ValueError: no ``x`` within the bounds has that sum, or a weight is not above 0.

    Example:
        >>> SumWithin(0.0, 1.0, 1.5).project(torch.tensor([[0.2, 0.8, 3.0]]))
        tensor([[0.0000, 0.5000, 1.0000]])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high", "total", "weights")

    def __init__(
        self,
        low: Tensor | float,
        high: Tensor | float,
        total: Tensor | float,
        weights: Tensor | None = None,
    ) -> None:
        self.low, self.high = _ends(low, high)
        total = check_numbers("the total", total)
        if total.ndim > 1:
            raise ValueError(f"the total must be a number or (n,), not {tuple(total.shape)}.")
        self.total = total.double().reshape(-1)
        self.weights = torch.ones(1) if weights is None else check_stack("the weights", weights)
        if bool((self.weights <= 0).any()):
            raise ValueError("the weights of a sum must be above 0.")
        for name in ("low", "high", "weights"):
            rows = getattr(self, name).shape[0]
            if rows != 1:
                check_rows("the total", self.total, rows)
        if max(end.ndim for end in (self.low, self.high, self.weights)) > 1:
            self.check(torch.zeros((1, *self._shape())))

    def values(self, x: Tensor) -> Tensor:
        """Return by how much the sum is too large, and too small, and each feature out of bounds.

        ``(n, d + 2)``, in the unit of ``x``.
        """
        weights = self._weights(x).flatten(1)
        length = torch.linalg.vector_norm(weights, dim=1)
        away = ((weights * x.flatten(1)).sum(dim=1) - self.total.double()) / length
        off = torch.stack((away, -away), dim=1).to(x.dtype)
        beyond = torch.maximum(self.low.to(x) - x, x - self.high.to(x)).flatten(1)
        return torch.cat((off, beyond), dim=1)

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest point."""
        wide, weights = x.double(), self._weights(x)
        low, high = self.low.double(), self.high.double()

        def moved(shift: Tensor) -> Tensor:
            return torch.clamp(wide + per_row(shift, wide) * weights, low, high)

        def excess(shift: Tensor) -> tuple[Tensor, Tensor]:
            at = wide + per_row(shift, wide) * weights
            free = ((at > low) & (at < high)) * weights.square()
            over = (weights * torch.clamp(at, low, high)).flatten(1).sum(1) - self.total.double()
            return over, free.flatten(1).sum(1)

        with torch.no_grad():
            least, most = self._bracket(wide, weights)
            shift = increasing_root(excess, least, most)
            _, slope = excess(shift)
        over, _ = excess(shift)
        last = torch.where(slope > 0, over / slope.clamp_min(1e-30), torch.zeros_like(over))
        return moved(shift - last).to(x.dtype)

    def linear(self, x: Tensor) -> Linear:
        """Return the bounds and the one equation."""
        low, high = (end.double().expand_as(x).reshape(-1) for end in (self.low, self.high))
        return Linear(low, high, equal=(self._weights(x).reshape(1, -1), self.total))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless inputs like ``x`` can have that sum within the bounds."""
        for own in (self.low, self.high, self.weights):
            if own.ndim > 1 and own.shape[1:] != x.shape[1:]:
                raise ValueError(
                    f"{self.name} is made for inputs of shape {tuple(own.shape[1:])}, but the "
                    f"starts have shape {tuple(x.shape[1:])}."
                )
        weights = self._weights(x)
        ends = [(weights * end.double()).flatten(1).sum(dim=1) for end in (self.low, self.high)]
        least, most = ends
        slack = 1e-6 * self.total.abs().clamp_min(1e-6)
        wrong = (self.total < least - slack) | (self.total > most + slack)
        if bool(wrong.any()):
            raise ValueError(
                f"the sum of features within these bounds lies between {float(least.max()):g} and "
                f"{float(most.min()):g}, but the total is {_first(self.total, wrong):g}."
            )

    def _bracket(self, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return shifts between which the sum is right."""
        low, high, total = self.low.double(), self.high.double(), self.total.double()
        return -_enough(-x, weights, -low, -total), _enough(x, weights, high, total)

    def _weights(self, x: Tensor) -> Tensor:
        weights = self.weights.double()
        like = x[:1] if weights.shape[0] == 1 else x
        return weights.expand_as(like)

    def _shape(self) -> tuple[int, ...]:
        parts = (self.low, self.high, self.weights)
        return next(tuple(part.shape[1:]) for part in parts if part.ndim > 1)


class Simplex(SumWithin):
    """``x >= 0`` and ``sum(x) = total``: shares, mixtures, probabilities.

    Args:
        total: a number, or ``(n,)`` numbers, above 0.

    Raises:
        ValueError: a total is not above 0.

    Example:
        >>> Simplex().project(torch.tensor([[0.5, 0.5, 1.5]]))
        tensor([[0., 0., 1.]])
    """

    def __init__(self, total: Tensor | float = 1.0) -> None:
        super().__init__(0.0, torch.inf, total)
        if bool((self.total <= 0).any()):
            raise ValueError(
                f"the total of a simplex must be above 0, but is {float(self.total.min()):g}."
            )


def _enough(x: Tensor, weights: Tensor, high: Tensor, total: Tensor) -> Tensor:
    """Return a shift at which features, clipped at ``high``, sum up to the total or more."""
    bounded = high.expand_as(x).isfinite()
    top = torch.where(bounded, high, x)
    furthest = ((top - x) / weights).flatten(1).amax(dim=1)
    open_ended = (weights.square() * ~bounded).flatten(1).sum(dim=1)
    missing = total - (weights * top).flatten(1).sum(dim=1)
    more = torch.where(open_ended > 0, missing / open_ended.clamp_min(1e-30), 0.0)
    return torch.maximum(furthest, more) + 1.0


def _ends(low: Any, high: Any) -> tuple[Tensor, Tensor]:
    found = []
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, Tensor | int | float):
            raise TypeError(f"{name} must be a number or a tensor, not {type(value).__name__}.")
        end = torch.as_tensor(value, dtype=None if isinstance(value, Tensor) else torch.float64)
        if bool(end.isnan().any()):
            raise ValueError(f"{name} must not be NaN.")
        found.append(end.reshape(1) if end.ndim == 0 else end)
    if bool((found[0] >= found[1]).any()):
        raise ValueError("low must be below high for every feature.")
    return found[0], found[1]


def _first(total: Tensor, wrong: Tensor) -> float:
    return float(total.expand_as(wrong)[wrong][0])
