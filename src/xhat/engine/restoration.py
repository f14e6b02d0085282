"""Restoration: the shortest way back to where general constraints hold.

Multipliers approach the constraints from outside and stop within a tolerance. What they leave is
removed by Gauss-Newton steps of least norm, ``min ||dz||`` with ``J dz = -r``, over the conditions
that are broken, on ``z`` itself: a move much shorter than the search's own, so that the loss hardly
changes. No Jacobian is ever written down: conjugate gradients on the normal equations ask for its
products only (Hestenes, Stiefel, "Methods of Conjugate Gradients for Solving Linear Systems",
1952), so that thousands of conditions cost as much as one.
"""

import torch
from torch import Tensor

from xhat.core import generator, per_row
from xhat.engine.lagrangian import columns
from xhat.engine.problem import Problem

__all__ = ["Linearized", "restore"]

_STEPS = 25
_AIM = 0.1  # of the tolerance: how far inside an inequality the step goes
_IDLE, _LESS = 8, 0.99  # steps, in one of which the violation must fall to this share
_SHARE = 1e-4  # of what a step promises to remove, below which it is noise, and is not taken
_TURNS = 40  # of conjugate gradients, at most
_PROBES = 32  # directions along which slopes are measured where there are more features


def restore(problem: Problem, z: Tensor, equality: Tensor) -> Tensor:
    """Return search variables near ``z`` that break the general constraints less, or ``z``.

    A candidate for which nothing finite can be computed stays where it is.

    Args:
        problem: of the ``n`` candidates.
        z: ``(n, *z_shape)``.
        equality: ``(1, k)`` booleans, which conditions must be 0.
    """
    aim = _AIM * problem.tolerance
    best, least = z, _worst(_residuals(_conditions(problem, z), equality, 0.0))
    length, rounding = torch.ones_like(least), 8 * torch.finfo(least.dtype).eps
    free, idle = torch.ones_like(z), torch.zeros_like(least)
    for _ in range(_STEPS):
        # each ends by itself, whoever is beside it
        going = (least > aim) & (length >= _HOPELESS) & (idle < _IDLE)
        if not bool(going.any()):
            break
        step = problem.space.of_units(_step(problem, best, equality, free))
        wanted = best + per_row(length, z) * step
        trial = problem.project(wanted)
        found = _worst(_residuals(_conditions(problem, trial), equality, 0.0))
        better = going & (found < least * (1 - (_SHARE * length).clamp_min(rounding)))
        idle = torch.where(found < _LESS * least, 0.0, idle + 1)
        stopped = (trial != wanted) & (trial == best)  # at a bound, going outward
        free = torch.where(stopped, 0.0, free)
        best = torch.where(per_row(better, z), trial, best)
        least = torch.where(better, found, least)
        shorter = ~better & ~stopped.flatten(1).any(dim=1)
        length = torch.where(better, 1.0, torch.where(shorter, length / 3, length))
    return best


def _step(problem: Problem, z: Tensor, equality: Tensor, free: Tensor) -> Tensor:
    """Return the step that removes, to first order, what is broken."""
    here = Linearized(problem, z)
    broken = _residuals(here.values, equality, _AIM * problem.tolerance)
    return _least_norm(here, broken.nan_to_num(0.0, 0.0, 0.0), free)


