"""Whole numbers: features that are counts."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_mask
from xhat.spaces.base import Space, Wrapped, largest
from xhat.spaces.nesting import check_made

__all__ = ["Rounded"]


class Rounded(Wrapped):
    """Another space, whose inputs are rounded to whole numbers where ``mask`` is true.

    The model sees rounded inputs at every step, so the reported loss is that of whole numbers, and
    nothing has to be rounded afterwards. The gradient passes as if nothing had been rounded (the
    straight-through estimator: Bengio, Léonard, Courville, "Estimating or Propagating Gradients
    Through Stochastic Neurons for Conditional Computation", 2013), and ``z`` keeps the fractions,
    so that small steps add up. This is a heuristic: the whole numbers that it finds need not be the
    best. Try restarts.

    Args:
        space: whose inputs are rounded; where it is a box, its ends must be whole numbers.
        mask: booleans in the shape of one input, true for whole numbers; None for all features.

    Raises:
        TypeError: not a space, or a mask that is not boolean.
        ValueError: the mask holds no true, or an end of the box is no whole number.

    Example:
        >>> from xhat.spaces import Box
        >>> Rounded(Box(0, 9), torch.tensor([True, False])).decode(torch.tensor([[2.7, 2.7]]))
        tensor([[3.0000, 2.7000]])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("mask",)

    def __init__(self, space: Space, mask: Tensor | None = None) -> None:
        super().__init__(space)
        everything = torch.ones((), dtype=torch.bool)
        mask = everything if mask is None else check_mask(mask, "a whole number")
        if not bool(mask.any()):
            raise ValueError("mask rounds no feature; use the space itself.")
        self.mask = mask[None]
        for name, end in zip(("low", "high"), space.intervals() or (), strict=False):
            whole = (end == end.round()) | ~self.mask
            if not bool(whole.all()):
                raise ValueError(
                    f"{name} must be a whole number where features are, but is not everywhere; "
                    f"rounding would leave the box."
                )
        check_made(self)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of one input, where the mask or the space in it has one."""
        return tuple(self.mask.shape[1:]) if self.mask.ndim > 1 else self.space.shape

    def misses(self, x: Tensor) -> Tensor:
        """Return how far a feature is from a whole number where it must be one."""
        return largest(torch.where(self.mask, x - x.round(), 0.0).abs())

    def decode(self, z: Tensor) -> Tensor:
        """Decode by the wrapped space, and round; the gradient passes unchanged."""
        x = self.space.decode(z)
        return _Round.apply(x, self.mask)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts are whole where asked, and fit the space."""
        if self.mask.ndim > 1 and self.mask.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"mask must have the shape of one input, {tuple(x.shape[1:])}, but has "
                f"{tuple(self.mask.shape[1:])}."
            )
        self.space.check(x)
        off = float(((x - x.round()).abs() * self.mask).max())
        if off > 0:
            raise ValueError(
                f"the start must hold whole numbers where features are, but one is {off:.3g} off; "
                f"round it first."
            )


class _Round(torch.autograd.Function):
    """Rounding, with the gradient of the identity."""

    @staticmethod
    def forward(x: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask, x.round(), x)

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        del ctx, inputs, output

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:
        del ctx
        return gradients[0], None
