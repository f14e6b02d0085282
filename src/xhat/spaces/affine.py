"""Linear equations, solved once and for all."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_stack, independent_rows
from xhat.spaces.base import Space, largest

__all__ = ["Affine"]


class Affine(Space):
    """The inputs with ``A x = b``: ``x = x_b + N z``, with orthonormal columns of ``N``.

    ``z`` are coordinates within the plane, ``(n, d - rank)``, of the same unit as ``x``; a gradient
    step in ``z`` is the step in ``x``, projected. Nothing else is held: add bounds as constraints.

    Args:
        matrix: ``(m, *x_shape)``, the rows of ``A``; rows that follow from others do no harm.
        values: ``(m,)``, or ``(n, m)`` for each candidate.

    Raises:
        ValueError: shapes do not fit, the rows contradict each other, or fix every feature.

    Example:
        >>> space = Affine(torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([6.0]))
        >>> x = space.decode(torch.tensor([[5.0, -3.0]]))
        >>> x.shape, round(float(x.sum()), 5)
        (torch.Size([1, 3]), 6.0)
    """

    carries: ClassVar[bool] = True
    constraint: ClassVar[str | None] = "AffineEquality"
    per_candidate: ClassVar[tuple[str, ...]] = ("basis", "origin", "planes", "offsets")

    def __init__(self, matrix: Tensor, values: Tensor) -> None:
        matrix = check_stack("the matrix A", matrix)
        self._shape = tuple(matrix.shape[1:])
        planes, self.offsets, free = independent_rows(matrix.flatten(1), values)
        if len(free) == 0:
            raise ValueError("A x = b fixes every feature; nothing is left to search.")
        self.basis, self.planes, self.origin = free[None], planes[None], self.offsets @ planes

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self._shape

    def decode(self, z: Tensor) -> Tensor:
        """Return points of the plane."""
        moved = self.origin.double() + z.double() @ self.basis[0].double()
        return moved.to(z.dtype).reshape(-1, *self.shape)

    def encode(self, x: Tensor) -> Tensor:
        """Return the coordinates of the point of the plane that is nearest to ``x``."""
        away = x.flatten(1).double() - self.origin.double()
        return (away @ self.basis[0].double().T).to(x.dtype)

    def nearest(self, x: Tensor) -> Tensor:
        """Return the orthogonal projection, by the few equations and not the many coordinates."""
        found = x.double()
        for _ in range(2):  # once more for what was rounded when the planes were cast to float32
            found = found - (self._away(found) @ self.planes[0].double()).reshape(x.shape)
        return found.to(x.dtype)

    def violation(self, x: Tensor) -> Tensor:
        """Return the distance from the farthest of the (orthogonal) planes."""
        return largest(self._away(x).abs()).to(x.dtype)

    def equations(self) -> tuple[Tensor, Tensor]:
        """Return the planes, as orthonormal rows."""
        return self.planes[0].reshape(-1, *self.shape), self.offsets

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts lie in the plane and have its shape."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"A is made for inputs of shape {self.shape}, but the starts have shape "
                f"{tuple(x.shape[1:])}."
            )
        off = float((self.decode(self.encode(x)) - x).flatten(1).norm(dim=1).max())
        if off > 1e-5 * max(1.0, float(torch.linalg.vector_norm(x.flatten(1), dim=1).max())):
            raise ValueError(
                f"the start must fulfil A x = b, but is {off:.3g} away from it; project it by "
                f"xhat.constraints.AffineEquality(A, b).project(x0)."
            )

    def _away(self, x: Tensor) -> Tensor:
        return x.flatten(1).double() @ self.planes[0].double().T - self.offsets.double()
