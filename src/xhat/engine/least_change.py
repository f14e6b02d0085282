"""The nearest input that a model takes for something else: an attack without a ball."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import (
    Model,
    check_count,
    check_positive,
    check_tensor,
    evaluation_mode,
    modules_of,
    per_row,
)

__all__ = ["minimum_norm"]

_GROWTH = 0.05  # of the norm in a step
_LEAST_STEP = 0.01  # at the end, of the first step
_PART = 512  # candidates at once


def minimum_norm(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    target: Any = None,
    *,
    label: Any = None,
    radius: float = 1.0,
    steps: int = 100,
    bounds: tuple[Tensor | float, Tensor | float] = (0.0, 1.0),
) -> tuple[Tensor, Tensor]:
    """Search the nearest input, in L2, that a model takes for the target, or not for the label.

    Every step follows the normalised gradient of the cross-entropy; then the change is scaled to a
    norm that shrinks by 5 % where the model is fooled, and grows by 5 % where it is not.

    Source: Rony, Hafemann, Oliveira, Ben Ayed, Sabourin, Granger, "Decoupling Direction and Norm
    for Efficient Gradient-Based L2 Adversarial Attacks and Defenses", CVPR 2019.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        x0: ``(n, *x_shape)`` within the bounds.
        target: the wanted class, or classes ``(n,)``.
        label: the class or classes to leave; exactly one of ``target`` and ``label`` is given.
        radius: the norm that is tried first, and the length of the first step, in the unit of
            ``x``; 1 suits images from 0 to 1.
        steps: gradients for each candidate.
        bounds: of the features.

    Returns:
        ``(n, *x_shape)``, the nearest inputs found, and ``(n,)`` booleans that say where the model
        is fooled; elsewhere the input is the start.

    Raises:
        TypeError: not exactly one of target and label was given.
        ValueError: a number out of its range.

    Example:
        >>> x, fooled = minimum_norm(lambda x: 4 * x, torch.tensor([[0.6, 0.5]]), label=0)
        >>> bool(fooled), round(float((x - torch.tensor([[0.6, 0.5]])).norm()), 2)
        (True, 0.07)
    """
    if (target is None) == (label is None):
        raise TypeError(
            "minimum_norm needs exactly one of target= (to reach) and label= (to leave)."
        )
    x0 = check_tensor("the starts", x0).detach()
    check_count("steps", steps)
    check_positive("radius", radius)
    towards = target is not None
    wanted = torch.as_tensor(target if towards else label).to(x0.device).expand(len(x0))
    found, fooled = x0.clone(), torch.zeros(len(x0), dtype=torch.bool, device=x0.device)
    model = Model.of(model, "logits")
    with evaluation_mode(*modules_of(model)):
        for rows in torch.arange(len(x0)).split(_PART):
            found[rows], fooled[rows] = _nearest_fooling(
                model, x0[rows], wanted[rows], towards, radius, steps, bounds
            )
    return found, fooled


def _nearest_fooling(
    model: Callable[[Tensor], Tensor],
    x0: Tensor,
    wanted: Tensor,
    towards: bool,
    radius: float,
    steps: int,
    bounds: tuple[Tensor | float, Tensor | float],
) -> tuple[Tensor, Tensor]:
    moved, size = torch.zeros_like(x0), x0.new_full((len(x0),), radius)
    best, least = x0.clone(), x0.new_full((len(x0),), math.inf)
    for step in range(steps):
        x = (x0 + moved).requires_grad_(True)
        logits = model(x)
        (slope,) = torch.autograd.grad(F.cross_entropy(logits, wanted, reduction="sum"), x)
        fooled, norm = (logits.argmax(1) == wanted) == towards, _norm(moved)
        better = fooled & (norm < least)
        best = torch.where(per_row(better, x), x.detach(), best)
        least = torch.where(better, norm, least)
        size = size * torch.where(fooled, 1 - _GROWTH, 1 + _GROWTH)
        share = (1 + math.cos(math.pi * step / steps)) / 2
        rate = radius * (_LEAST_STEP + (1 - _LEAST_STEP) * share) * (-1 if towards else 1)
        slope = slope.nan_to_num(0.0)
        moved = moved + rate * slope / per_row(_norm(slope).clamp_min(1e-12), x)
        moved = moved * per_row(size / _norm(moved).clamp_min(1e-12), x)
        moved = torch.clamp(x0 + moved, *bounds) - x0  # pyright: ignore[reportCallIssue, reportArgumentType]
    return best, least < math.inf


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x.flatten(1), dim=1)
