"""Linear constraints that exclude each other: found, and named, before a search begins."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from xhat.constraints.base import Linear, Projected
from xhat.constraints.intersection import flattened

__all__ = ["contradiction"]

_INFEASIBLE = 2  # the status of scipy's linprog


def contradiction(constraints: Sequence[Projected], x: Tensor) -> tuple[str, ...] | None:
    """Return the names of linear constraints that no input fulfils together, or None.

    A linear program with nothing to minimise (scipy's HiGHS) has a solution, or not. The names are
    of two that contradict each other, where there are two; else of all.

    Args:
        constraints: each narrowed to one candidate; those that are not linear are left out.
        x: ``(1, *x_shape)``, an input of the shape.

    Example:
        >>> from xhat.constraints import Bounds, Halfspace
        >>> beyond = Halfspace(torch.tensor([[-1.0, -1.0]]), -3.0)  # the sum is 3 or more
        >>> contradiction((Bounds(0.0, 1.0), beyond), torch.zeros(1, 2))
        ('Bounds', 'Halfspace')
    """
    named = [
        (c.name, linear) for c in flattened(constraints) if (linear := c.linear(x)) is not None
    ]
    if len(named) < 2 or _possible([linear for _, linear in named], x.numel()):
        return None
    for (one, first), (other, second) in combinations(named, 2):
        if not _possible([first, second], x.numel()):
            return one, other
    return tuple(name for name, _ in named)


def _possible(parts: Sequence[Linear], size: int) -> bool:
    low, high = np.full(size, -np.inf), np.full(size, np.inf)
    for part in parts:
        if part.low is not None:
            low = np.maximum(low, _array(part.low))
        if part.high is not None:
            high = np.minimum(high, _array(part.high))
    slack = 1e-7 * np.maximum(1.0, np.where(np.isfinite(low), np.abs(low), 1.0))
    if bool((low > high + slack).any()):
        return False
    upper = [part.upper for part in parts if part.upper is not None]
    equal = [part.equal for part in parts if part.equal is not None]
    if not upper and not equal:
        return True
    found = linprog(
        np.zeros(size),
        *_stacked(upper),
        *_stacked(equal),
        bounds=np.stack([np.minimum(low, high), high], axis=1),
        method="highs",
    )
    return found.status != _INFEASIBLE


def _stacked(rows: Sequence[tuple[Tensor, Tensor]]) -> tuple[np.ndarray | None, np.ndarray | None]:
    if not rows:
        return None, None
    matrices, values = zip(*rows, strict=True)
    return np.concatenate([_array(m) for m in matrices]), np.concatenate(
        [_array(v) for v in values]
    )


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float64).numpy()
