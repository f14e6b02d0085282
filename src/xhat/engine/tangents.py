"""Values and slopes of everything that a constrained search looks at, at one point."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from xhat.engine.problem import Problem
from xhat.engine.programs import Slopes
from xhat.engine.quadratic import Array
from xhat.objectives import Measurement

__all__ = ["tangents"]

_MANY = 6  # conditions, from which on their slopes are asked for all at once


def tangents(problem: Problem, z: Tensor) -> tuple[Tensor, Measurement, Slopes]:
    """Return the inputs at ``z``, what the objective says of them, and how all changes with ``z``.

    One pass forward, and one back for the loss and for each condition.

    Args:
        problem: of the ``n`` candidates, with some general constraints.
        z: ``(n, *z_shape)``.

    Returns:
        ``x``; the measurement, without a graph; and slopes in the unit of steppers: of numpy on a
        processor.
    """
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        x = problem.space.decode(z).to(z.dtype)
        found = problem.objective.measure(x, z)
        if x is z:  # then each can have an input of its own, and one pass back is for all of them
            inputs = [z, *(z.detach().requires_grad_(True) for _ in problem.general)]
        else:
            inputs = [z] * (1 + len(problem.general))
        pairs = zip(problem.general, inputs[1:], strict=True)
        parts = [part.values(own if x is z else x) for part, own in pairs]
        slopes = _all_slopes([found.loss[:, None], *parts], inputs, apart=x is z)
    sure, space = found.confidence, problem.space
    bare = Measurement(found.loss.detach(), found.reached, None if sure is None else sure.detach())
    if space.unit is not None:
        slopes = [space.of_units(slope) for slope in slopes]
    values = [found.loss.detach()[:, None], *(part.detach() for part in parts)]
    return x.detach(), bare, _side_by_side(space.in_units(z.detach()), values, slopes)


def _side_by_side(u: Tensor, values: list[Tensor], slopes: list[Tensor]) -> Slopes:
    """Return the values and slopes of loss and conditions together."""
    if u.device.type == "cpu":
        n = len(u)
        row = np.concatenate([value.double().numpy() for value in values], 1)
        rows = np.stack([slope.numpy().reshape(n, -1) for slope in slopes], 1, dtype=np.float64)
        return Slopes(u.numpy().reshape(n, -1).astype(np.float64), *_parted(row, rows))
    row = torch.cat(values, dim=1).double()
    rows = torch.stack([slope.flatten(1) for slope in slopes], dim=1).double()
    return Slopes(u.flatten(1).double(), *_parted(row, rows))


def _parted(row: Array, rows: Array) -> tuple[Array, Array, Array, Array]:
    return row[:, 0], rows[:, 0], row[:, 1:], rows[:, 1:]


def _all_slopes(values: list[Tensor], inputs: list[Tensor], *, apart: bool) -> list[Tensor]:
    """Return the slope of every column of every value by its own input."""
    if apart and all(value.shape[1] == 1 and value.requires_grad for value in values):
        ones = [torch.ones_like(value) for value in values]
        found = torch.autograd.grad(values, inputs, ones, allow_unused=True)
        pairs = zip(found, inputs, strict=True)
        return [torch.zeros_like(z) if slope is None else slope for slope, z in pairs]
    return [slope for value, z in zip(values, inputs, strict=True) for slope in _slopes(value, z)]


def _slopes(values: Tensor, z: Tensor) -> Sequence[Tensor]:
    """Return the slope of every column of ``values``, ``(n, k)``."""
    k = values.shape[1]
    if not values.requires_grad:
        return [torch.zeros_like(z)] * k
    units = torch.eye(k, dtype=values.dtype, device=values.device)[:, None].expand(k, *values.shape)
    slopes = None
    if k >= _MANY:
        try:
            (slopes,) = torch.autograd.grad(
                values, z, units, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
        except RuntimeError:  # of code that cannot be batched so
            slopes = None
    if slopes is not None:
        return slopes.unbind(0)
    found = [
        torch.autograd.grad(values, z, unit, retain_graph=True, allow_unused=True)[0]
        for unit in units
    ]
    return [torch.zeros_like(z) if slope is None else slope for slope in found]
