"""One step of sequential quadratic programming for every candidate, on arrays alone.

At a point ``u`` the loss is replaced by a parabola, conditions by their tangents. The step ``p``
that solves this quadratic program is tried at full length, and judged by the merit

    loss + sum_j weight_j * violation_j

with weights that follow the multipliers (Powell, "A Fast Algorithm for Nonlinearly Constrained
Optimization Calculations", 1978). A trial that is refused is first corrected by the curvature of
the conditions, which it has shown, and then shortened. The parabola's curvature is learnt by damped
BFGS updates (Powell, 1978). The whole as in Nocedal, Wright, "Numerical Optimization" (2006),
chapter 18, and Kraft, "A Software Package for Sequential Quadratic Programming" (1988), whose
weights and line search these are.

Every trial is one step of the loop, so that candidates in different phases share one batch. Loss
and conditions are scaled by their slopes at the start.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch

from xhat.engine.quadratic import Array, Guess, library, solve_box

__all__ = ["Memory", "Slopes", "Why", "broken", "fresh", "set_out"]

Memory = dict[str, Array]
"""By name what is known of candidates, with one row each; numpy on a processor, else torch."""

_FULL, _CORRECTED, _SHORTENED = 0, 1, 2
_DECREASE = 0.1  # of what the tangents promise
_SHORTER = 0.1, 0.5  # of a length that was refused
_SHORTEST = 1e-6
_CAP = 1e4  # multipliers of what linear conditions cannot hold
_UNIQUE = 1e-9
_DAMPED = 0.2
_FLATTEST, _STEEPEST = 1e-4, 1e4  # curvature that the first pair of points may show
_SMALLEST_SCALE = 1e-8
_NOISE = 8  # roundings of a merit
_ENOUGH = {torch.float32: 1e-6, torch.float64: 1e-9}  # relative: what is still to be gained


class Why(IntEnum):
    """Why a candidate leaves."""

    STAYS = 0
    CONVERGED = -1
    STUCK = -2
    FLAT = -3
    BAD_LOSS = -4
    BAD_GRADIENT = -5


@dataclass(frozen=True)
class Slopes:
    """Losses, conditions, and their slopes at ``u``, all in double precision.

    Attributes:
        u: ``(n, d)``.
        f: ``(n,)``, the loss.
        g: ``(n, d)``, its slope.
        c: ``(n, k)``, the conditions.
        a: ``(n, k, d)``, their slopes.
    """

    u: Array
    f: Array
    g: Array
    c: Array
    a: Array

    def scaled(self, scale: Array, scales: Array) -> "Slopes":
        """Return the same with the loss times ``scale``, and the conditions times ``scales``."""
        return Slopes(
            self.u,
            scale * self.f,
            scale[:, None] * self.g,
            scales * self.c,
            scales[:, :, None] * self.a,
        )


def broken(conditions: Array, sign: Array) -> Array:
    """Return by how much conditions are broken, ``(n, k)``.

    Args:
        conditions: ``(n, k)``.
        sign: -1 where a condition must be 0, and 0 where it may be below.
    """
    return library(conditions).maximum(conditions, sign * conditions)


def fresh(at: Slopes, low: Array, high: Array, sign: Array) -> Memory:
    """Return the memory of candidates that begin somewhere.

    Args:
        at: what is seen there.
        low: ``(n, d)``, of ``u``.
        high: ``(n, d)``.
        sign: ``(n, k)``, as ``broken`` takes it.
    """
    xp, zero, zeros = library(at.u), 0 * at.u[:, 0], 0 * at.u
    none = xp.zeros_like(at.c)
    scale = 1 / xp.amax(xp.nan_to_num(abs(at.g), nan=1.0), 1).clip(1)
    scales = 1 / xp.amax(xp.nan_to_num(abs(at.a), nan=1.0), 2).clip(1)
    off = abs(at.u) < 0
    return {
        "u": at.u, "f": zero, "g": zeros, "c": none, "a": xp.zeros_like(at.a),
        "low": low, "high": high, "sign": sign,
        "scale": scale, "scales": scales.clip(_SMALLEST_SCALE),
        "curvature": zeros[:, :, None] + _eye(at.u, at.u.shape[1]), "learnt": zero > 0,
        "multipliers": none, "weights": none,
        "merit": zero + xp.inf, "drop": zero, "length": zero + 1, "p": zeros, "phase": zero,
        "at_low": xp.concatenate([off, (sign == 0) & (at.c < 0)], 1),
        "at_high": xp.concatenate([off, none > 0], 1),
        "resets": zero,
    }  # fmt: skip


def set_out(
    had: Memory, seen: Slopes, tolerance: float, dtype: torch.dtype
) -> tuple[Memory, Array, Array]:
    """Accept trials or not, and say where to look next.

    Args:
        had: the memory.
        seen: what is seen at the trials.
        tolerance: of violations.
        dtype: in which loss and conditions were computed.

    Returns:
        The next memory; ``(n, d)``, the next trials; and ``(n,)``, whom that leaves, and ``Why``.
    """
    here, first = seen.scaled(had["scale"], had["scales"]), had["merit"] == np.inf
    excess, eps = broken(here.c, had["sign"]), torch.finfo(dtype).eps
    merit = here.f + (had["weights"] * excess).sum(1)
    sound = abs(merit) < np.inf
    finite = sound & (abs(here.g.sum(1) + here.a.sum((1, 2))) < np.inf)
    noise = _NOISE * eps * (had["scale"] + abs(here.f))
    bar = had["merit"] + _DECREASE * had["length"] * had["drop"] + noise
    accepted = finite & (merit <= bar)
    if library(merit) is np and accepted.all():
        lost = correct = ~accepted
    else:
        short = had["length"] * _largest(had["p"]) < eps * (1 + _largest(had["u"]))
        lost = (had["length"] < _SHORTEST) | short
        lost &= ~accepted & ~first & (had["phase"] != _FULL)
        worse = excess.sum(1) > broken(had["c"], had["sign"]).sum(1)
        correct = ~accepted & ~lost & finite & worse & (had["phase"] == _FULL)
    anew = accepted | lost
    new = _moved(had, here, accepted, lost, first)
    bent = here.c - (had["a"] @ had["p"][:, :, None])[:, :, 0]
    v, guess = _solved(new, _where(correct, bent, new["c"]))
    to = _planned(new, v, guess, anew, correct, merit)
    why = _why(new, first, anew, lost, finite, sound, tolerance, dtype)
    new["resets"] = _where(accepted, 0 * had["resets"], had["resets"] + lost)
    return new, to, why


def _moved(had: Memory, here: Slopes, accepted: Array, lost: Array, first: Array) -> Memory:
    """Return the memory with the point where it was accepted, and the curvature there."""
    new = dict(had)
    for name, value in vars(here).items():
        new[name] = _where(accepted, value, had[name])
    curvature = _where(accepted, _learnt(had, here), had["curvature"])
    eye = 0 * curvature + _eye(curvature, curvature.shape[1]) if _some(lost) else curvature
    new["curvature"] = _where(lost, eye, curvature)
    new["learnt"] = (had["learnt"] | (accepted & ~first)) & ~lost
    return new


def _learnt(had: Memory, here: Slopes) -> Array:
    """Return the curvature after a step, by Powell's damped BFGS update."""
    xp, curvature = library(here.u), had["curvature"]
    step = here.u - had["u"]
    pulls = (had["multipliers"][:, None, :] @ (here.a - had["a"]))[:, 0]
    change = here.g - had["g"] + pulls
    along = (step * change).sum(1)
    straight = ((change * change).sum(1) / along).clip(_FLATTEST, _STEEPEST)
    begins = ~had["learnt"] & (along > 0)
    curvature = curvature * xp.where(begins, straight, 1.0)[:, None, None]
    bent = (curvature @ step[:, :, None])[:, :, 0]
    size = (step * bent).sum(1)
    share = (1 - _DAMPED) * size / (size - along)
    share = xp.where(along >= _DAMPED * size, 1.0, share)
    blend = bent + share[:, None] * (change - bent)
    rises = (step * blend).sum(1)
    less = (bent / size[:, None])[:, :, None] * bent[:, None, :]
    more = (blend / rises[:, None])[:, :, None] * blend[:, None, :]
    new = curvature - less + more
    moved = (size > 0) & (rises > 0) & (abs(new.sum((1, 2))) < np.inf)
    return _where(moved, new, had["curvature"])


