"""Start, found and change side by side, for single-channel or colour images of any size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xhat.core import atomic_write
from xhat.report.drawing import font_of, shorten

__all__ = ["as_pictures", "save_changes_png"]

_TILE, _GAP, _TEXT = 96, 8, 300
_MOST = 24  # rows that one picture holds


def as_pictures(x: Any, low: float, high: float) -> NDArray[np.float32] | None:
    """Return inputs as pictures ``(n, h, w, 1 or 3)`` in [0, 1], or None if they are none.

    Args:
        x: ``(n, h, w)`` or ``(n, channels, h, w)`` with 1 or 3 channels, sides from 4.
        low: shown as black.
        high: shown as white.
    """
    x = np.asarray(x, dtype=np.float32)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < 4:
        return None
    return np.moveaxis(np.clip((x - low) / (high - low), 0, 1), 1, -1)


def save_changes_png(
    path: str | Path,
    starts: NDArray[np.float32],
    found: NDArray[np.float32],
    captions: Sequence[str],
) -> Path:
    """Draw the first candidates, a row each: start, found, change (red is more, blue is less).

    Args:
        path: the file; its folder is made if needed.
        starts: ``(n, h, w, 1 or 3)`` in [0, 1].
        found: likewise, of the same shape.
        captions: ``n``, beside each row.

    Raises:
        ValueError: the shapes differ, or not one caption per candidate.
        PermissionError: the folder cannot be written to.
    """
    if starts.shape != found.shape or len(captions) != len(starts):
        raise ValueError(
            f"starts and found must have one shape and a caption each, but have {starts.shape}, "
            f"{found.shape} and {len(captions)} captions."
        )
    count = min(len(starts), _MOST)
    heading, small = font_of(15, bold=True), font_of(14, bold=False)
    width = 3 * (_TILE + _GAP) + _TEXT + _GAP
    image = Image.new("RGB", (width, 32 + count * (_TILE + _GAP)), "white")
    draw = ImageDraw.Draw(image)
    for column, name in enumerate(("start", "found", "change")):
        draw.text((_GAP + column * (_TILE + _GAP), 8), name, fill="black", font=heading)
    for row in range(count):
        top = 32 + row * (_TILE + _GAP)
        tiles = (_grey(starts[row]), _grey(found[row]), _signed(found[row] - starts[row]))
        for column, tile in enumerate(tiles):
            picture = Image.fromarray(tile).resize((_TILE, _TILE), Image.Resampling.NEAREST)
            image.paste(picture, (_GAP + column * (_TILE + _GAP), top))
        left = _GAP + 3 * (_TILE + _GAP)
        for number, words in enumerate(captions[row].splitlines()):
            line = shorten(words, small, _TEXT - _GAP)
            draw.text((left, top + 20 * number), line, fill="black", font=small)
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
    return Path(path)


def _grey(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.broadcast_to(np.round(255 * picture), (*picture.shape[:2], 3)).astype(np.uint8)


def _signed(change: NDArray[np.float32]) -> NDArray[np.uint8]:
    mean = change.mean(axis=-1)
    less, more = np.clip(-mean, 0, 1), np.clip(mean, 0, 1)
    return np.round(255 * np.stack([1 - less, 1 - less - more, 1 - more], axis=-1)).astype(np.uint8)
