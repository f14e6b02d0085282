"""Pictures of structured images: ambigrams in both readings, and rows of others.

Every image has a border in the colour of its verdict, and its mark in the corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xhat.core import atomic_write
from xhat.judges.outcomes import Outcome
from xhat.report.drawing import enlarge, font_of, shorten
from xhat.report.palette import COLOURS, INK, MUTED, PAPER, label

__all__ = ["StructureRow", "save_readings_png", "save_structures_png"]

_TILE, _BORDER, _MARGIN = 56, 5, 40
_CELL = _TILE + 2 * _BORDER
_GAP, _HEAD = 16, 150
_GROUND, _SUCCESS = 7, "#a6e5cb"  # around images of which both readings are genuine


@dataclass(frozen=True)
class StructureRow:
    """Images of which the same must hold.

    Attributes:
        title: what must hold, in a few words.
        says: how it was kept, and the certificate.
        images: ``(n, h, w)`` in [0, 1].
        names: of each image, such as the digit it should be.
        outcomes: of each.
    """

    title: str
    says: str
    images: NDArray[np.float32]
    names: Sequence[str]
    outcomes: Sequence[Outcome]

    def __post_init__(self) -> None:
        """Check that there is a name and an outcome for every image."""
        n = len(self.images)
        if not n or len(self.names) != n or len(self.outcomes) != n:
            raise ValueError(
                f"a row needs an image, and a name and an outcome for each, but has {n} images, "
                f"{len(self.names)} names and {len(self.outcomes)} outcomes."
            )


def save_readings_png(
    path: str | Path,
    images: NDArray[np.float32],
    outcomes: Sequence[Sequence[tuple[Outcome, Outcome]]],
    *,
    title: str,
    lead: str,
) -> Path:
    """Draw a table of ambigrams, each upright and turned by 180 degrees, and save it as a PNG.

    Where both readings are genuine, the two have a green ground.

    Args:
        path: where to; its folder is made if needed.
        images: ``(r, c, h, w)`` in [0, 1]; row and column are what they read upright and turned.
        outcomes: of both readings of every image.
        title: the headline.
        lead: a sentence below it.

    Returns:
        The path.

    Raises:
        ValueError: not an outcome for every image.
        PermissionError: the folder cannot be written to.
    """
    r, c = images.shape[:2]
    if len(outcomes) != r or any(len(row) != c for row in outcomes):
        raise ValueError(f"there must be outcomes for all of {r} × {c} images.")
    across = 2 * _CELL + _GAP
    size = (2 * _MARGIN + 50 + c * across, _HEAD + _MARGIN + 40 + r * (_CELL + _GAP) + 90)
    picture, pen = _paper(size, title, lead)
    for j in range(c):
        x = _MARGIN + 50 + j * across + _CELL
        pen.text((x, _HEAD + 10), f"turned {j}", INK, font_of(22, bold=True), anchor="ma")
    for i in range(r):
        y = _HEAD + 50 + i * (_CELL + _GAP)
        pen.text((_MARGIN + 10, y + _CELL / 2), str(i), INK, font_of(34, bold=True), anchor="lm")
        for j in range(c):
            x = _MARGIN + 50 + j * across
            first, second = outcomes[i][j]
            if first is second is Outcome.GENUINE:  # a ground by which the eye finds what succeeded
                around = (
                    x - _GROUND,
                    y - _GROUND,
                    x + 2 * _CELL + _GROUND - 1,
                    y + _CELL + _GROUND - 1,
                )
                pen.rectangle(around, fill=_SUCCESS)
            _tile(picture, pen, (x, y), images[i, j], first)
            _tile(picture, pen, (x + _CELL, y), images[i, j, ::-1, ::-1], second)
    shown = [outcome for row in outcomes for pair in row for outcome in pair]
    _legend(pen, (_MARGIN, size[1] - 60), shown)
    return _save(picture, path)


def save_structures_png(
    path: str | Path, rows: Sequence[StructureRow], *, title: str, lead: str
) -> Path:
    """Draw rows of structured images with what holds of them, and save them as a PNG.

    Raises:
        ValueError: no rows.
        PermissionError: the folder cannot be written to.
    """
    if not rows:
        raise ValueError("there must be at least one row to draw.")
    most = max(len(row.images) for row in rows)
    height, step = _CELL + 110, _CELL + _GAP + 24
    size = (max(1180, 2 * _MARGIN + most * step), _HEAD + len(rows) * height + 80)
    picture, pen = _paper(size, title, lead)
    for i, row in enumerate(rows):
        y = _HEAD + i * height
        room = size[0] - 2 * _MARGIN
        pen.text(
            (_MARGIN, y),
            shorten(row.title, font_of(24, bold=True), room),
            INK,
            font_of(24, bold=True),
        )
        pen.text(
            (_MARGIN, y + 30),
            shorten(row.says, font_of(18, bold=False), room),
            MUTED,
            font_of(18, bold=False),
        )
        for j, (image, name) in enumerate(zip(row.images, row.names, strict=True)):
            x = _MARGIN + j * step
            _tile(picture, pen, (x, y + 58), image, row.outcomes[j])
            pen.text(
                (x + _CELL / 2, y + 62 + _CELL), name, MUTED, font_of(18, bold=False), anchor="ma"
            )
    _legend(pen, (_MARGIN, size[1] - 60), [each for row in rows for each in row.outcomes])
    return _save(picture, path)


def _paper(size: tuple[int, int], title: str, lead: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", size, PAPER)
    pen, room = ImageDraw.Draw(picture), size[0] - 2 * _MARGIN
    headline, small = font_of(40, bold=True), font_of(22, bold=False)
    pen.text((_MARGIN, _MARGIN), shorten(title, headline, room), INK, headline)
    pen.text((_MARGIN, _MARGIN + 56), shorten(lead, small, room), MUTED, small)
    return picture, pen


def _tile(
    picture: Image.Image,
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    image: NDArray[np.float32],
    outcome: Outcome,
) -> None:
    x, y = place
    pen.rectangle((x, y, x + _CELL - 1, y + _CELL - 1), fill=COLOURS[outcome])
    drawn = enlarge(np.ascontiguousarray(image), (_TILE, _TILE))
    picture.paste(Image.fromarray(drawn), (x + _BORDER, y + _BORDER))


def _legend(pen: ImageDraw.ImageDraw, place: tuple[int, int], outcomes: Sequence[Outcome]) -> None:
    x, y = place
    font = font_of(20, bold=False)
    for outcome in COLOURS:
        if count := sum(each is outcome for each in outcomes):
            words = f"{label(outcome)} {count}"
            pen.rectangle((x, y, x + 22, y + 22), fill=COLOURS[outcome])
            pen.text((x + 32, y - 1), words, INK, font)
            x += 32 + int(font.getlength(words)) + 36


def _save(picture: Image.Image, path: str | Path) -> Path:
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)
    return Path(path)
