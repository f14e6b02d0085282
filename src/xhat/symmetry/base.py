"""The one noun of this room."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from xhat.symmetry.averages import average, copies

__all__ = ["Group", "check_acting"]


class Group(ABC):
    """A finite group that acts linearly on inputs ``(n, *shape)``.

    A subclass says where it acts (``check``) and how one element moves inputs (``move``); if moving
    by the inverse is not the transpose, also how gradients go back (``move_back``).

    Args:
        products: ``products[a][b]`` is the element that acts as ``b``, then ``a``; ``order`` rows.

    Attributes:
        exact: whether it acts as a group to the last bit: nothing is interpolated, and
            ``act(inverse(k), act(k, x))`` is ``x``.
        acts: whether it acts as a group at all, if only to rounding; false where it interpolates.
        products: the table.
    """

    exact: bool = True
    acts: bool = True

    def __init__(self, products: Sequence[Sequence[int]]) -> None:
        self.products = tuple(tuple(row) for row in products)

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return type(self).__name__

    @property
    def order(self) -> int:
        """The number of elements."""
        return len(self.products)

    def __len__(self) -> int:
        return self.order

    def __repr__(self) -> str:
        return self.name

    @abstractmethod
    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless the group acts on single inputs of this shape."""

    @abstractmethod
    def move(self, k: int, x: Tensor) -> Tensor:
        """Return what ``act`` does, unchecked; linear in ``x``, ``(n, *shape)`` both."""

    def move_back(self, k: int, gradient: Tensor) -> Tensor:
        """Return the transpose of ``move``, in differentiable operations."""
        return self.move(self.inverse(k), gradient)

    def product(self, a: int, b: int) -> int:
        """Return the element that acts as ``b``, then ``a``."""
        return self.products[self._element(a)][self._element(b)]

    def inverse(self, k: int) -> int:
        """Return the element that undoes element ``k``."""
        return self.products[self._element(k)].index(0)

    def act(self, k: int, x: Tensor) -> Tensor:
        """Return element ``k`` applied to every input; ``k = 0`` is the identity.

        Args:
            k: an element, from 0 to ``order - 1``.
            x: ``(n, *shape)``.

        Returns:
            ``(n, *shape)``, contiguous in memory of its own.

        Raises:
            TypeError: ``x`` is not a floating-point tensor.
            ValueError: no such element, or the group does not act on that shape.
        """
        return _Act.apply(self._checked(x), self, self._element(k))

    def orbit(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return ``act(k, x)`` for every element; ``order`` tensors ``(n, *shape)``.

        Where ``x`` is symmetric, its gradient is so too, to the last bit, provided that those of
        the tensors returned are equal.
        """
        apart = copies(self._checked(x), self.order)
        return tuple(_Act.apply(copy, self, k) for k, copy in enumerate(apart))

    def symmetrize(self, x: Tensor) -> Tensor:
        """Return the mean of every input's orbit.

        Unless the group interpolates, that is the nearest symmetric input, and the map is a
        projection: what is symmetric stays as it was; for an exact group, to the last bit.
        """
        return average(self.orbit(x))

    def _element(self, k: int) -> int:
        if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k < self.order:
            raise ValueError(
                f"an element of {self} must be a whole number from 0 to {self.order - 1}, but is "
                f"{k!r}."
            )
        return k

    def _checked(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            came = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{self} acts on floating-point tensors, but {came} came.")
        self.check(tuple(x.shape[1:]))
        return x


class _Act(Function):
    """One element's action, with results that are contiguous in memory of their own.

    Matrix products may depend, in the last bit, on strides and on where the first value lies; a
    model that is shown two equal tensors must compute the same twice.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, group: Group, k: int) -> Tensor:
        return group.move(k, x).clone(memory_format=torch.contiguous_format)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Group, int], output: Tensor) -> None:
        del output
        _, ctx.group, ctx.k = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        back = ctx.group.move_back(ctx.k, gradients[0])
        return back.clone(memory_format=torch.contiguous_format), None, None


def check_acting(group: Any) -> Group:
    """Return ``group`` if something can be exactly symmetric under it.

    Raises:
        TypeError: it is no ``Group``.
        ValueError: it interpolates, which is no group action.
    """
    if not isinstance(group, Group):
        raise TypeError(f"the group must be a Group, not {type(group).__name__}.")
    if not group.acts:
        raise ValueError(
            f"{group} interpolates, and turning twice is not turning once: nothing is exactly "
            f"symmetric; use its quarter turns."
        )
    return group
