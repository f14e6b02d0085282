"""Restoration: the shortest way back to where general constraints hold.

Multipliers approach the constraints from outside and stop within a tolerance. What they leave is
removed by Gauss-Newton steps of least norm, ``dz = -J^T (J J^T)^+ r``, over the conditions that are
broken, on ``z`` itself: a move much shorter than the search's own, so that the loss hardly changes.
"""

import torch
from torch import Tensor

from xhat.core import per_row
from xhat.problem import Problem
from xhat.solve.lagrangian import columns

__all__ = ["restore", "slopes"]

_STEPS = 25
_AIM = 0.1  # of the tolerance: how far inside an inequality the step goes


def restore(problem: Problem, z: Tensor, equality: Tensor) -> Tensor:
    """Return search variables near ``z`` that break the general constraints less, or ``z``.

    Args:
        problem: of the ``n`` candidates.
        z: ``(n, *z_shape)``.
        equality: ``(1, k)`` booleans, which conditions must be 0.
    """
    aim = _AIM * problem.tolerance
    best, least = z, _worst(_residuals(_conditions(problem, z), equality, 0.0))
    length = torch.ones_like(least)
    free = torch.ones_like(z.flatten(1))
    for _ in range(_STEPS):
        if bool((least <= aim).all()):
            break
        conditions, jacobian = _linear(problem, best)
        broken = _residuals(conditions, equality, aim)
        step = _least_norm(jacobian * free[:, None], broken).reshape(z.shape)
        wanted = best + per_row(length, z) * step
        trial = problem.project(wanted)
        found = _worst(_residuals(_conditions(problem, trial), equality, 0.0))
        better = found < least
        stopped = ((trial != wanted) & (trial == best)).flatten(1)  # at a bound, going outward
        free = torch.where(stopped, 0.0, free)
        best = torch.where(per_row(better, z), trial, best)
        least = torch.where(better, found, least)
        shorter = ~better & ~stopped.any(dim=1)
        length = torch.where(better, 1.0, torch.where(shorter, length / 3, length))
    return best


def slopes(values: Tensor, z: Tensor) -> Tensor:
    """Return the gradient of each column with respect to ``z``: ``(n, k, size of z)``."""
    found = []
    for column in values.unbind(dim=1):
        gradient = None
        if column.requires_grad:
            (gradient,) = torch.autograd.grad(column.sum(), z, retain_graph=True, allow_unused=True)
        found.append(torch.zeros_like(z) if gradient is None else gradient)
    return torch.stack([gradient.flatten(1) for gradient in found], dim=1)


def _conditions(problem: Problem, z: Tensor) -> Tensor:
    with torch.no_grad():
        return columns(problem.general, problem.space.decode(z))


def _linear(problem: Problem, z: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        conditions = columns(problem.general, problem.space.decode(z))
        jacobian = slopes(conditions, z)
    return conditions.detach(), jacobian.nan_to_num(0.0)


def _residuals(conditions: Tensor, equality: Tensor, aim: float) -> Tensor:
    """Return what must vanish; ``aim`` inside for inequalities, so that they truly hold."""
    inside = torch.where(conditions > 0, conditions + aim, 0.0)
    return torch.where(equality, conditions, inside)


def _worst(residuals: Tensor) -> Tensor:
    return residuals.abs().amax(dim=1).nan_to_num(torch.inf)


def _least_norm(jacobian: Tensor, residuals: Tensor) -> Tensor:
    rows = jacobian * (residuals != 0)[..., None]
    square = rows @ rows.mT
    inverse = torch.linalg.pinv(square, hermitian=True, rtol=1e-9)
    return -(rows.mT @ (inverse @ residuals.nan_to_num(0.0)[..., None]))[..., 0]
