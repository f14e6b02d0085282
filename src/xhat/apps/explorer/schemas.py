"""What pages and server say to each other, as JSON: questions, frames and findings."""

import base64
import binascii
import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from torch import Tensor

from xhat.apps.explorer.exploring import Explorer, Finding, Frame
from xhat.apps.explorer.pictures import as_bytes, as_image
from xhat.apps.explorer.question import FREE, Question
from xhat.report.palette import COLOURS, MARKS, ORDER, ink_on, label

__all__ = ["Asked", "about", "encoded", "finding", "frame", "question"]

_Word = Annotated[str, Field(max_length=40)]
_Number = Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)]


class Asked(BaseModel):
    """A search that a page asks for; the start is a real sample, or pixels that were drawn."""

    model_config = ConfigDict(extra="forbid")

    index: Annotated[StrictInt, Field(ge=0, lt=2**31)] | None = None
    pixels: Annotated[str, Field(max_length=2**22)] | None = None
    target: Annotated[StrictInt, Field(ge=0, lt=2**31)]
    method: _Word | None = None
    weights: dict[_Word, _Number] = Field(default_factory=dict, max_length=20)
    structure: _Word = FREE


def question(asked: Asked, explorer: Explorer) -> Question:
    """Return the question that was asked.

    Raises:
        ValueError: it makes no sense; the message says why.
    """
    options = asked.model_dump(include={"method", "weights", "structure"})
    if asked.index is not None and asked.pixels is None:
        return explorer.ask(asked.index, asked.target, **options)
    if asked.pixels is None or asked.index is not None:
        raise ValueError("give either the index of a real sample or the pixels of a drawing.")
    try:
        raw = base64.b64decode(asked.pixels, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("pixels must be base64 of bytes, one for each value.") from error
    return explorer.ask(as_image(raw, explorer.shape, *explorer.limits), asked.target, **options)


def encoded(x: Tensor, explorer: Explorer) -> str:
    """Return an image as base64 of its bytes, row by row, a byte for each channel of a pixel."""
    return base64.b64encode(as_bytes(x, *explorer.limits)).decode()


def frame(seen: Frame, explorer: Explorer) -> dict[str, Any]:
    """Return a frame as JSON."""
    return {
        "step": seen.step,
        "x": encoded(seen.x, explorer),
        "loss": round(seen.loss, 5) if math.isfinite(seen.loss) else None,
        "surrogate": _shares(seen.surrogate),
        "jury": None if seen.jury is None else _shares(seen.jury),
        "moved": round(seen.moved, 4),
        "seconds": round(seen.seconds, 4),
        "last": seen.last,
    }


def finding(name: str, found: Finding, explorer: Explorer) -> dict[str, Any]:
    """Return what was found as JSON: verdict, evidence, neighbours."""
    verdict, result = found.verdicts[0], found.result
    return {
        "name": name,
        "verdict": str(verdict.outcome),
        "rule": verdict.rule,
        "evidence": verdict.explain().splitlines()[2:],
        "status": result.sentences[0],
        "steps": int(result.steps[0]),
        "reached": bool(result.reached[0]),
        "moved": round(float((result.x - result.x0).norm()), 4),
        "judge_confidence": _shares((float(found.verdicts.confidence[0]),))[0],
        "axes": [
            {"name": axis.name, "group": axis.group, "p": round(float(axis.adjusted[0]), 5)}
            for axis in found.verdicts.axes
        ],
        "alpha": found.verdicts.alpha,
        "nearest": [
            {"x": encoded(x[None], explorer), "label": kind, "distance": round(distance, 3)}
            for x, kind, distance in zip(found.nearest, found.labels, found.distances, strict=True)
        ],
    }


def about(explorer: Explorer) -> dict[str, Any]:
    """Return all that may be chosen, and how verdicts are shown."""
    stage = explorer.stage
    return {
        "domain": explorer.domain.name,
        "classes": list(explorer.domain.classes),
        "shape": list(explorer.shape),
        "default": explorer.default,
        "methods": explorer.methods(),
        "ready": explorer.judge is not None,
        "jury": explorer.judge is None or explorer.judge.jury is not None,
        "stage": None if stage is None else vars(stage),
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
