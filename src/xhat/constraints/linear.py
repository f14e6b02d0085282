"""Linear constraints: bounds, halfspaces, equations, fixed features, symmetry."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.constraints.base import Linear, Projected
from xhat.core import check_mask, check_numbers, check_rows, check_stack, independent_rows
from xhat.symmetry import Group, check_acting

__all__ = ["AffineEquality", "Bounds", "Fixed", "Halfspace", "Invariance"]


class Bounds(Projected):
    """``low <= x <= high``, feature by feature; one of the two may be missing.

    Args:
        low: a number, or ``(n, *x_shape)`` or ``(1, *x_shape)``; None for no lower bound.
        high: likewise.

    Raises:
        ValueError: neither was given, or a lower bound lies above its upper bound.

    Example:
        >>> Bounds(low=0.0).project(torch.tensor([[-1.0, 2.0]]))  # nothing negative
        tensor([[0., 2.]])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high")

    def __init__(
        self, low: Tensor | float | None = None, high: Tensor | float | None = None
    ) -> None:
        if low is None and high is None:
            raise ValueError("Bounds needs low=, high= or both, but got neither.")
        self.low = _end("low", -torch.inf if low is None else low)
        self.high = _end("high", torch.inf if high is None else high)
        if bool((self.low > self.high).any()):
            raise ValueError("low must not be above high for any feature of Bounds.")

    def values(self, x: Tensor) -> Tensor:
        """Return the distance of every feature beyond its nearer bound, ``(n, d)``."""
        return torch.maximum(self.low.to(x) - x, x - self.high.to(x)).flatten(1)

    def project(self, x: Tensor) -> Tensor:
        """Clip every feature."""
        return torch.clamp(x, self.low.to(x), self.high.to(x))

    def linear(self, x: Tensor) -> Linear:
        """Return the bounds."""
        low, high = (end.expand_as(x).reshape(-1) for end in (self.low, self.high))
        return Linear(low, high)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the bounds are for inputs of this shape."""
        for end in (self.low, self.high):
            if end.numel() > 1:
                _check_shape(self, end, x)


class Halfspace(Projected):
    """``normal . x <= offset``; the violation is the distance beyond the plane, as ``x`` measures.

    Args:
        normal: ``(1, *x_shape)``, or ``(n, *x_shape)`` for each candidate; not 0.
        offset: a number, or ``(n,)`` numbers.

    Raises:
        ValueError: a normal is 0, or rows do not fit.

    Example:
        >>> light = Halfspace(torch.tensor([[3.0, 4.0]]), 5.0)
        >>> light.violation(torch.tensor([[3.0, 4.0]])), light.project(torch.tensor([[3.0, 4.0]]))
        (tensor([4.]), tensor([[0.6000, 0.8000]]))
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("normal", "offset")

    def __init__(self, normal: Tensor, offset: Tensor | float) -> None:
        normal = check_stack("the normal", normal).double()
        length = torch.linalg.vector_norm(normal.flatten(1), dim=1)
        if bool((length == 0).any()):
            raise ValueError("the normal of a Halfspace must not be 0.")
        offset = check_numbers("the offset", offset).double().reshape(-1)
        if len(normal) != 1:
            check_rows("the offset", offset, len(normal))
        self.normal = normal / length.reshape(-1, *(1 for _ in normal.shape[1:]))
        self.offset = offset / length

    def values(self, x: Tensor) -> Tensor:
        """Return the distance beyond the plane, ``(n, 1)``."""
        return self._beyond(x).to(x.dtype)

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest point of the plane for what is beyond it."""
        moved = x.flatten(1) - self._beyond(x).clamp_min(0) * self.normal.flatten(1).double()
        return moved.reshape(x.shape).to(x.dtype)

    def linear(self, x: Tensor) -> Linear:  # noqa: ARG002
        """Return the one row."""
        return Linear(upper=(self.normal.reshape(1, -1), self.offset))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the normal has the shape of one input."""
        _check_shape(self, self.normal, x)

    def _beyond(self, x: Tensor) -> Tensor:  # in float64: a sum of a thousand terms in float32 errs
        normal = self.normal.flatten(1).double()
        return ((x.flatten(1) * normal).sum(dim=1) - self.offset.double())[:, None]


