"""Roots of increasing functions of one number, one for each candidate."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["increasing_root"]

_TURNS = 200  # halvings alone need 64 in float64; Newton's method needs about 6


def increasing_root(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], low: Tensor, high: Tensor
) -> Tensor:
    """Return where an increasing function is 0, by Newton's method kept within a bracket.

    A step that leaves the bracket, or does not halve the function, is followed by a halving of the
    bracket. Each candidate's root depends on its own row only.

    Args:
        function: ``(n,)`` to its values and slopes, ``(n,)`` each.
        low: ``(n,)``, where it is 0 or below.
        high: ``(n,)``, where it is 0 or above.

    Returns:
        ``(n,)``, without a gradient.

    Example:
        >>> cube = lambda s: (s**3 - 8, 3 * s**2)
        >>> zero, ten = torch.zeros(1, dtype=torch.float64), torch.full((1,), 10.0).double()
        >>> float(increasing_root(cube, zero, ten))
        2.0
    """
    with torch.no_grad():
        at = (low + high) / 2
        value, slope = function(at)
        done = value == 0
        for _ in range(_TURNS):
            low, high = torch.where(value <= 0, at, low), torch.where(value >= 0, at, high)
            step = at - value / slope.clamp_min(torch.finfo(slope.dtype).tiny)
            inside = (step > low) & (step < high)
            new = torch.where(inside, step, (low + high) / 2)
            new = torch.where(done, at, new)
            again, slope = function(new)
            slow = inside & ~done & (again.abs() > value.abs() / 2)
            if bool(slow.any()):
                low = torch.where(slow & (again <= 0), new, low)
                high = torch.where(slow & (again >= 0), new, high)
                new = torch.where(slow, (low + high) / 2, new)
                again, slope = function(new)
            done = done | (new == at) | (again == 0) | (high - low <= _rounding(new))
            at, value = new, again
            if bool(done.all()):
                break
        return at


def _rounding(at: Tensor) -> Tensor:
    return 2 * torch.finfo(at.dtype).eps * at.abs()
