"""Boxes: every feature between a lower and an upper bound, by projection or by a sigmoid."""

import copy
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_fraction, check_range, check_tensor
from xhat.spaces.base import Space, beyond

__all__ = ["Box", "Logit"]


class Bounded(Space):
    """What all spaces have that hold every feature between bounds."""

    carries: ClassVar[bool] = True
    constraint: ClassVar[str | None] = "Bounds"
    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high")
    finite: ClassVar[bool] = True

    def __init__(self, low: Tensor | float = 0.0, high: Tensor | float = 1.0) -> None:
        self.low, self.high = (
            _bound(name, value, finite=self.finite)
            for name, value in (("low", low), ("high", high))
        )
        if self.low.ndim > 1 and self.high.ndim > 1 and self.low.shape != self.high.shape:
            raise ValueError(
                f"low and high must have one shape, but have {tuple(self.low.shape[1:])} and "
                f"{tuple(self.high.shape[1:])}."
            )
        if bool((self.low >= self.high).any()):
            raise ValueError("low must be below high for every feature; freeze features by Masked.")

    @property
    def span(self) -> Tensor | None:
        """The range of each feature."""
        return _unless_one(self.high - self.low)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of one input, where a bound has one."""
        return next((tuple(end.shape[1:]) for end in (self.low, self.high) if end.ndim > 1), None)

    def violation(self, x: Tensor) -> Tensor:
        """Return how far the farthest feature lies beyond its bounds."""
        return beyond(x, self.low, self.high)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` has the bounds' shape and lies within them."""
        for bound in (self.low, self.high):
            if bound.ndim > 1 and bound.shape[1:] != x.shape[1:]:
                raise ValueError(
                    f"the bounds are for inputs of shape {tuple(bound.shape[1:])}, but the "
                    f"starts have shape {tuple(x.shape[1:])}."
                )
        check_range("the start", x, self.low, self.high)


