"""A method on the user's own model, and the files it leaves."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from torch import Tensor

from xhat.constraints import LinfBall
from xhat.core import atomic_folder_check, atomic_write, check_rows, check_tensor
from xhat.engine import Adam, SignDescent, Stepper, TargetReached, solve
from xhat.objectives import CrossEntropy, Match, Objective, Proximity
from xhat.problem import Problem
from xhat.report import as_pictures, save_changes_png
from xhat.result import Result
from xhat.spaces import Box

__all__ = ["MODEL_METHODS", "match", "optimize", "write_result"]


@dataclass(frozen=True)
class _Way:
    """How a method searches features within bounds."""

    radius: float | None = None
    proximity: float = 0.0
    stepper: Stepper = field(default_factory=Adam)

    def problem(self, model: Any, x0: Tensor, target: Any, bounds: tuple[float, float]) -> Problem:
        objective: Objective = CrossEntropy(model, target)
        if self.proximity:
            objective = objective + self.proximity * Proximity(x0)
        ball = () if self.radius is None else (LinfBall(x0, self.radius),)
        return Problem(objective, Box(*bounds), ball)


_WAYS = {
    "plain": _Way(),
    "pgd": _Way(radius=0.3, stepper=SignDescent(0.02)),
    "proximal": _Way(proximity=0.05, stepper=Adam(0.02)),
}
MODEL_METHODS = tuple(_WAYS)
"""The methods that need nothing but a model; the others need a task's networks."""

_OF_TASKS = ("robust", "latent", "latent-robust", "xhat")
_STEPS = 150


def optimize(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    target: Tensor | int,
    *,
    method: str = "proximal",
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.9,
    **options: Any,
) -> Result:
    """Search from every input until the classifier ``model`` gives its target.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        inputs: ``(n, *x_shape)`` within the bounds.
        target: a class for all, ``(n,)`` classes, or ``(n, classes)`` distributions.
        method: a name in ``MODEL_METHODS``.
        bounds: of every feature.
        confidence: at which a search ends, in (0, 1).
        **options: of ``xhat.engine.solve``.

    Raises:
        TypeError, ValueError: as ``solve``.

    Example:
        >>> import torch
        >>> found = optimize(lambda x: 9 * x, torch.tensor([[0.6, 0.4]]), torch.tensor([1]))
        >>> found.status
        ('target reached',)
    """
    how = _model_method(method)
    inputs = check_tensor("the inputs", inputs)
    target = check_tensor("the target", target, floating=False)
    if target.ndim == 1 and not target.is_floating_point():
        check_rows("the target", target, len(inputs))
    options = {"stepper": how.stepper, "max_steps": _STEPS} | options
    problem = how.problem(model, inputs, target, bounds)
    return solve(problem, inputs, stop=TargetReached(confidence), **options).finished()


def match(
    model: Callable[[Tensor], Tensor],
    inputs: Tensor,
    value: float | Tensor,
    *,
    tolerance: float,
    bounds: tuple[float, float] = (0.0, 1.0),
    **options: Any,
) -> Result:
    """Search from every input until the regression ``model`` gives ``value`` to ``tolerance``.

    Raises:
        TypeError, ValueError: as ``solve``.
    """
    inputs = check_tensor("the inputs", inputs)
    problem = Problem(Match(model, value, tolerance), Box(*bounds))
    return solve(problem, inputs, stop=TargetReached(), **options)


def write_result(
    result: Result,
    out: str | Path,
    bounds: tuple[float, float] = (0.0, 1.0),
    target: Tensor | float | None = None,
    *,
    model: str | None = None,
) -> dict[str, Any]:
    """Write ``results.parquet`` and ``summary.json`` into ``out``; return the summary.

    Inputs that can be looked at as images leave ``changes.png`` too: start, found, change.

    Args:
        result: of ``optimize`` or ``match``.
        out: folder to write to.
        bounds: of the inputs, shown as black and white.
        target: what was wanted, kept in a column of its own: ``(n,)`` or ``(1,)`` classes,
            ``(n, classes)`` distributions, or a number.
        model: what was searched, kept in the metadata, so that nobody takes the results for those
            of another domain.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out = atomic_folder_check(out)
    moved = (result.x - result.x0).flatten(1).norm(dim=1)
    statuses = {status: result.status.count(status) for status in dict.fromkeys(result.status)}
    confident, finite = ~result.confidence.isnan(), ~result.loss.isnan()
    summary = {
        "n": len(result),
        "reached": int(result.reached.sum()),
        "feasible": int(result.feasible.sum()),
        "status": statuses,
        "confidence": float(result.confidence[confident].mean()) if confident.any() else None,
        "loss": float(result.loss.nanmedian()) if finite.any() else None,
        "moved": float(moved.median()),
        "evaluations": float(result.evaluations.float().mean()),
        "seed": result.seed,
        "seconds": round(result.seconds, 3),
        "notes": list(result.notes),
        "verdict": "not judged: verdicts need reference data",
        "picture": None,
    }
    wanted = None if target is None else torch.as_tensor(target)
    columns = {} if wanted is None else {"target": _rows(wanted, len(result))}
    table = result.to_table(columns)
    if model is not None:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), "model": model})
    with atomic_write(out / "results.parquet") as temporary:
        pq.write_table(table, temporary)
    starts, found = as_pictures(result.x0, *bounds), as_pictures(result.x, *bounds)
    if starts is not None and found is not None:
        picture = save_changes_png(out / "changes.png", starts, found, _captions(result, moved))
        summary["picture"] = picture.name
    with atomic_write(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n")
    return summary


def _rows(target: Tensor, n: int) -> list[Any]:
    per_class = target.shape[-1:] if target.is_floating_point() and target.ndim else ()
    return target.expand(n, *per_class).tolist()


def _captions(result: Result, moved: Tensor) -> list[str]:
    return [
        f"candidate {i}\n{status}\nconfidence {confidence:.2f}\nmoved {distance:.2f}, {steps} steps"
        for i, (status, confidence, distance, steps) in enumerate(
            zip(
                result.status,
                result.confidence.tolist(),
                moved.tolist(),
                result.steps.tolist(),
                strict=True,
            )
        )
    ]


def _model_method(name: str) -> _Way:
    if name not in _WAYS:
        known = ", ".join(_WAYS)
        if name in _OF_TASKS:
            raise ValueError(
                f"the method {name!r} needs networks that only a task has; with your own model "
                f"use one of {known}."
            )
        raise ValueError(f"method must be one of {known}, but is {name!r}.")
    return _WAYS[name]
