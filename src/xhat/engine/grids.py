"""Balls on a grid: rounding that never leaves the ball around a point of the grid."""

from typing import Any

import torch
from torch import Tensor

from xhat.constraints import Projected
from xhat.core import per_row
from xhat.spaces import Space

__all__ = ["on_grid", "pulled_in"]

_ROUNDING = 1e-4  # of a step: by how much a start in float32 may miss the grid
_BRINK = 1e-3  # of a step, from the middle between two points


def on_grid(space: Space, center: Tensor) -> bool:
    """Return whether all features have intervals and move on a grid through ``center``, or freely.

    Args:
        space: of the candidates.
        center: ``(n, *x_shape)`` or ``(1, *x_shape)``.
    """
    relaxed = space.relaxed
    if relaxed.intervals() is None or not relaxed.carries:
        return False
    lattice = space.select(torch.zeros(1, dtype=torch.long)).lattice(center[:1])
    if lattice is None or lattice.most is not None or bool((lattice.group >= 0).any()):
        return False
    step = lattice.step[lattice.step > 0]
    return bool(len(step)) and bool((space.violation(center) <= _ROUNDING * step.min()).all())


def pulled_in(space: Space, ball: Any, z: Tensor) -> Tensor:
    """Return ``z`` moved so that what it decodes to, rounded, lies in a ball; idempotent.

    The unrounded input is projected. Then rounding may still leave the ball. As many features as
    needed, those first that rounding moved farthest away from the centre, are put just before the
    brink at which they are rounded towards it instead. All of them together are never farther from
    the centre than the unrounded input.

    Args:
        space: a grid, within intervals.
        ball: around a point of the grid.
        z: ``(n, *z_shape)``.
    """
    relaxed, center = space.relaxed, ball.center
    z = relaxed.project(relaxed.encode(ball.project(relaxed.decode(z))))
    before, x = relaxed.decode(z), space.decode(z)
    slack = 8 * torch.finfo(x.dtype).eps * (1 + x.flatten(1).abs().amax(dim=1))
    if not bool((ball.violation(x) > slack).any()):
        return z
    added = ((x - center).abs() - (before - center).abs()).flatten(1)
    rank = added.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    step = space.select(torch.zeros(1, dtype=torch.long)).lattice(x[:1]).step  # pyright: ignore[reportOptionalMemberAccess]
    back = (torch.sign(x - center).flatten(1).double() * step.to(x.device)).to(x).reshape(x.shape)
    fewest = _fewest(ball, x, x - back, rank, (added > 0).sum(dim=1), slack)
    pulled = (rank < fewest[:, None]).reshape(x.shape)
    return relaxed.encode(torch.where(pulled, x - (0.5 + _BRINK) * back, before))


def _fewest(
    ball: Projected, x: Tensor, pulled: Tensor, rank: Tensor, most: Tensor, slack: Tensor
) -> Tensor:
    """Return how many features must be pulled, by bisection, ``(n,)``."""
    least = torch.where(ball.violation(x) > slack, 1, 0)
    most = torch.maximum(most, least)
    while bool((least < most).any()):
        half = (least + most) // 2
        chosen = (rank < per_row(half, rank)).reshape(x.shape)
        holds = ball.violation(torch.where(chosen, pulled, x)) <= slack
        least, most = torch.where(holds, least, half + 1), torch.where(holds, half, most)
        least = torch.minimum(least, most)
    return least
