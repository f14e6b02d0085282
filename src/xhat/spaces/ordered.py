"""Features in order, within bounds."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_flag, check_fraction, check_range
from xhat.spaces.base import Space, beyond, largest

__all__ = ["Ordered"]


class Ordered(Space):
    """Features that do not decrease (or do not increase) along an axis, between two bounds.

    The ``m`` features of a line divide the range into ``m + 1`` gaps, which are the shares
    ``softmax(z)``; so ``z`` has one entry more along the (last) axis than ``x``. The order holds to
    the last bit. A softmax is flat where a gap is 0, so the gaps of a start are mixed with equal
    ones, by ``inset``. By projection instead: ``xhat.constraints.Monotone``.

    Args:
        low: the lower bound, a number.
        high: the upper bound, above it.
        axis: of a single input, along which features are ordered.
        decreasing: whether features must not increase, instead of not decrease.
        inset: the weight of equal gaps in a start, in (0, 1).

    Raises:
        TypeError: a bound is no number, or the axis no whole number.
        ValueError: the bounds leave no room.

    Example:
        >>> Ordered(0.0, 8.0, axis=-1).decode(torch.zeros(1, 4))
        tensor([[2., 4., 6.]])
    """

    constraint: ClassVar[str | None] = "Monotone"

    def __init__(
        self,
        low: float = 0.0,
        high: float = 1.0,
        axis: int = -1,
        *,
        decreasing: bool = False,
        inset: float = 1 / 512,
    ) -> None:
        for name, value in (("low", low), ("high", high)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number, not {type(value).__name__}.")
        if not -float("inf") < low < high < float("inf"):
            raise ValueError(f"low must be below high, both finite, but are {low} and {high}.")
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise TypeError(f"axis must be a whole number, not {type(axis).__name__}.")
        self.low, self.high, self.axis = float(low), float(high), axis
        self.decreasing, self.inset = (
            check_flag("decreasing", decreasing),
            check_fraction("inset", inset),
        )

    def decode(self, z: Tensor) -> Tensor:
        """Return the sums of the gaps, from the lower bound."""
        # in float64 shares do not vanish against the sum; rounding afterwards keeps the order
        ends = torch.softmax(z.double(), dim=-1)[..., :-1].cumsum(dim=-1)
        x = (self.low + (self.high - self.low) * ends).clamp(self.low, self.high).to(z.dtype)
        x = x.flip(-1) if self.decreasing else x
        return x.movedim(-1, self._along())

    def encode(self, x: Tensor) -> Tensor:
        """Return the logarithms of the gaps, less their mean."""
        return self._logarithms(x, 0.0)

    def begin(self, x: Tensor) -> Tensor:
        """Return the same, the gaps mixed with equal ones."""
        return self._logarithms(x, self.inset)

    def project(self, z: Tensor) -> Tensor:
        """Keep ``z`` where no gap underflows."""
        return z.clamp(-_REACH, _REACH)

    def violation(self, x: Tensor) -> Tensor:
        """Return the largest step against the order, or distance beyond the bounds."""
        steps = x.diff(dim=self._along())
        against = steps if self.decreasing else -steps
        outside = beyond(x, self.low, self.high)
        return torch.maximum(outside, largest(against)) if against.numel() else outside

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts are in order and within the bounds."""
        shape = tuple(x.shape[1:])
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(
                f"Ordered needs inputs that have axis {self.axis}, but one has shape {shape}."
            )
        check_range("the start", x, self.low, self.high)
        steps = x.diff(dim=self._along())
        wrong = float((steps if self.decreasing else -steps).amax()) if steps.numel() else 0.0
        if wrong > 1e-5 * (self.high - self.low):
            order = "increase" if self.decreasing else "decrease"
            raise ValueError(
                f"the start must not {order} along axis {self.axis}, but does by {wrong:.3g}; "
                f"project it by xhat.constraints.Monotone(axis).project(x0), or sort it."
            )

    def _along(self) -> int:
        return self.axis if self.axis < 0 else self.axis + 1

    def _logarithms(self, x: Tensor, inset: float) -> Tensor:
        lines = x.movedim(self._along(), -1).double()
        lines = lines.flip(-1) if self.decreasing else lines
        shares = ((lines - self.low) / (self.high - self.low)).clamp(0, 1).cummax(dim=-1).values
        ends = torch.zeros_like(shares[..., :1])
        gaps = torch.cat((ends, shares, ends + 1), dim=-1).diff(dim=-1)
        gaps = (1 - inset) * gaps + inset / gaps.shape[-1]
        logs = gaps.clamp_min(_LEAST).log()
        return self.project(logs - logs.mean(dim=-1, keepdim=True)).to(x.dtype)


_REACH = 20.0
_LEAST = 1e-15
