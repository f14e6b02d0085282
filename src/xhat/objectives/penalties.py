"""Penalties on ``x`` itself: nearness to a start, smoothness."""

import copy
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from xhat.core import check_choice, check_count, check_numbers, check_tensor
from xhat.objectives.base import Measurement, Objective

__all__ = ["Proximity", "TotalVariation"]


class Proximity(Objective):
    """The distance to a reference, usually the start.

    With ``norm="squared"`` and weight ``1 / (2 sigma^2)`` it is the negative logarithm of a
    Gaussian prior around the start, so cross-entropy plus proximity is MAP search.

    Args:
        reference: ``(n, *shape)``, or ``(1, *shape)`` for all candidates.
        norm: ``"squared"`` for ``sum d^2``, ``"l2"`` for its root, ``"l1"`` for ``sum |d|``,
            ``"linf"`` for the largest ``|d|``.
        unit: of each feature, above 0: a number, or ``(1, *shape)``; differences are divided by it.
            None leaves it open: in a ``Problem`` it is the range of each feature, where the space
            has one (see ``Box``), so that an income and an age weigh the same; else 1.

    Raises:
        ValueError: the reference is empty or not finite, the norm unknown, or a unit not above 0.

    Example:
        >>> Proximity(torch.zeros(1, 2), "l2")(torch.tensor([[3.0, 4.0]]))
        tensor([5.])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("reference", "unit")

    def __init__(
        self,
        reference: Tensor,
        norm: Literal["squared", "l2", "l1", "linf"] = "squared",
        unit: Tensor | float | None = None,
    ) -> None:
        self.reference = check_tensor("the reference", reference)
        self.norm = check_choice("norm", norm, ("linf", "squared", "l2", "l1"))
        self.open = unit is None
        self.unit = check_numbers("the unit", 1.0 if unit is None else unit)
        if bool((self.unit <= 0).any()):
            raise ValueError(f"the unit must be above 0, but is {float(self.unit.min()):g}.")
        self.unit = self.unit.reshape(1) if self.unit.ndim == 0 else self.unit

    def measured_in(self, span: Tensor | None) -> Self:
        """Return the same in units of ``span``, if no unit was given."""
        if span is None or not self.open:
            return self
        new = copy.copy(self)
        new.unit, new.open = span, False
        return new

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the distance; its gradient is 0 where the distance is."""
        delta = x - self.reference
        delta = (delta if self._plain else delta / self.unit.to(delta)).flatten(1)
        if self.norm == "squared":
            return Measurement(delta.square().sum(dim=1))
        return Measurement(torch.linalg.vector_norm(delta, ord=float(self.norm[1:]), dim=1))

    @property
    def _plain(self) -> bool:
        return self.unit.numel() == 1 and float(self.unit) == 1.0

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check that the reference has the shape of one input."""
        if self.reference.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"Proximity compares shapes {tuple(x.shape[1:])} (the candidate) and "
                f"{tuple(self.reference.shape[1:])} (the reference); they must be the same."
            )
        super().check(x, z)


class TotalVariation(Objective):
    """``sum |x_i - x_j|`` over neighbours along the last axes: small for piecewise smooth signals.

    The anisotropic form of Rudin, Osher, Fatemi, "Nonlinear Total Variation Based Noise Removal
    Algorithms" (1992).

    Args:
        axes: how many of the last axes have neighbours: 1 for signals, 2 for images.

    Example:
        >>> TotalVariation(axes=1)(torch.tensor([[0.0, 1.0, 0.0]]))
        tensor([2.])
    """

    def __init__(self, axes: int = 2) -> None:
        self.axes = check_count("axes", axes)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the summed absolute differences of neighbours."""
        if x.ndim <= self.axes:
            raise ValueError(
                f"TotalVariation(axes={self.axes}) needs inputs with that many axes, but they "
                f"have shape {tuple(x.shape[1:])}."
            )
        total = x.new_zeros(x.shape[0])
        for axis in range(-self.axes, 0):
            total = total + x.diff(dim=axis).abs().flatten(1).sum(dim=1)
        return Measurement(total)
