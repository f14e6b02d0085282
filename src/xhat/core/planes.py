"""Systems of linear equations ``A x = b``, brought to rows that are independent."""

import torch
from torch import Tensor

from xhat.core.checks import check_tensor

__all__ = ["independent_rows"]

_MISSES = 1e-9  # of the size of the values, from where on rows are said to contradict each other


def independent_rows(matrix: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return orthonormal equations equivalent to ``matrix @ x = values``, and their null space.

    Args:
        matrix: ``(m, d)``; rows may be redundant.
        values: ``(m,)``, or ``(n, m)`` for each candidate.

    Returns:
        In float64: ``rows``, ``(r, d)``, orthonormal; ``offsets``, ``(n, r)`` or ``(1, r)``, with
        ``rows @ x = offsets``; and ``free``, ``(d - r, d)``, orthonormal and orthogonal to them.

    Raises:
        TypeError: not numbers.
        ValueError: shapes do not fit, or the rows contradict each other.

    Example:
        >>> A = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
        >>> rows, offsets, free = independent_rows(A, torch.tensor([1.0, 2.0]))
        >>> rows.shape, free.shape, round(float((offsets @ rows).sum()), 9)
        (torch.Size([1, 2]), torch.Size([1, 2]), 1.0)
    """
    matrix = check_tensor("the matrix A", matrix, ndim=2, floating=False).double()
    values = check_tensor("the values b", values, floating=False).double()
    if values.ndim not in (1, 2) or values.shape[-1] != len(matrix):
        raise ValueError(
            f"the values b must hold one number for each of the {len(matrix)} rows of A, but have "
            f"shape {tuple(values.shape)}."
        )
    length = torch.linalg.vector_norm(matrix, dim=1).clamp_min(torch.finfo(torch.float64).tiny)
    wanted = torch.atleast_2d(values) / length
    left, sizes, right = torch.linalg.svd(matrix / length[:, None], full_matrices=True)
    rank = int((sizes > max(matrix.shape) * 1e-13).sum())
    if rank == 0:
        raise ValueError("the matrix A holds nothing but 0; drop what it should say.")
    left, sizes = left[:, :rank], sizes[:rank]
    missed = (wanted - wanted @ left @ left.T).abs()
    worst = int(missed.amax(dim=0).argmax())
    if float(missed.max()) > _MISSES * max(1.0, float(wanted.abs().max())):
        raise ValueError(
            f"the rows of A contradict each other: no x fulfils them all (row {worst} asks for "
            f"what the others exclude); drop it, or change its value."
        )
    return right[:rank], wanted @ left / sizes, right[rank:]
