"""The one place where plain things become goals: numbers, arrays and functions."""

from typing import Any

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.objectives.goals.base import Goal
from xhat.objectives.goals.classes import Class, Distribution
from xhat.objectives.goals.extremes import Loss
from xhat.objectives.goals.labels import Labels

__all__ = ["as_goal"]


def as_goal(target: Any) -> Goal:
    """Return a goal as it is, and a plain thing as the goal that it can only mean.

    Args:
        target: a ``Goal``; an integer or ``(n,)`` integers, classes; ``(n, *positions)`` integers,
            maps of classes; ``(classes,)`` or ``(n, classes)`` (or ``(n, classes, *positions)``)
            probabilities; ``(labels,)`` or ``(n, labels)`` booleans, or 0, 1 and NaN, labels; or a
            function of the model's output, ``(n, ...)`` to ``(n,)``, a loss.

    Raises:
        TypeError: a number that is no class; the message names the goals for values.
        ValueError: what may mean several things, such as rows of 0 and 1; the message names them.

    Example:
        >>> as_goal(3), as_goal([[0.5, 0.5]]), as_goal([True, False])
        (Class(3), Distribution([0.5, 0.5]), Labels([1, 0]))
    """
    if isinstance(target, Goal):
        return target
    if isinstance(target, type):
        raise TypeError(f"the target must be a goal, but {target.__name__} is a class; call it.")
    if callable(target) and not isinstance(target, Tensor):
        return Loss(target)  # pyright: ignore[reportArgumentType]
    if isinstance(target, float):
        raise TypeError(
            f"the target {target:g} is no class; for a value say Value({target:g}, tolerance=…), "
            f"for more or less of it Within, AtLeast, AtMost, Least or Most."
        )
    wanted = target if isinstance(target, Tensor) else _tensor(target)
    if wanted.dtype == torch.bool and wanted.ndim > 0:
        return Labels(wanted)
    if wanted.is_floating_point() and bool(wanted.isnan().any()) and _are_flags(wanted):
        return Labels(wanted)
    wanted = check_tensor("the target", wanted, floating=False)
    if not wanted.is_floating_point():
        if wanted.ndim == 2 and _are_flags(wanted):
            raise ValueError(_ambiguous(wanted))
        return Class(wanted)
    if wanted.numel() == 1:
        return as_goal(float(wanted))
    return Distribution(wanted)


def _tensor(target: Any) -> Tensor:
    try:
        return torch.as_tensor(target)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(target).__name__
        raise TypeError(f"the target must be a tensor or array of numbers, not {kind}.") from error


def _are_flags(wanted: Tensor) -> bool:
    known = wanted[~wanted.isnan()] if wanted.is_floating_point() else wanted
    return bool(((known == 0) | (known == 1)).all())


def _ambiguous(wanted: Tensor) -> str:
    """Return what rows of 0 and 1 may mean; rows with several ones, or none, name no class."""
    ones = wanted.sum(dim=1)
    if bool((ones == 1).all()):
        return (
            "rows of 0 and 1 may mean one class for each (Class(rows.argmax(1))), several labels "
            "at once (Labels(rows)) or, of a model that answers at positions, a map of two classes "
            "(Class(rows)); say which."
        )
    row = int((ones != 1).nonzero()[0, 0])
    return (
        f"row {row} of the target has {int(ones[row]) or 'no'} ones: did you mean Labels(rows), "
        f"several labels at once? Of a model that answers at positions, Class(rows) is a map of "
        f"two classes."
    )
