"""Groups given by orthogonal matrices, such as rotations of points."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.symmetry.base import Group

__all__ = ["MatrixGroup"]

_ROUNDING = 1e-9


class MatrixGroup(Group):
    """``act(k, x) = matrices[k] @ x`` of the flattened input, or of every vector along an axis.

    The matrices must be orthogonal: then the mean of an orbit is the *nearest* symmetric input, and
    gradients flow by the same projection. Any finite group of matrices is one of orthogonal ones in
    other coordinates. It acts to rounding; to the last bit (``exact``) if every entry is 0, 1 or
    -1.

    Args:
        matrices: ``(order, m, m)``; the first is the identity, and a product of two is one of them.
        axis: of a single input, whose vectors of ``m`` entries are turned; None for the flattened
            input.

    Raises:
        TypeError: the axis is no whole number, or not numbers came.
        ValueError: the matrices are not square, not orthogonal, or not a group.

    Example:
        >>> turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> powers = [torch.linalg.matrix_power(turn, k) for k in range(4)]
        >>> quarter = MatrixGroup(torch.stack(powers))
        >>> quarter.act(1, torch.tensor([[3.0, 1.0]]))
        tensor([[-1.,  3.]])
    """

    def __init__(self, matrices: Any, axis: int | None = None) -> None:
        given = check_tensor("the matrices of a group", matrices, ndim=3, floating=False)
        self.matrices = given.detach().cpu().double()
        if self.matrices.shape[1] != self.matrices.shape[2]:
            raise ValueError(
                f"the matrices of a group must be square, (order, m, m), but have shape "
                f"{tuple(self.matrices.shape)}."
            )
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise TypeError(f"axis must be a whole number or None, not {type(axis).__name__}.")
        _check_orthogonal(self.matrices)
        super().__init__(_products(self.matrices))
        self.axis = axis
        self.exact = bool(torch.isin(self.matrices, torch.tensor([-1.0, 0.0, 1.0]).double()).all())

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        where = "" if self.axis is None else f" on axis {self.axis}"
        return f"MatrixGroup of {self.order} in {self.matrices.shape[1]} dimensions{where}"

    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless inputs of this shape have vectors of that many entries."""
        size = self.matrices.shape[1]
        if self.axis is None:
            fits = math.prod(shape) == size
        else:
            fits = -len(shape) <= self.axis < len(shape) and shape[self.axis] == size
        if not fits:
            raise ValueError(
                f"{self} needs vectors of {size} entries, but one input has shape {tuple(shape)}; "
                f"give matrices of that size, or the axis that holds the vectors."
            )

    def move(self, k: int, x: Tensor) -> Tensor:
        """Multiply by the matrix."""
        matrix = self.matrices[k].to(x)
        if self.axis is None:
            return (x.flatten(1) @ matrix.T).reshape(x.shape)
        axis = self.axis if self.axis < 0 else self.axis + 1
        return (x.movedim(axis, -1) @ matrix.T).movedim(-1, axis)


def _check_orthogonal(matrices: Tensor) -> None:
    identity = torch.eye(matrices.shape[1], dtype=matrices.dtype)
    off = (matrices @ matrices.mT - identity).abs().amax(dim=(1, 2))
    if float(off.max()) > _ROUNDING:
        raise ValueError(
            f"the matrices of a group must be orthogonal, but matrix {int(off.argmax())} times its "
            f"transpose differs from the identity by {float(off.max()):.2g}; change coordinates by "
            f"the root of the mean of their M^T M."
        )


def _products(matrices: Tensor) -> list[list[int]]:
    identity = torch.eye(matrices.shape[1], dtype=matrices.dtype)
    if float((matrices[0] - identity).abs().max()) > _ROUNDING:
        raise ValueError("the first matrix of a group must be the identity, but another came.")
    flat, found = matrices.flatten(1), []
    for a, matrix in enumerate(matrices):
        away = torch.cdist((matrix @ matrices).flatten(1), flat, compute_mode=_EXACTLY)
        nearest = away.min(dim=1)
        if float(nearest.values.max()) > _ROUNDING * matrices.shape[1]:
            raise ValueError(
                f"the matrices must be closed under products, but matrix {a} times matrix "
                f"{int(nearest.values.argmax())} is none of them; add what is missing."
            )
        found.append(nearest.indices.tolist())
    if len(set(found[0])) < len(matrices):
        raise ValueError("the matrices of a group must differ, but one comes twice; drop it.")
    return found


_EXACTLY = "donot_use_mm_for_euclid_dist"  # by differences: matrix products would round to 1e-8
