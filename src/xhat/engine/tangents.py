"""Values and slopes of everything that a constrained search looks at, at one point."""

from collections.abc import Sequence

import torch
from torch import Tensor

from xhat.engine.problem import Problem
from xhat.engine.rows import Rows

__all__ = ["tangents"]

_MANY = 6  # conditions, from which on their slopes are asked for all at once


def tangents(problem: Problem, z: Tensor) -> Rows:
    """Return what objective and constraints are at ``z``, and how they change with it.

    One pass forward, and one back for the loss and for each condition.

    Args:
        problem: of the ``n`` candidates; with ``k`` conditions in its general constraints.
        z: ``(n, *z_shape)``, of ``d`` entries each.

    Returns:
        ``x``; ``loss`` ``(n,)``, its slope ``g`` ``(n, d)``, conditions ``c`` ``(n, k)`` and their
        slopes ``A`` ``(n, k, d)``, in double precision and by the unit of steppers; ``reached`` and
        ``confidence``, or None.
    """
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        x = problem.space.decode(z).to(z.dtype)
        found = problem.objective.measure(x, z)
        parts = [constraint.values(x) for constraint in problem.general]
        loss = found.loss
        slopes = [_slope(loss.sum(), z), *(s for part in parts for s in _slopes(part, z))]
    rows = torch.stack([problem.space.of_units(slope).flatten(1) for slope in slopes], dim=1)
    return {
        "x": x.detach(),
        "loss": loss.detach().double(),
        "g": rows[:, 0].double(),
        "c": torch.cat([part.detach() for part in parts], dim=1).double(),
        "A": rows[:, 1:].double(),
        "reached": found.reached,
        "confidence": None if found.confidence is None else found.confidence.detach(),
    }


def _slope(value: Tensor, z: Tensor) -> Tensor:
    if not value.requires_grad:
        return torch.zeros_like(z)
    (slope,) = torch.autograd.grad(value, z, retain_graph=True, allow_unused=True)
    return torch.zeros_like(z) if slope is None else slope


def _slopes(values: Tensor, z: Tensor) -> Sequence[Tensor]:
    """Return the slope of every column of ``values``, ``(n, k)``."""
    k = values.shape[1]
    if k >= _MANY and values.requires_grad:
        units = torch.eye(k, dtype=values.dtype, device=values.device)[:, None].expand(
            k, *values.shape
        )
        try:
            (slopes,) = torch.autograd.grad(
                values, z, units, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
        except RuntimeError:  # of code that cannot be batched so
            slopes = None
        if slopes is not None:
            return slopes.unbind(0)
    return [_slope(values[:, i].sum(), z) for i in range(k)]