class Linearized:
    """The conditions near some ``z``, and products with their Jacobian ``J``.

    Directions are in the unit of steppers.

    Attributes:
        values: ``(n, k)``, at ``z``.
    """

    def __init__(self, problem: Problem, z: Tensor) -> None:
        self.problem = problem
        with torch.enable_grad():
            self.z = z.detach().requires_grad_(True)
            self._graph = columns(problem.general, problem.space.decode(self.z))
        self.values = self._graph.detach()

    def back(self, weights: Tensor) -> Tensor:
        """Return ``J^T w`` of ``(n, k)`` weights, ``(n, *z_shape)``; 0 where it is not finite."""
        gradient = None
        if self._graph.requires_grad:
            (gradient,) = torch.autograd.grad(
                self._graph, self.z, weights, retain_graph=True, allow_unused=True
            )
        gradient = torch.zeros_like(self.z) if gradient is None else gradient
        return self.problem.space.of_units(gradient).nan_to_num(0.0, 0.0, 0.0)

    def along(self, direction: Tensor) -> Tensor:
        """Return ``J v`` of ``(n, *z_shape)`` directions, ``(n, k)``; 0 where it is not finite.

        By central differences: they need no second derivative, which many models do not have.
        """
        z, space = self.z.detach(), self.problem.space
        reach = torch.finfo(z.dtype).eps ** (1 / 3) * (1 + _largest(space.in_units(z)))
        size = reach / _largest(direction).clamp_min(torch.finfo(z.dtype).tiny)
        move = space.of_units(per_row(size, z) * direction)
        ahead, behind = (_conditions(self.problem, z + sign * move) for sign in (1, -1))
        return ((ahead - behind) / (2 * size[:, None])).nan_to_num(0.0, 0.0, 0.0)

    def steepness(self) -> Tensor:
        """Return about how steep each condition is, ``(n, k)``.

        The largest component of its gradient, where few conditions or features make it affordable;
        else its length, estimated along random directions (Hutchinson, 1990).
        """
        (n, k), size = self.values.shape, self.z[0].numel()
        if k <= _PROBES:
            units = torch.eye(k, dtype=self.values.dtype, device=self.values.device)
            return torch.stack([_largest(self.back(unit.expand(n, k))) for unit in units], dim=1)
        units = torch.eye(size, dtype=self.z.dtype)
        if size > _PROBES:
            random = torch.rand((_PROBES, size), generator=generator(0, "steepness"))
            units = (random < 0.5).to(self.z.dtype) * 2 - 1
        ways = units.to(self.z.device).reshape(-1, 1, *self.z.shape[1:])
        found = torch.stack([self.along(way.expand_as(self.z)) for way in ways])
        return found.abs().amax(dim=0) if size <= _PROBES else found.square().mean(dim=0).sqrt()


def _least_norm(here: Linearized, residuals: Tensor, free: Tensor) -> Tensor:
    """Return the shortest step, among free features, that removes what is broken to first order."""
    broken = (residuals != 0).to(residuals)
    step, left = torch.zeros_like(here.z), -residuals
    downhill = here.back(left) * free
    way, size = downhill, _square(downhill)
    enough = torch.finfo(size.dtype).eps * size  # the square of a relative tolerance
    for _ in range(min(_TURNS, residuals.shape[1], here.z[0].numel())):
        going = size > enough
        if not bool(going.any()):
            break
        ahead = here.along(way) * broken
        pace = torch.where(going, size / _square(ahead), 0.0).nan_to_num(0.0, 0.0, 0.0)
        step = step + per_row(pace, step) * way
        left = left - pace[:, None] * ahead
        downhill = here.back(left) * free
        now = _square(downhill)
        turn = torch.where(going, now / size, 0.0).nan_to_num(0.0, 0.0, 0.0)
        way, size = downhill + per_row(turn, way) * way, torch.where(going, now, size)
    return step


def _conditions(problem: Problem, z: Tensor) -> Tensor:
    with torch.no_grad():
        return columns(problem.general, problem.space.decode(z))


def _residuals(conditions: Tensor, equality: Tensor, aim: float) -> Tensor:
    """Return what must vanish; ``aim`` inside for inequalities, so that they truly hold."""
    inside = torch.where(conditions > 0, conditions + aim, 0.0)
    return torch.where(equality, conditions, inside)


def _worst(residuals: Tensor) -> Tensor:
    return residuals.abs().amax(dim=1).nan_to_num(torch.inf)


def _largest(values: Tensor) -> Tensor:
    return values.flatten(1).abs().amax(dim=1)


def _square(values: Tensor) -> Tensor:
    return values.flatten(1).square().sum(dim=1)


_HOPELESS = 1e-6  # the share of a step below which shortening it further helps nothing
