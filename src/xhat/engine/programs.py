"""One step of sequential quadratic programming for every candidate, on tensors alone.

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

from enum import IntEnum

import torch
from torch import Tensor

from xhat.engine.quadratic import solve_box
from xhat.engine.rows import Rows

__all__ = ["Why", "begun", "broken", "set_out"]

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


def broken(conditions: Tensor, equality: Tensor) -> Tensor:
    """Return by how much conditions are broken, ``(n, k)``."""
    return torch.where(equality, conditions.abs(), conditions.clamp_min(0))


def begun(u: Tensor, first: Rows, low: Tensor, high: Tensor, equality: Tensor) -> Rows:
    """Return the memory of candidates that begin at ``u``.

    Args:
        u: ``(n, d)``, in the unit of steppers.
        first: what ``tangents`` says there.
        low: ``(n, d)``, of ``u``.
        high: ``(n, d)``.
        equality: ``(n, k)`` booleans, which conditions must be 0.
    """
    (n, k), d = first["c"].shape, u.shape[1]
    zero, none = u.new_zeros(n), u.new_zeros(n, k)
    size = first["A"].nan_to_num(1.0).abs().amax(dim=2).clamp_min(1)
    return {
        "u": u, "f": zero, "g": torch.zeros_like(u), "c": none, "A": torch.zeros_like(first["A"]),
        "low": low, "high": high, "equality": equality,
        "scale": (1 / first["g"].nan_to_num(1.0).abs().amax(dim=1).clamp_min(1)),
        "scales": (1 / size).clamp_min(_SMALLEST_SCALE),
        "B": torch.eye(d, dtype=u.dtype, device=u.device).repeat(n, 1, 1),
        "learnt": torch.zeros_like(zero, dtype=torch.bool),
        "multipliers": none, "weights": none,
        "merit": torch.full_like(zero, torch.inf), "drop": zero, "length": torch.ones_like(zero),
        "p": torch.zeros_like(u), "to": u,
        "phase": torch.zeros(n, dtype=torch.long, device=u.device),
        "at_low": torch.cat([u.isnan(), ~equality & (first["c"] < 0)], dim=1),
        "at_high": torch.zeros(n, d + k, dtype=torch.bool, device=u.device),
        "resets": zero, "taken": zero,
    }  # fmt: skip


def set_out(
    state: Rows, u: Tensor, seen: Rows, tolerance: float, dtype: torch.dtype
) -> tuple[Rows, Tensor]:
    """Accept the trial or not, and say where to look next.

    Args:
        state: the memory.
        u: ``(n, d)``, the trial, in the unit of steppers.
        seen: what ``tangents`` says there.
        tolerance: of violations.
        dtype: in which loss and conditions were computed.

    Returns:
        The next memory, whose ``to`` is the next trial; and ``(n,)``, whom that leaves, and why.
    """
    here = _scaled(state, u, seen)
    excess = broken(here["c"], state["equality"])
    merit = here["f"] + (state["weights"] * excess).sum(dim=1)
    loss_ok = torch.isfinite(merit)
    finite = loss_ok & torch.isfinite((0 * here["g"]).sum(dim=1) + (0 * here["A"]).sum(dim=(1, 2)))
    noise = _NOISE * torch.finfo(dtype).eps * (state["scale"] + here["f"].abs())
    bar = state["merit"] + _DECREASE * state["length"] * state["drop"] + noise
    accepted = finite & (merit <= bar)
    first = state["merit"].isinf()

    learnt = _learnt(state, here)
    short = state["length"] * state["p"].abs().amax(dim=1)
    dead = (state["length"] < _SHORTEST) | (
        short < torch.finfo(dtype).eps * (1 + state["u"].abs().amax(dim=1))
    )
    lost = ~accepted & ~first & dead & (state["phase"] != _FULL)
    anew = accepted | lost
    correct = ~anew & finite & (state["phase"] == _FULL)
    correct &= excess.sum(dim=1) > broken(state["c"], state["equality"]).sum(dim=1)

    new = dict(state)
    for name in ("u", "f", "g", "c", "A"):
        new[name] = _where(accepted, here[name], state[name])
    new["B"] = _where(accepted, learnt, state["B"])
    eye = torch.eye(u.shape[1], dtype=u.dtype, device=u.device)
    new["B"] = _where(lost, eye.expand_as(new["B"]), new["B"])
    new["learnt"] = (state["learnt"] | (accepted & ~first)) & ~lost
    tangent = here["c"] - (state["A"] @ state["p"][:, :, None])[:, :, 0]
    bent = _where(correct, tangent, new["c"])
    v, guess = _program(new, bent)
    _plan(new, v, guess, anew, correct, merit)
    why = _why(state, new, seen, anew, lost, finite, loss_ok, tolerance, dtype)
    new["resets"] = torch.where(accepted, 0.0, state["resets"] + lost)
    new["taken"] = state["taken"] + accepted
    return new, why


def _where(which: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return torch.where(which.reshape(-1, *[1] * (one.ndim - 1)), one, other)


def _scaled(state: Rows, u: Tensor, seen: Rows) -> Rows:
    scale, scales = state["scale"], state["scales"]
    return {
        "u": u,
        "f": scale * seen["loss"],
        "g": scale[:, None] * seen["g"],
        "c": scales * seen["c"],
        "A": scales[:, :, None] * seen["A"],
    }


def _learnt(state: Rows, here: Rows) -> Tensor:
    """Return the curvature after a step, by Powell's damped BFGS update."""
    B, m = state["B"], state["multipliers"][:, :, None]
    step = here["u"] - state["u"]
    change = here["g"] - state["g"] + ((here["A"] - state["A"]).mT @ m)[:, :, 0]
    along = (step * change).sum(dim=1)
    straight = (change.square().sum(dim=1) / along).clamp(_FLATTEST, _STEEPEST)
    begins = ~state["learnt"] & (along > 0)
    B = B * torch.where(begins, straight, 1.0)[:, None, None]
    Bs = (B @ step[:, :, None])[:, :, 0]
    sBs = (step * Bs).sum(dim=1)
    share = torch.where(along >= _DAMPED * sBs, 1.0, (1 - _DAMPED) * sBs / (sBs - along))
    blend = Bs + share[:, None] * (change - Bs)
    rises = (step * blend).sum(dim=1)
    moved = (sBs > 0) & (rises > 0)
    new = (
        B
        - (Bs / sBs[:, None])[:, :, None] * Bs[:, None, :]
        + (blend / rises[:, None])[:, :, None] * blend[:, None, :]
    )
    return _where(moved & new.isfinite().all(dim=2).all(dim=1), new, state["B"])


