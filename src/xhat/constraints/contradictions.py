"""Linear constraints that exclude each other: found, and named, before a search begins."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from xhat.constraints.base import Linear, Projected
from xhat.constraints.intersection import flattened

__all__ = ["contradiction"]

_INFEASIBLE = 2  # the status of scipy's linprog
_ROUNDING = 1e-7  # of a number, by which float32 may have rounded what was declared


def contradiction(
    constraints: Sequence[Projected], x: Tensor, tolerance: float = 0.0
) -> tuple[str, ...] | None:
    """Return the names of linear constraints that no input fulfils together, or None.

    A linear program without an objective (scipy's HiGHS) decides whether a solution exists. If two
    of the constraints contradict each other, their names are returned; otherwise the names of all.

    Args:
        constraints: each narrowed to one candidate; those that are not linear are left out.
        x: ``(1, *x_shape)``, an input of the shape.
        tolerance: the distance by which each may be violated. Above 0, since a single feasible
            input, such as a corner of a box, would be excluded by rounding.

    Example:
        >>> from xhat.constraints import Bounds, Halfspace
        >>> beyond = Halfspace(torch.tensor([[-1.0, -1.0]]), -3.0)  # the sum is 3 or more
        >>> contradiction((Bounds(0.0, 1.0), beyond), torch.zeros(1, 2))
        ('Bounds', 'Halfspace')
    """
    named = [
        (c.name, linear) for c in flattened(constraints) if (linear := c.linear(x)) is not None
    ]
    if len(named) < 2 or _possible([each for _, each in named], x.numel(), tolerance):
        return None
    for (one, first), (other, second) in combinations(named, 2):
        if not _possible([first, second], x.numel(), tolerance):
            return one, other
    return tuple(name for name, _ in named)


def _possible(parts: Sequence[Linear], size: int, tolerance: float) -> bool:
    low, high = np.full(size, -np.inf), np.full(size, np.inf)
    for part in parts:
        if part.low is not None:
            low = np.maximum(low, _array(part.low))
        if part.high is not None:
            high = np.minimum(high, _array(part.high))
    low, high = low - _slack(low, tolerance), high + _slack(high, tolerance)
    if bool((low > high).any()):
        return False
    upper = [pair for part in parts for pair in _inequalities(part)]
    if not upper:
        return True
    rows = np.concatenate([_array(matrix) for matrix, _ in upper])
    most = np.concatenate([_array(values) for _, values in upper])
    norm = np.linalg.norm(rows, axis=1).clip(min=1e-30)
    found = linprog(
        np.zeros(size),
        rows,
        most + norm * _slack(most / norm, tolerance),
        bounds=np.stack([low, high], axis=1),
        method="highs",
    )
    return found.status != _INFEASIBLE


def _inequalities(part: Linear) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all but the bounds: that an equation holds within a tolerance, two of them say."""
    if part.upper is not None:
        yield part.upper
    if part.equal is not None:
        rows, values = part.equal
        yield rows, values
        yield -rows, -values


def _slack(values: np.ndarray, tolerance: float) -> np.ndarray:
    size = np.abs(np.where(np.isfinite(values), values, 0.0))
    return tolerance + _ROUNDING * np.maximum(1.0, size)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float64).numpy()
