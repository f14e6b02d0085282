"""Boxes that each candidate has of its own: only upwards, only downwards, fixed."""

from math import inf
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_range, check_stack
from xhat.spaces.base import Space, beyond

__all__ = ["Between"]


class Between(Space):
    """``low <= x <= high`` with ends for each candidate; a feature of equal ends is fixed.

    ``z`` is ``x`` itself, kept inside by clipping. For one pair of ends for all: ``Box``.

    Args:
        low: ``(n, *x_shape)`` or ``(1, *x_shape)``; ``-inf`` is no bound.
        high: likewise, with ``inf``.

    Raises:
        TypeError: an end is no tensor of numbers.
        ValueError: the ends have different shapes, or a low end lies above its high one.

    Example:
        >>> age = Between.upwards(torch.tensor([[30.0], [50.0]]), most=99)
        >>> age.project(torch.tensor([[20.0], [120.0]]))
        tensor([[30.],
                [99.]])
    """

    carries: ClassVar[bool] = True
    constraint: ClassVar[str | None] = "Bounds"
    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high")

    def __init__(self, low: Tensor, high: Tensor) -> None:
        for name, end in (("low", low), ("high", high)):
            if not isinstance(end, Tensor) or not end.is_floating_point():
                came = str(end.dtype)[6:] if isinstance(end, Tensor) else type(end).__name__
                raise TypeError(f"{name} must be a tensor of floating point, not {came}.")
            check_stack(name, end.nan_to_num(torch.nan, 0.0, 0.0))
        if low.shape[1:] != high.shape[1:] or len({len(low), len(high)} - {1}) > 1:
            raise ValueError(
                f"low and high must have one shape, but have {tuple(low.shape)} and "
                f"{tuple(high.shape)}."
            )
        if bool((low > high).any()):
            raise ValueError("low must not lie above high, but does for a feature.")
        self.low, self.high = low.detach(), high.detach()

    @classmethod
    def upwards(cls, start: Tensor, most: float = inf) -> "Between":
        """Return the inputs at or above their starts, ``(n, *x_shape)``, up to ``most``."""
        return cls(start, torch.full_like(start, most))

    @classmethod
    def downwards(cls, start: Tensor, least: float = -inf) -> "Between":
        """Return the inputs at or below their starts, ``(n, *x_shape)``, down to ``least``."""
        return cls(torch.full_like(start, least), start)

    @classmethod
    def fixed(cls, start: Tensor) -> "Between":
        """Return the starts, ``(n, *x_shape)``, and nothing else."""
        return cls(start, start)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.low.shape[1:])

    def decode(self, z: Tensor) -> Tensor:
        """Return ``z``; what is fixed has no gradient."""
        low, high = self.low.to(z), self.high.to(z)
        return torch.where(low == high, low, z)

    def encode(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x

    def begin(self, x: Tensor) -> Tensor:
        """Return ``x``, clipped of its rounding errors."""
        return self.project(x)

    def project(self, z: Tensor) -> Tensor:
        """Clip every feature to its ends."""
        return torch.clamp(z, self.low.to(z), self.high.to(z))

    def intervals(self) -> tuple[Tensor, Tensor]:
        """Return the ends."""
        return self.low, self.high

    def violation(self, x: Tensor) -> Tensor:
        """Return how far the farthest feature lies beyond its ends."""
        return beyond(x, self.low, self.high)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` has the shape of the ends and lies within them."""
        if self.shape != tuple(x.shape[1:]):
            raise ValueError(
                f"the ends are for inputs of shape {self.shape}, but the starts have shape "
                f"{tuple(x.shape[1:])}."
            )
        check_range("the start", x, self.low, self.high)
