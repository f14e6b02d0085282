"""Small things that every picture needs: pixels of another size, fonts, words that fit."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from xhat.report.palette import rgb

__all__ = ["colour_index", "enlarge", "font_of", "percent", "shorten", "wrap"]


def enlarge(pictures: NDArray[np.float32], tile: tuple[int, int]) -> NDArray[np.uint8]:
    """Return ``(..., h, w)`` pictures in [0, 1] as bytes of another size, ``tile = (w, h)``.

    Whole multiples repeat pixels, so that what the search did to each stays visible; other sizes
    are resampled (Lanczos).

    Example:
        >>> enlarge(np.ones((3, 2, 2), dtype=np.float32), (4, 6)).shape
        (3, 6, 4)
    """
    pixels = np.rint(pictures * 255).astype(np.uint8)
    *lead, h, w = pixels.shape
    width, height = tile
    if width % w == 0 and height % h == 0:
        return pixels.repeat(height // h, axis=-2).repeat(width // w, axis=-1)
    flat = pixels.reshape(-1, h, w)
    lanczos = Image.Resampling.LANCZOS
    resized = [np.asarray(Image.fromarray(p).resize(tile, lanczos)) for p in flat]
    return np.stack(resized).reshape(*lead, height, width)


def shorten(words: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """Return ``words``, or as many of their letters as fit into ``room`` pixels."""
    if font.getlength(words) <= room:
        return words
    while words and font.getlength(words + "…") > room:
        words = words[:-1]
    return words.rstrip(" ,;:") + "…" if words else ""


def wrap(words: str, font: ImageFont.FreeTypeFont, room: int, *, lines: int) -> list[str]:
    """Return ``words`` broken into at most ``lines`` lines of ``room`` pixels, the last shortened.

    Example:
        >>> wrap("one two three", ImageFont.load_default(10), 45, lines=2)
        ['one two', 'three']
    """
    left, done = words.split(), []
    while left and len(done) < lines - 1:
        n = 1
        while n < len(left) and font.getlength(" ".join(left[: n + 1])) <= room:
            n += 1
        done.append(shorten(" ".join(left[:n]), font, room))
        left = left[n:]
    return [*done, shorten(" ".join(left), font, room)] if left else done


def percent(share: float) -> str:
    """Return a share in [0, 1] as people read it, such as ``"87 %"``."""
    return f"{share * 100:.0f} %"


@lru_cache(maxsize=32)
def font_of(size: int, *, bold: bool) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib, so that every machine draws alike."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf", size)


def colour_index(colours: Sequence[str]) -> list[int]:
    """Return the red, green and blue of ``colours`` in one flat list, as Pillow's palettes want."""
    return [channel for colour in colours for channel in rgb(colour)]
