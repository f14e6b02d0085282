"""What all attacks share: norms, what is aimed at, and how the better of two results is taken."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from xhat.constraints import Certificate, L1Ball, L2Ball, LinfBall
from xhat.core import check_choice
from xhat.engine import Result
from xhat.objectives import CrossEntropy, Lead, Margin, Objective, Untargeted
from xhat.spaces import Box, Space

__all__ = [
    "BALLS", "NORMS", "Norm", "aim", "box", "distances", "entropy", "joined", "lead", "norm_of",
]  # fmt: skip

_BEYOND = 1e6  # logits: a margin is followed also where it is won

Norm = Literal["linf", "l2", "l1", "l0"]

NORMS: Mapping[str, float] = {"linf": torch.inf, "l2": 2.0, "l1": 1.0, "l0": 0.0}
"""By name: the order of the norm; ``l0`` counts the features that differ."""

BALLS = {"linf": LinfBall, "l2": L2Ball, "l1": L1Ball}
"""By the name of the norm: what keeps a candidate near its start."""


def norm_of(delta: Tensor, norm: str) -> Tensor:
    """Return the norm of every row of ``(n, *x_shape)``, ``(n,)``."""
    return torch.linalg.vector_norm(delta.flatten(1), ord=NORMS[norm], dim=1)


def distances(result: Result, norm: Norm = "l2") -> Tensor:
    """Return how far each input was moved, ``(n,)``; infinite where the attack failed.

    Example:
        >>> from xhat.attacks import minimum_norm
        >>> found = minimum_norm(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), label=0)
        >>> round(float(distances(found, "linf")), 2)
        0.05
    """
    check_choice("norm", norm, NORMS)
    return norm_of(result.x - result.x0, norm).where(result.reached, torch.inf)


def aim(
    name: str, target: Any, label: Any, towards: Callable[[], Objective] | None, away: Any
) -> Objective:
    """Return the objective of an attack towards a target, or away from a label.

    Raises:
        TypeError: not exactly one of both was given.
    """
    if (target is None) == (label is None):
        raise TypeError(f"{name} needs exactly one of target= (to reach) and label= (to leave).")
    return away() if towards is None or target is None else towards()


def entropy(name: str, model: Callable[[Tensor], Tensor], target: Any, label: Any) -> Objective:
    """Return the cross-entropy with a target, or the log-probability of a label to leave."""
    return aim(
        name, target, label, lambda: CrossEntropy(model, target), lambda: Untargeted(model, label)
    )


def lead(name: str, model: Callable[[Tensor], Tensor], target: Any, label: Any) -> Objective:
    """Return how far the best other class is ahead of a target, or a label of the others."""
    return aim(
        name, target, label, lambda: Margin(model, target, _BEYOND), lambda: Lead(model, label)
    )


def box(name: str, bounds: Any, space: Space | None = None) -> Space:
    """Return the space of an attack: the box of its bounds, or another one."""
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise TypeError(f"bounds must be a pair (low, high), but are {bounds!r}.")
    if space is not None and tuple(bounds) != (0.0, 1.0):
        raise TypeError(f"{name} takes bounds= or space=, not both; give the space its own bounds.")
    return Box(*bounds, unit=1.0) if space is None else space


def joined(first: Result, rows: Tensor, second: Result, better: Tensor) -> Result:
    """Return ``first`` with some candidates as another attack found them.

    Args:
        first: of ``n`` candidates.
        rows: ``(m,)``, which of them were attacked once more.
        second: of these ``m``; its steps and evaluations are added in any case.
        better: ``(m,)`` booleans, whose answers are taken over.
    """
    taken, changed = rows[better], dict[str, Any]()
    for name in ("x", "z", "loss", "confidence", "reached", "violation", "feasible"):
        column = getattr(first, name).clone()
        column[taken] = getattr(second, name)[better].to(column)
        changed[name] = column
    for name in ("steps", "evaluations"):
        column = getattr(first, name).clone()
        column[rows] += getattr(second, name)
        changed[name] = column
    for name in ("status", "details"):
        column = list(getattr(first, name) or [""] * len(first))
        theirs = getattr(second, name) or [""] * len(second)
        for place, i in zip(rows.tolist(), range(len(rows)), strict=True):
            column[place] = theirs[i] if bool(better[i]) else column[place]
        changed[name] = tuple(column)
    if first.certificate is not None and second.certificate is not None:
        violation = first.certificate.violation.clone()
        violation[taken] = second.certificate.violation[better].to(violation)
        of = first.certificate
        changed["certificate"] = Certificate(of.names, violation, of.tolerance, of.precision)
    notes = tuple(dict.fromkeys((*first.notes, *second.notes)))
    return replace(first, **changed, notes=notes, seconds=first.seconds + second.seconds)