class Box(Bounded):
    """All inputs with ``low <= x <= high``; ``z`` is ``x`` itself, kept inside by clipping.

    A stepper whose step is left open, such as that of ``solve`` where none is given, steps in
    shares of each feature's range, so that an income between 0 and 200,000, an age between 18 and
    99 and a share between 0 and 1 are searched alike. A step that is given, as in ``Adam(0.05)``,
    is in the unit of ``x``, or in ``unit``.

    Args:
        low: a number, or one number per feature in the shape of one input; ``-inf`` is no bound.
        high: likewise, with ``inf``.
        unit: what steppers, restarts and distances count as 1, above 0: a number, or one for each
            feature. None is 1 for steps that are given; for everything else, the range where both
            ends are finite, and 1 elsewhere.

    Raises:
        TypeError: a bound or a unit is no number.
        ValueError: the bounds are empty, NaN, or of different shapes; or a unit is not above 0.

    Example:
        >>> Box(0, 1).project(torch.tensor([[-1.0, 0.5, 2.0]]))
        tensor([[0.0000, 0.5000, 1.0000]])
        >>> float(Box(0, 255).span), float(Box(0, 255, unit=2.0).span)
        (255.0, 2.0)
    """

    finite: ClassVar[bool] = False
    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high", "lengths")

    def __init__(
        self,
        low: Tensor | float = 0.0,
        high: Tensor | float = 1.0,
        unit: Tensor | float | None = None,
    ) -> None:
        super().__init__(low, high)
        wide = self.high.double() - self.low.double()
        wide = torch.where(wide <= _WIDEST, wide, 1.0)
        self.lengths = wide if unit is None else _bound("the unit", unit, finite=True)
        if bool((self.lengths <= 0).any()):
            raise ValueError(f"the unit must be above 0, but is {float(self.lengths.min()):g}.")
        single = self.low.numel() == self.high.numel() == 1
        self.numbers = (self.low.item(), self.high.item()) if single else None
        self.even, self.given = bool((self.lengths == 1).all()), unit is not None

    @property
    def unit(self) -> Tensor | None:
        """What was given."""
        return self.span if self.given else None

    @property
    def span(self) -> Tensor | None:
        """What was given, or the range."""
        return None if self.even else self.lengths

    def in_ranges(self) -> "Box":
        """Return the same box with its range as the unit, if none was given."""
        if self.given or self.even:
            return self
        new = copy.copy(self)
        new.given = True
        return new

    def decode(self, z: Tensor) -> Tensor:
        """Return ``z``."""
        return z

    def encode(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x

    def begin(self, x: Tensor) -> Tensor:
        """Return ``x``, clipped of its rounding errors."""
        return self.project(x)

    def intervals(self) -> tuple[Tensor, Tensor]:
        """Return the bounds."""
        return self.low, self.high

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` has the shape of bounds and unit, and lies within."""
        super().check(x)
        if self.lengths.ndim > 1 and self.lengths.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"the unit is for inputs of shape {tuple(self.lengths.shape[1:])}, but the starts "
                f"have shape {tuple(x.shape[1:])}."
            )

    def project(self, z: Tensor) -> Tensor:
        """Clip every feature to its bounds."""
        if self.numbers is not None:
            return z.clamp(*self.numbers)  # three times as fast as by tensors
        return torch.clamp(z, self.low.to(z), self.high.to(z))


class Logit(Bounded):
    """The open box ``low < x < high`` by ``x = low + (high - low) * sigmoid(z)``.

    The sigmoid is flat at infinity, so a feature that starts exactly on a bound would never move
    (Carlini and Wagner's change of variables in "Towards Evaluating the Robustness of Neural
    Networks", 2017, has this fault in common implementations). Starts are therefore moved inside
    by ``inset`` of the range, half a grey level by default.

    No feature comes nearer to its bounds than 1e-6 of the range. With a ball of radius near 0, or
    an L1 ball over many features that start on a bound, that can matter: use ``Box`` there.

    Args:
        low: a number, or one number per feature in the shape of one input.
        high: likewise.
        inset: how far inside its bounds a start begins, as a share of the range, in (0, 0.5).

    Example:
        >>> space = Logit(0, 1)
        >>> space.decode(space.begin(torch.tensor([[0.0, 0.25, 1.0]])))
        tensor([[0.0020, 0.2500, 0.9980]])
    """

    def __init__(
        self, low: Tensor | float = 0.0, high: Tensor | float = 1.0, inset: float = 1 / 512
    ) -> None:
        super().__init__(low, high)
        self.inset = check_fraction("inset", inset)
        if inset >= 0.5:
            raise ValueError(f"inset must be below 0.5, but is {inset}.")

    def decode(self, z: Tensor) -> Tensor:
        """Squash ``z`` into the box."""
        low, high = self.low.to(z), self.high.to(z)
        return low + (high - low) * torch.sigmoid(z)

    def encode(self, x: Tensor) -> Tensor:
        """Return the logit of ``x``; values on a bound become the largest finite one used."""
        return self._logit(x, _EDGE)

    def begin(self, x: Tensor) -> Tensor:
        """Return the logit of ``x``, moved inside the bounds by ``inset``."""
        return self._logit(x, self.inset)

    def project(self, z: Tensor) -> Tensor:
        """Keep ``z`` where the sigmoid still has a gradient in float32."""
        return z.clamp(-_REACH, _REACH)

    def intervals(self) -> tuple[Tensor, Tensor]:
        """Return the nearest that features come to the bounds."""
        edge = _EDGE * (self.high.double() - self.low.double())
        return self.low + edge, self.high - edge

    def _logit(self, x: Tensor, inset: float) -> Tensor:
        low, high = self.low.to(x), self.high.to(x)
        return torch.logit((x - low) / (high - low), eps=inset)


def _unless_one(lengths: Tensor) -> Tensor | None:
    return None if bool((lengths == 1).all()) else lengths


_WIDEST = torch.finfo(torch.float32).max
_EDGE = 1e-6  # of the range: the smallest distance to a bound that float32 still resolves at 1
_REACH = 13.8155  # logit(1 - _EDGE)


def _bound(name: str, value: Tensor | float, *, finite: bool) -> Tensor:
    if isinstance(value, bool) or not isinstance(value, Tensor | int | float):
        raise TypeError(f"{name} must be a number or a tensor, not {type(value).__name__}.")
    # a number keeps all its digits: the float32 nearest to 0.1 lies above it
    bound = torch.as_tensor(value, dtype=None if isinstance(value, Tensor) else torch.float64)
    bound = bound if bound.is_floating_point() else bound.float()
    check_tensor(name, bound if finite else bound.nan_to_num(torch.nan, 0.0, 0.0))
    return bound.reshape(1, *bound.shape)
