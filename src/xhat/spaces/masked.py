"""Frozen features: a space in which only some features may change."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_mask, check_stack
from xhat.spaces.base import Space, Wrapped, largest
from xhat.spaces.lattice import Lattice
from xhat.spaces.nesting import check_made

__all__ = ["Masked"]


class Masked(Wrapped):
    """Another space, with the features where ``mask`` is false held at ``values``.

    Args:
        space: the space that moves the free features.
        mask: booleans in the shape of one input; true where a feature may change.
        values: ``(n, *x_shape)`` or ``(1, *x_shape)``, what the frozen features are held at;
            usually the starts.

    Raises:
        TypeError: the mask is not boolean.
        ValueError: the mask does not have the shape of one input, or nothing may change.

    Example:
        >>> from xhat.spaces import Box
        >>> x0 = torch.tensor([[0.1, 0.2]])
        >>> Masked(Box(0, 1), torch.tensor([True, False]), x0).decode(torch.tensor([[0.9, 0.9]]))
        tensor([[0.9000, 0.2000]])
    """

    constraint: ClassVar[str | None] = "Fixed"
    per_candidate: ClassVar[tuple[str, ...]] = ("mask", "values")

    def __init__(self, space: Space, mask: Tensor, values: Tensor) -> None:
        super().__init__(space)
        mask = check_mask(mask, "may change")
        self.values = check_stack("the values of frozen features", values)
        if mask.shape != self.values.shape[1:]:
            raise ValueError(
                f"mask must have the shape of one input, {tuple(self.values.shape[1:])}, but has "
                f"{tuple(mask.shape)}."
            )
        if not bool(mask.any()):
            raise ValueError("mask lets no feature change; nothing is left to search.")
        self.mask = mask.unsqueeze(0)
        check_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.values.shape[1:])

    @property
    def carries(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the space in it treats every feature by itself, and carries projections."""
        return self.space.carries and self.space.intervals() is not None

    def intervals(self) -> tuple[Tensor, Tensor] | None:
        """Return the ends of the space in it; both are the held value where a feature is frozen."""
        ends = self.space.intervals()
        if ends is None:
            return None
        low, high = (torch.where(self.mask, end.to(self.values), self.values) for end in ends)
        return low, high

    def equations(self) -> tuple[Tensor, Tensor] | None:
        """Return those of the space in it."""
        return self.space.equations()

    def lattice(self, x: Tensor) -> Lattice | None:
        """Return that of the space in it, without the frozen features."""
        found = self.space.lattice(self._held(x))
        return None if found is None else found.frozen(~self.mask[0].flatten().cpu())

    def misses(self, x: Tensor) -> Tensor:
        """Return how far a frozen feature is from its value."""
        return largest(torch.where(self.mask, 0.0, x - self.values.to(x)).abs())

    def decode(self, z: Tensor) -> Tensor:
        """Decode by the wrapped space, then put the frozen features back."""
        return torch.where(self.mask, self.space.decode(z), self.values)

    def encode(self, x: Tensor) -> Tensor:
        """Encode by the wrapped space; the frozen features of ``x`` are replaced first."""
        return self.space.encode(self._held(x))

    def begin(self, x: Tensor) -> Tensor:
        """Begin by the wrapped space, with the frozen features replaced."""
        return self.space.begin(self._held(x))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts, frozen features replaced, fit the space."""
        if x.shape[1:] != self.values.shape[1:]:
            raise ValueError(
                f"Masked is made for inputs of shape {tuple(self.values.shape[1:])}, but the "
                f"starts have shape {tuple(x.shape[1:])}."
            )
        self.space.check(self._held(x))

    def _held(self, x: Tensor) -> Tensor:
        return torch.where(self.mask, x, self.values)