class AffineEquality(Projected):
    """``A x = b``; the violation is the largest of the distances to the planes.

    Redundant rows do no harm.

    Args:
        matrix: ``(m, *x_shape)``, the rows of ``A``.
        values: ``(m,)``, or ``(n, m)`` for each candidate.

    Raises:
        ValueError: shapes do not fit, or rows contradict each other.

    Example:
        >>> plane = AffineEquality(torch.tensor([[1.0, 1.0]]), torch.tensor([1.0]))
        >>> plane.project(torch.tensor([[1.0, 2.0]])).round(decimals=6) + 0.0
        tensor([[0., 1.]])
    """

    equality: ClassVar[bool] = True
    per_candidate: ClassVar[tuple[str, ...]] = ("rows_of", "offsets")

    def __init__(self, matrix: Tensor, values: Tensor) -> None:
        matrix = check_stack("the matrix A", matrix)
        self.shape = tuple(matrix.shape[1:])
        planes, self.offsets, _ = independent_rows(matrix.flatten(1), values)
        self.rows_of = planes[None]

    def values(self, x: Tensor) -> Tensor:
        """Return the signed distances to ``r`` orthogonal planes that say the same, ``(n, r)``."""
        return self._away(x).to(x.dtype)

    def project(self, x: Tensor) -> Tensor:
        """Return the orthogonal projection."""
        planes = self.rows_of[0].double()
        found = x.double()
        for _ in range(2):  # once more for what was rounded when the rows were cast to float32
            found = found - (self._away(found) @ planes).reshape(x.shape)
        return found.to(x.dtype)

    def linear(self, x: Tensor) -> Linear:  # noqa: ARG002
        """Return the rows."""
        return Linear(equal=(self.rows_of[0], self.offsets[0]))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless a row has the shape of one input."""
        if x.shape[1:] != self.shape:
            raise ValueError(_misfit(self, self.shape, x))

    def _away(self, x: Tensor) -> Tensor:
        return x.flatten(1).double() @ self.rows_of[0].double().T - self.offsets.double()


class Fixed(Projected):
    """The features where ``mask`` is true have given values.

    Args:
        mask: booleans in the shape of one input; true where a feature is fixed.
        to: ``(n, *x_shape)`` or ``(1, *x_shape)``, usually the starts.

    Raises:
        TypeError: the mask is not boolean.
        ValueError: it does not have the shape of one input, or fixes nothing.

    Example:
        >>> Fixed(torch.tensor([True, False]), torch.zeros(1, 2)).project(torch.ones(1, 2))
        tensor([[0., 1.]])
    """

    equality: ClassVar[bool] = True
    per_candidate: ClassVar[tuple[str, ...]] = ("mask", "fixed")

    def __init__(self, mask: Tensor, to: Tensor) -> None:
        mask = check_mask(mask, "fixed")
        self.fixed = check_stack("what features are fixed to", to)
        if mask.shape != self.fixed.shape[1:] or not bool(mask.any()):
            raise ValueError(
                f"mask must have the shape of one input, {tuple(self.fixed.shape[1:])}, and fix a "
                f"feature, but has shape {tuple(mask.shape)} and fixes {int(mask.sum())}."
            )
        self.mask = mask[None]

    def values(self, x: Tensor) -> Tensor:
        """Return how far every fixed feature is from its value, ``(n, k)``."""
        return (x - self.fixed.to(x)).flatten(1)[:, self.mask.flatten()]

    def project(self, x: Tensor) -> Tensor:
        """Put the values back."""
        return torch.where(self.mask, self.fixed.to(x), x)

    def linear(self, x: Tensor) -> Linear:  # noqa: ARG002
        """Return bounds that leave no room."""
        wide = torch.full_like(self.fixed[:1], torch.inf)
        low, high = (torch.where(self.mask, self.fixed[:1], end) for end in (-wide, wide))
        return Linear(low.reshape(-1), high.reshape(-1))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the mask has the shape of one input."""
        _check_shape(self, self.fixed, x)


class Invariance(Projected):
    """``x`` is symmetric: every element of a group leaves it as it is.

    Args:
        group: acts on single inputs, without interpolation.

    Raises:
        TypeError: it is no ``Group``.
        ValueError: it interpolates, which is no group action.

    Example:
        >>> from xhat.symmetry import Mirror
        >>> Invariance(Mirror()).project(torch.tensor([[1.0, 0.0]]))
        tensor([[0.5000, 0.5000]])
    """

    equality: ClassVar[bool] = True

    def __init__(self, group: Group) -> None:
        self.group = check_acting(group)

    def values(self, x: Tensor) -> Tensor:
        """Return the difference from the nearest symmetric input, ``(n, d)``."""
        return (x - self.group.symmetrize(x)).flatten(1)

    def project(self, x: Tensor) -> Tensor:
        """Return the mean of the orbit."""
        return self.group.symmetrize(x)

    def linear(self, x: Tensor) -> Linear:
        """Return one row for each feature: it minus the mean of its orbit."""
        units = torch.eye(x.numel(), dtype=torch.float64).reshape(-1, *x.shape[1:])
        rows = (units - self.group.symmetrize(units)).flatten(1).T
        return Linear(equal=(rows, torch.zeros(len(rows), dtype=torch.float64)))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the group acts on inputs of this shape."""
        self.group.check(tuple(x.shape[1:]))


def _end(name: str, value: Any) -> Tensor:
    if isinstance(value, bool) or not isinstance(value, Tensor | int | float):
        raise TypeError(f"{name} must be a number or a tensor, not {type(value).__name__}.")
    # a number keeps all its digits: the float32 nearest to 0.1 lies above it
    end = torch.as_tensor(value, dtype=None if isinstance(value, Tensor) else torch.float64)
    end = end if end.is_floating_point() else end.float()
    if bool(end.isnan().any()):
        raise ValueError(f"{name} must not be NaN.")
    return end.reshape(1) if end.ndim == 0 else end


def _check_shape(constraint: Projected, own: Tensor, x: Tensor) -> None:
    if own.shape[1:] != x.shape[1:]:
        raise ValueError(_misfit(constraint, tuple(own.shape[1:]), x))


def _misfit(constraint: Projected, shape: tuple[int, ...], x: Tensor) -> str:
    return (
        f"{constraint.name} is made for inputs of shape {shape}, but the starts have shape "
        f"{tuple(x.shape[1:])}."
    )
