"""What pages and server say to each other, as JSON: questions, frames and findings."""

import base64
import binascii
import math
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from torch import Tensor

from xhat.apps.explorer.backend import Backend
from xhat.report.palette import COLOURS, MARKS, ORDER, ink_on, label

__all__ = ["Asked", "about", "encoded", "finding", "frame", "question"]

_Word = Annotated[str, Field(max_length=40)]
_Number = Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)]


class Asked(BaseModel):
    """A search that a page asks for; the start is a test digit, or pixels that were drawn."""

    model_config = ConfigDict(extra="forbid")

    index: Annotated[StrictInt, Field(ge=0, le=9_999)] | None = None
    pixels: Annotated[str, Field(max_length=1_200)] | None = None
    target: Annotated[StrictInt, Field(ge=0, le=9)]
    method: _Word = "xhat"
    weights: dict[_Word, _Number] = Field(default_factory=dict, max_length=20)
    structure: _Word = "free"


def question(asked: Asked, explorer: Backend) -> Any:
    """Return the question that was asked.

    Raises:
        ValueError: it makes no sense; the message says why.
    """
    options: dict[str, Any] = {
        "method": asked.method,
        "weights": asked.weights,
        "structure": asked.structure,
    }
    if (asked.index is None) == (asked.pixels is None):
        raise ValueError("give either the index of a test digit or the pixels of a drawing.")
    if asked.index is not None:
        return explorer.ask(asked.index, asked.target, **options)
    start = _decoded(str(asked.pixels), *explorer.shape)
    return explorer.ask(start, asked.target, **options)


def encoded(x: Tensor) -> str:
    """Return an image in [0, 1] as base64 of its bytes."""
    return base64.b64encode((255 * x).round().byte().numpy().tobytes()).decode()


def _decoded(text: str, height: int, width: int) -> Tensor:
    pixels = height * width
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"pixels must be base64 of {pixels} bytes, one for each pixel.") from error
    if len(raw) != pixels:
        raise ValueError(f"pixels must be {pixels} bytes, {height} x {width}, but are {len(raw)}.")
    return torch.tensor(list(raw)).reshape(1, 1, height, width) / 255


def frame(seen: Any) -> dict[str, Any]:
    """Return a frame as JSON."""
    return {
        "step": seen.step,
        "x": encoded(seen.x),
        "loss": round(seen.loss, 5) if math.isfinite(seen.loss) else None,
        "surrogate": _shares(seen.surrogate),
        "jury": None if seen.jury is None else _shares(seen.jury),
        "moved": round(seen.moved, 4),
        "seconds": round(seen.seconds, 4),
        "last": seen.last,
    }


def finding(name: str, found: Any) -> dict[str, Any]:
    """Return what was found as JSON: verdict, evidence, neighbours."""
    verdict = found.verdicts[0]
    lines = verdict.explain().splitlines()
    return {
        "name": name,
        "verdict": str(verdict.outcome),
        "rule": verdict.rule,
        "evidence": lines[2:],
        "status": found.result.status[0],
        "steps": int(found.result.steps[0]),
        "reached": bool(found.result.reached[0]),
        "moved": round(float((found.result.x - found.result.x0).norm()), 4),
        "judge_confidence": round(float(found.verdicts.confidence[0]), 4),
        "axes": [
            {"name": axis.name, "group": axis.group, "p": round(float(axis.adjusted[0]), 5)}
            for axis in found.verdicts.axes
        ],
        "alpha": found.verdicts.alpha,
        "nearest": [
            {"x": encoded(x), "label": kind, "distance": round(distance, 3)}
            for x, kind, distance in zip(found.nearest, found.labels, found.distances, strict=True)
        ],
    }


def about(explorer: Backend) -> dict[str, Any]:
    """Return all that may be chosen, and how verdicts are shown."""
    return {
        "methods": explorer.methods(),
        "verdicts": [
            {
                "name": str(outcome),
                "label": label(outcome),
                "colour": COLOURS[outcome],
                "ink": ink_on(COLOURS[outcome]),
                "mark": MARKS[outcome],
                "meaning": outcome.meaning,
            }
            for outcome in ORDER
        ],
    }


def _shares(values: tuple[float, ...]) -> list[float]:
    return [round(value, 4) if math.isfinite(value) else 0.0 for value in values]
