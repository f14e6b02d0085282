"""Small quadratic programs, one for each candidate, all in one batch.

    minimise  g^T p + p^T B p / 2   where  low <= p <= high   and   c + A p <= 0 (or = 0)

Its optimality conditions ask for ``v = (p, multipliers)`` between bounds such that each entry of
``M v + q`` is 0, or points out of the bound that the entry lies on, with
``M = [[B, A^T], [-A, d]]`` and ``q = (g, -c)``. Multipliers are bounded as well: what the linear
conditions cannot hold then costs that much a unit (the elastic program of Fletcher, "Practical
Methods of Optimization", 1987), so that there is always an answer. A small ``d`` makes it unique
where conditions repeat each other.

First a few turns of active sets: entries are guessed to be free or on a bound, the free ones solved
for, and wrong guesses exchanged (Hintermueller, Ito, Kunisch, "The Primal-Dual Active Set Strategy
as a Semismooth Newton Method", 2002). The guess of the program before is mostly right, and then one
solve is all. Where that does not end, an interior point method takes over, which nearly always does
in some 15 solves (Mehrotra, "On the Implementation of a Primal-Dual Interior Point Method", 1992).
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Array", "Guess", "library", "solve_box"]

Array = Any
"""A numpy array, or a tensor; ``library`` says by what it is computed with."""
Guess = tuple[Array, Array]
"""``(n, m)`` booleans each: which entries are on their lower bound, and which on their upper."""

_TURNS = 6  # of active sets
_INNER = 30  # of the interior point method
_POLISH = 2  # of active sets, after it
_BLIND = 3, 16  # of both, where nothing is read back from the device
_CLOSE = 1e-11  # relative: how near to its bounds an entry is called right
_SMALL = 1e-10  # relative: the gap at which the interior point method ends
_FEW = 16  # programs
_BACK = 0.995  # of the way to the nearest bound


def library(array: Array) -> Any:
    """Return numpy or torch: what is used here, they name alike.

    Of a few numbers numpy computes several times as fast; it works on processors only.
    """
    return torch if isinstance(array, Tensor) else np


def solve_box(
    matrix: Array, offset: Array, low: Array, high: Array, guess: Guess | None = None
) -> tuple[Array, Guess]:
    """Return ``v`` between bounds, where ``matrix v + offset`` is 0 or points out of a bound.

    Args:
        matrix: ``(n, m, m)``, positive definite, though not symmetric; in double precision.
        offset: ``(n, m)``.
        low: ``(n, m)``, may be minus infinity.
        high: ``(n, m)``, not below.
        guess: where to begin; None for what a step along ``-offset`` shows.

    Returns:
        ``v``, ``(n, m)``, and the guess that goes with it.

    Example:
        >>> square, ends = np.eye(2)[None], np.array([[1.0, 1.0]])
        >>> solve_box(square, np.array([[-0.5, -3.0]]), -ends, ends)[0]
        array([[0.5, 1. ]])
    """
    if guess is None:
        guess = (-offset <= low, -offset >= high)
    if isinstance(matrix, Tensor):
        v, guess, off = _by_guesses(matrix, offset, low, high, guess, _BLIND[0])
        inner, at = _by_inner_points(matrix, offset, low, high)
        pairs = ((inner, v), (at[0], guess[0]), (at[1], guess[1]))
        v, *both = (torch.where(off[:, None], new, old) for new, old in pairs)
        return v, (both[0], both[1])
    v, guess, off = _by_guesses(matrix, offset, low, high, guess, _TURNS)
    if off.any():
        part = (torch.from_numpy(each[off]) for each in (matrix, offset, low, high))
        inner, at = _by_inner_points(*part)
        v[off], guess[0][off], guess[1][off] = inner, at[0], at[1]
    return v, guess


def _by_guesses(
    matrix: Array, offset: Array, low: Array, high: Array, guess: Guess, turns: int
) -> tuple[Array, Guess, Array]:
    """Return ``v``, its guess, and in which rows it is wrong."""
    xp = library(matrix)
    while True:
        at_low, at_high = guess
        held = at_low | at_high
        fixed = xp.where(at_low, low, xp.where(at_high, high, offset * 0))
        v = _solved_free(matrix, offset, fixed, held)
        slack = (matrix @ v[:, :, None])[:, :, 0] + offset
        wanted = xp.where(held, v - slack, v)
        inside = xp.minimum(xp.maximum(wanted, low), high)
        off = (abs(v - inside) > _CLOSE * (1 + abs(v))).any(1)
        turns -= 1
        if turns == 0 or (xp is np and not off.any()):
            return xp.minimum(xp.maximum(v, low), high), guess, off
        to_low, to_high = (wanted <= low) & ~at_high, (wanted >= high) & ~at_low
        yes = off[:, None]  # who is right stays so, whoever is beside
        guess = (xp.where(yes, to_low, at_low), xp.where(yes, to_high, at_high))


def _solved_free(matrix: Array, offset: Array, fixed: Array, held: Array) -> Array:
    """Return ``v``, the held entries as they are fixed, the others such that nothing is left."""
    left = library(matrix).where(held, fixed, -offset - (matrix @ fixed[:, :, None])[:, :, 0])
    crossed: Any = held[:, :, None] | held[:, None, :]
    if isinstance(crossed, Tensor):
        eye = torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device)
        found, _ = torch.linalg.solve_ex(torch.where(crossed, eye, matrix), left)
        return found.nan_to_num(0.0, 0.0, 0.0)
    return _solved(np.where(crossed, np.eye(matrix.shape[1]), matrix), left)


def _solved(square: Any, right: Any) -> Any:
    """Return the solutions, ``(n, m)``, 0 where there is none: few by numpy, many by torch."""
    if len(square) <= _FEW:
        try:
            return np.linalg.solve(square, right[:, :, None])[:, :, 0]
        except np.linalg.LinAlgError:  # of one of them
            pass
    found, failed = torch.linalg.solve_ex(torch.from_numpy(square), torch.from_numpy(right))
    found = found.numpy()
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0) if failed.any() else found


def _by_inner_points(
    matrix: Tensor, offset: Tensor, low: Tensor, high: Tensor
) -> tuple[Tensor, Guess]:
    """Return ``v`` by following the central path, and which entries are on their bounds."""
    ends = torch.stack([low, high])
    there, sign = ends.isfinite(), torch.tensor([1.0, -1.0]).to(matrix)[:, None, None]
    ends, bounds = ends.nan_to_num(0.0, 0.0, 0.0), there.sum(dim=(0, 2)).clamp_min(1)
    inset = torch.where(there.all(dim=0), ((high - low) / 2).clamp_max(1.0), 1.0)
    v = torch.zeros_like(offset).clamp(low + inset, high - inset)
    size = 1 + offset.abs().amax(dim=1)
    push = torch.where(there, size[:, None], 0.0)  # of the bounds, (2, n, m)
    best, least = v, torch.full_like(size, torch.inf)
    reads = matrix.device.type == "cpu"
    for _ in range(_INNER if reads else _BLIND[1]):
        gap = torch.where(there, sign * (v - ends), 1.0)
        slack = (matrix @ v[:, :, None])[:, :, 0] + offset
        left = slack - push[0] + push[1]
        mean = (gap * push).sum(dim=(0, 2)) / bounds
        error = left.abs().amax(dim=1) + mean
        better = error < least
        best, least = torch.where(better[:, None], v, best), torch.where(better, error, least)
        if reads and not bool((least > _SMALL * size).any()):
            break
        ratio = push / gap
        factors, pivots, _ = torch.linalg.lu_factor_ex(matrix + torch.diag_embed(ratio.sum(dim=0)))

        def step(aim: Tensor) -> tuple[Tensor, Tensor]:
            """Return the moves of ``v`` and of ``push`` that make ``gap * push`` the aim."""
            wanted = aim / gap  # noqa: B023
            right = -slack + wanted[0] - wanted[1]  # noqa: B023
            move = torch.linalg.lu_solve(factors, pivots, right[:, :, None])[:, :, 0]  # noqa: B023
            return move, wanted - push - sign * ratio * move  # noqa: B023

        none = torch.zeros_like(push)
        move, change = step(none)
        reach = _reach(gap, sign * move, push, change, there)
        ahead = (gap + reach * sign * move) * (push + reach * change)
        centred = (torch.where(there, ahead, 0.0).sum(dim=(0, 2)) / bounds / mean).pow(3)
        aim = (centred * mean).nan_to_num(0.0)[:, None] - sign * move * change
        move, change = step(torch.where(there, aim, 0.0))
        reach = _BACK * _reach(gap, sign * move, push, change, there)
        v = (v + reach * move).nan_to_num(0.0)
        push = (push + reach * change).nan_to_num(0.0).clamp_min(0.0) * there
    gap = torch.where(there, sign * (best - ends), torch.inf)
    slack = (matrix @ best[:, :, None])[:, :, 0] + offset
    v, guess, off = _by_guesses(
        matrix, offset, low, high, (gap[0] < slack, gap[1] < -slack), _POLISH
    )
    return torch.where(off[:, None], best, v), guess


def _reach(gap: Tensor, move: Tensor, push: Tensor, change: Tensor, there: Tensor) -> Tensor:
    """Return how far, at most 1, gaps and pushes can go without one below 0, ``(n, 1)``."""
    ends = torch.stack([-gap / move, -push / change])
    falls = torch.stack([move < 0, change < 0]) & there
    return torch.where(falls, ends, 1.0).amin(dim=(0, 1, 3)).clamp(0.0, 1.0)[:, None]
