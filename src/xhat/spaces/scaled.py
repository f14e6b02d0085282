"""Boxes whose features have units of their own."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.spaces.box import Bounded

__all__ = ["Scaled"]


class Scaled(Bounded):
    """All inputs with ``low <= x <= high``, searched in units: ``x = unit * z``.

    So one step size suits an income as well as an age. With powers of two as units nothing is
    rounded.

    Args:
        low: a number, or one number per feature in the shape of one input; ``-inf`` is no bound.
        high: likewise, with ``inf``.
        unit: of each feature, above 0: ``(1, *x_shape)``, or ``(1,)`` for all.

    Raises:
        ValueError: the bounds are empty or NaN, or a unit is not above 0.

    Example:
        >>> space = Scaled(0.0, 1000.0, torch.tensor([512.0]))
        >>> space.encode(torch.tensor([[256.0]])), space.decode(torch.tensor([[1.0]]))
        (tensor([[0.5000]]), tensor([[512.]]))
    """

    finite: ClassVar[bool] = False
    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high", "unit")

    def __init__(self, low: Any, high: Any, unit: Tensor) -> None:
        super().__init__(low, high)
        self.unit = check_tensor("the unit", unit)
        if bool((self.unit <= 0).any()):
            raise ValueError(f"the unit must be above 0, but is {float(self.unit.min()):g}.")

    def decode(self, z: Tensor) -> Tensor:
        """Return ``unit * z``."""
        return self.unit.to(z) * z

    def encode(self, x: Tensor) -> Tensor:
        """Return ``x / unit``."""
        return x / self.unit.to(x)

    def begin(self, x: Tensor) -> Tensor:
        """Return ``x / unit``, clipped of rounding errors."""
        return self.project(self.encode(x))

    def intervals(self) -> tuple[Tensor, Tensor]:
        """Return the bounds."""
        return self.low, self.high

    def project(self, z: Tensor) -> Tensor:
        """Clip every feature to its bounds."""
        unit = self.unit.to(z)
        return torch.clamp(z, self.low.to(z) / unit, self.high.to(z) / unit)
