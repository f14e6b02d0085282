"""The noun of this task: a solid, known by its signed distance."""

import contextlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xhat.core import check_positive, check_tensor

__all__ = ["Shape", "check_points"]


class Shape(nn.Module, ABC):
    """A solid in space: ``d(x)``, the distance from ``x`` to its surface, negative inside.

    A call returns ``(n,)`` for points ``(n, 3)``, in their own floating-point type and unit; it is
    differentiable. Where the distance is exact, ``|∇d| = 1`` almost everywhere, ``x - d ∇d`` is the
    surface point nearest to ``x``, and the ball of radius ``|d|`` around ``x`` touches the surface
    and does not cross it. Where it is only a bound, ``|d|`` is at most the distance: that ball
    still fits.

    Attributes:
        exact_outside: whether ``d`` is the distance itself outside the solid, not only a bound.
        exact_inside: the same inside.
    """

    exact_outside: bool = True
    exact_inside: bool = True
    differentiable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.training = False  # nothing here is trained; a network inside keeps its own mode

    def forward(self, x: Tensor) -> Tensor:
        """Return the signed distance, ``(n,)``, of points ``(n, 3)``.

        Raises:
            TypeError: the points are not floating point.
            ValueError: they have another shape.
        """
        return self.distance(check_points(x))

    @abstractmethod
    def distance(self, x: Tensor) -> Tensor:
        """Return the signed distance of points that were checked."""

    @abstractmethod
    def normal(self, x: Tensor) -> Tensor:
        """Return ``∇d``, ``(n, 3)``: on the surface, the outward unit normal.

        A closed form. Where several surface points are nearest it is the direction from one of
        them, or 0.
        """

    @abstractmethod
    def bounds(self) -> Tensor:
        """Return two corners, ``(2, 3)`` float64, of a box that holds the surface."""


def check_points(x: Any) -> Tensor:
    """Return ``x`` if it is a tensor of points ``(n, 3)``.

    Example:
        >>> check_points(torch.zeros(3))
        Traceback (most recent call last):
        ValueError: points must have shape (n, 3), but have (3,); for one point use x[None].
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        came = str(x.dtype)[6:] if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"points must be a floating-point tensor, not {came}; convert them first.")
    if x.ndim != 2 or x.shape[1] != 3:
        hint = "; for one point use x[None]" if x.shape == (3,) else ""
        raise ValueError(f"points must have shape (n, 3), but have {tuple(x.shape)}{hint}.")
    return x


def lengths(name: str, value: Any) -> tuple[float, float, float]:
    """Return three numbers above 0, one for each axis."""
    three = precise(name, value, ndim=1)
    if three.shape != (3,):
        raise ValueError(f"{name} must be three numbers, but has shape {tuple(three.shape)}.")
    x, y, z = (check_positive(name, float(v)) for v in three)
    return x, y, z


def precise(name: str, value: Any, *, ndim: int | None = None) -> Tensor:
    """Return numbers as a tensor of float64; those of a list are not rounded on the way."""
    if not isinstance(value, Tensor):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):  # said by the check
            value = torch.as_tensor(value, dtype=torch.float64)
    return check_tensor(name, value, ndim=ndim, floating=False).double()


def unit(x: Tensor) -> Tensor:
    """Return rows of length 1; rows of length 0 stay 0."""
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
