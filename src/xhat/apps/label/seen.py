"""Samples side by side, each with its verdict and what was seen in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xhat.core import atomic_write
from xhat.judges.outcomes import Outcome
from xhat.report.drawing import write
from xhat.report.palette import COLOURS, INK, MUTED, PAPER

__all__ = ["SeenSample", "save_seen_png"]

_TILE, _BORDER, _GAP, _LINE, _ACROSS = 112, 4, 16, 20, 10


@dataclass(frozen=True, eq=False)
class SeenSample:
    """A sample in the picture.

    Attributes:
        picture: ``(h, w)`` uint8, or ``(h, w, 3)``.
        outcome: its verdict, whose colour the border has.
        above: a line above it.
        below: lines below it.
        marked: whether it gets a dot.
    """

    picture: NDArray[np.uint8]
    outcome: str
    above: str
    below: tuple[str, ...]
    marked: bool = False


def save_seen_png(path: str | Path, samples: Sequence[SeenSample]) -> Path:
    """Draw samples in rows of ten, in their order.

    Args:
        path: where to; its folder is made if needed.
        samples: one or more.

    Raises:
        ValueError: no samples, or a verdict that is none.
        PermissionError: the folder cannot be written to.
    """
    if not samples:
        raise ValueError("there must be one sample or more to draw.")
    lines = 1 + max(len(sample.below) for sample in samples)
    side = _TILE + 2 * _BORDER
    pitch = side + _GAP, side + lines * _LINE + _GAP
    across, rows = min(_ACROSS, len(samples)), -(-len(samples) // _ACROSS)
    image = Image.new("RGB", (across * pitch[0] + _GAP, rows * pitch[1] + _GAP), PAPER)
    pen = ImageDraw.Draw(image)
    for k, sample in enumerate(samples):
        left = _GAP + k % _ACROSS * pitch[0]
        top = _GAP + k // _ACROSS * pitch[1]
        _draw(image, pen, sample, left, top)
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
    return Path(path)


def _draw(
    image: Image.Image, pen: ImageDraw.ImageDraw, sample: SeenSample, left: int, top: int
) -> None:
    side = _TILE + 2 * _BORDER
    write(pen, (left, top), sample.above, 13, bold=True, colour=INK, room=side)
    if sample.marked:
        x, y = left + side - 12, top + 3
        pen.ellipse((x, y, x + 9, y + 9), fill=INK)
    top += _LINE
    frame = (left, top, left + side - 1, top + side - 1)
    pen.rectangle(frame, fill=COLOURS[Outcome(sample.outcome)])
    shown = Image.fromarray(sample.picture).resize((_TILE, _TILE), Image.Resampling.NEAREST)
    image.paste(shown, (left + _BORDER, top + _BORDER))
    for k, words in enumerate(sample.below):
        place = left, top + side + 2 + k * _LINE
        write(pen, place, words, 13, colour=INK if k == 0 else MUTED, room=side)