def _solved(at: Memory, conditions: Array) -> tuple[Array, Guess]:
    """Solve the quadratic program at the point, with these values of the conditions there."""
    xp, a, u = library(conditions), at["a"], at["u"]
    (n, k), d = conditions.shape, u.shape[1]
    matrix = u.new_zeros(n, d + k, d + k) if xp is torch else np.zeros((n, d + k, d + k))
    matrix[:, :d, :d], matrix[:, :d, d:], matrix[:, d:, :d] = at["curvature"], a.swapaxes(1, 2), -a
    matrix[:, d:, d:] = _UNIQUE * _eye(u, k)
    near = _UNIQUE * at["multipliers"]  # so that, once they stand, nothing pulls them
    offset = xp.concatenate([at["g"], -conditions - near], 1)
    low = xp.concatenate([at["low"] - u, _CAP * at["sign"]], 1)
    high = xp.concatenate([at["high"] - u, _CAP + 0 * conditions], 1)
    return solve_box(matrix, offset, low, high, (at["at_low"], at["at_high"]))


def _planned(
    new: Memory, v: Array, guess: Guess, anew: Array, correct: Array, merit: Array
) -> Array:
    """Return what is tried next: a step anew, one that is corrected, or one that is shortened."""
    xp, d = library(v), new["u"].shape[1]
    p, size = v[:, :d], abs(v[:, d:])
    correct = correct & (((p - new["p"]) ** 2).sum(1) <= (new["p"] ** 2).sum(1))
    weights = xp.maximum(size, (new["weights"] + size) / 2)
    shorter = new["length"]
    if library(v) is torch or not anew.all():
        least = _shortened(merit - new["merit"], shorter * new["drop"])
        shorter = shorter * xp.where(correct, 1.0, least)
    chosen = {"p": p, "multipliers": v[:, d:], "weights": weights}
    chosen |= {"at_low": guess[0], "at_high": guess[1]}
    for name, value in chosen.items():
        new[name] = _where(anew, value, new[name])
    excess = broken(new["c"], new["sign"])
    left = broken(new["c"] + (new["a"] @ new["p"][:, :, None])[:, :, 0], new["sign"])
    drop = (new["g"] * new["p"]).sum(1) - (new["weights"] * (excess - left)).sum(1)
    new["drop"] = _where(anew, drop, new["drop"])
    at = new["f"] + (new["weights"] * excess).sum(1)
    new["merit"] = _where(anew, at, new["merit"])
    new["length"] = _where(anew, 0 * shorter + 1, shorter)
    new["phase"] = xp.where(anew, _FULL, xp.where(correct, _CORRECTED, _SHORTENED))
    return new["u"] + _where(correct, p, new["length"][:, None] * new["p"])