def _program(state: Rows, conditions: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Solve the quadratic program at the point, with these values of the conditions there."""
    A, (n, k) = state["A"], conditions.shape
    unique = (_UNIQUE * torch.eye(k, dtype=A.dtype, device=A.device)).expand(n, k, k)
    matrix = torch.cat(
        [torch.cat([state["B"], A.mT], dim=2), torch.cat([-A, unique], dim=2)], dim=1
    )
    cap = torch.full_like(conditions, _CAP)
    low = torch.cat([state["low"] - state["u"], torch.where(state["equality"], -_CAP, 0.0)], dim=1)
    high = torch.cat([state["high"] - state["u"], cap], dim=1)
    guess = (state["at_low"], state["at_high"])
    near = _UNIQUE * state["multipliers"]  # so that, once they stand, nothing pulls them
    return solve_box(matrix, torch.cat([state["g"], -conditions - near], dim=1), low, high, guess)


def _plan(
    new: Rows, v: Tensor, guess: tuple[Tensor, Tensor], anew: Tensor, correct: Tensor, merit: Tensor
) -> None:
    """Write what is tried next: a step anew, one that is corrected, or one that is shortened."""
    d = new["u"].shape[1]
    p, multipliers = v[:, :d], v[:, d:]
    yes = anew[:, None]
    new["p"] = torch.where(yes, p, new["p"])
    new["multipliers"] = torch.where(yes, multipliers, new["multipliers"])
    for name, each in zip(("at_low", "at_high"), guess, strict=True):
        new[name] = torch.where(yes, each, new[name])
    size = multipliers.abs()
    weights = torch.maximum(size, (new["weights"] + size) / 2)
    new["weights"] = torch.where(yes, weights, new["weights"])
    excess = broken(new["c"], new["equality"])
    left = broken(new["c"] + (new["A"] @ new["p"][:, :, None])[:, :, 0], new["equality"])
    promised = (new["g"] * new["p"]).sum(dim=1) - (new["weights"] * (excess - left)).sum(dim=1)
    shorter = new["length"] * _shortened(merit - new["merit"], new["length"] * new["drop"])
    shorter = torch.where(correct, new["length"], shorter)
    new["length"] = torch.where(anew, 1.0, shorter)
    new["merit"] = torch.where(anew, new["f"] + (new["weights"] * excess).sum(dim=1), new["merit"])
    new["drop"] = torch.where(anew, promised, new["drop"])
    new["phase"] = torch.where(anew, _FULL, torch.where(correct, _CORRECTED, _SHORTENED))
    new["to"] = new["u"] + torch.where(correct[:, None], p, new["length"][:, None] * new["p"])


def _shortened(rise: Tensor, promised: Tensor) -> Tensor:
    """Return by what to shorten a refused trial: to the least of the parabola through it."""
    least = -promised / (2 * (rise - promised))
    return least.nan_to_num(_SHORTER[0]).clamp(*_SHORTER)


def _why(
    state: Rows, new: Rows, seen: Rows, anew: Tensor, lost: Tensor, finite: Tensor, loss_ok: Tensor,
    tolerance: float, dtype: torch.dtype,
) -> Tensor:  # fmt: skip
    first = state["merit"].isinf()
    gain = (new["g"] * new["p"]).sum(dim=1).abs() + (new["multipliers"] * new["c"]).abs().sum(dim=1)
    worst = (broken(new["c"], new["equality"]) / new["scales"]).amax(dim=1)
    size, enough = new["scale"] + new["f"].abs(), _ENOUGH[dtype]
    small, holds = gain <= enough * size, worst <= tolerance / 2
    idle = new["p"].abs().amax(dim=1) <= torch.finfo(dtype).eps * (1 + new["u"].abs().amax(dim=1))
    why = torch.where(anew & small & holds, Why.CONVERGED, Why.STAYS)
    nearly = (gain <= enough**0.5 * size) & (worst <= tolerance)
    hopeless = (lost & (state["resets"] > 0)) | (anew & idle & ~holds)
    why = torch.where(hopeless & (why == 0), torch.where(nearly, Why.CONVERGED, Why.STUCK), why)
    flat = first & finite & (new["g"] == 0).all(dim=1) & (new["p"] == 0).all(dim=1)
    why = torch.where(flat, Why.FLAT, why)
    bad = torch.where(loss_ok, Why.BAD_GRADIENT, Why.BAD_LOSS)
    return torch.where(first & ~finite, bad, why)