def _shortened(rise: Array, promised: Array) -> Array:
    """Return by what to shorten a refused trial: to the least of the parabola through it."""
    least = -promised / (2 * (rise - promised))
    return library(rise).nan_to_num(least, nan=_SHORTER[0]).clip(*_SHORTER)


def _why(
    new: Memory, first: Array, anew: Array, lost: Array, finite: Array, sound: Array,
    tolerance: float, dtype: torch.dtype,
) -> Array:  # fmt: skip
    xp = library(first)
    gain = abs((new["g"] * new["p"]).sum(1)) + abs(new["multipliers"] * new["c"]).sum(1)
    worst = xp.amax(broken(new["c"], new["sign"]) / new["scales"], 1)
    size, enough = new["scale"] + abs(new["f"]), _ENOUGH[dtype]
    holds = worst <= tolerance / 2
    idle = _largest(new["p"]) <= torch.finfo(dtype).eps * (1 + _largest(new["u"]))
    nearly = (gain <= enough**0.5 * size) & (worst <= tolerance)
    hopeless = (lost & (new["resets"] > 0)) | (anew & idle & ~holds)
    converged = (anew & (gain <= enough * size) & holds) | (hopeless & nearly)
    why = int(Why.CONVERGED) * converged + int(Why.STUCK) * (hopeless & ~converged)
    if _some(first):
        flat = first & finite & (new["g"] == 0).all(1) & (new["p"] == 0).all(1)
        why = xp.where(flat, int(Why.FLAT), why)
        bad = xp.where(sound, int(Why.BAD_GRADIENT), int(Why.BAD_LOSS))
        why = xp.where(first & ~finite, bad, why)
    return why


def _largest(values: Array) -> Array:
    return library(values).amax(abs(values), 1)


def _eye(like: Array, size: int) -> Array:
    return torch.eye(size).to(like) if library(like) is torch else np.eye(size)


def _some(which: Array) -> bool:
    """Return whether some are chosen; yes, where reading it would wait for a device."""
    return library(which) is torch or bool(which.any())


def _where(which: Array, one: Array, other: Array) -> Array:
    xp = library(which)
    if xp is np:  # reading costs next to nothing, and most often all are of one kind
        if which.all():
            return one
        if not which.any():
            return other
    return xp.where(which.reshape(-1, *[1] * (one.ndim - 1)), one, other)
