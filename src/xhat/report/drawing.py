"""Small things that every picture needs: pixels of another size, fonts, words that fit."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from xhat.report.palette import rgb

__all__ = [
    "colour_index",
    "enlarge",
    "exact_percent",
    "font_of",
    "percent",
    "shorten",
    "wrap",
    "write",
]


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


def exact_percent(share: float, *, digits: int = 0) -> str:
    """Return a share in [0, 1] such that only all is 100 % and only nothing is 0 %.

    Example:
        >>> exact_percent(0.995), exact_percent(0.9996, digits=1), exact_percent(1.0)
        ('99.5 %', '99.96 %', '100 %')
    """
    words = f"{100 * share:.{digits}f}"
    while digits < 3 and float(words) in (0, 100) and share not in (0, 1):
        digits += 1
        words = f"{100 * share:.{digits}f}"
    return f"{words.rstrip('0').rstrip('.') if '.' in words else words} %"


@lru_cache(maxsize=32)
def font_of(size: int, *, bold: bool) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib, so that every machine draws alike."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / f"DejaVuSans{'-Bold' if bold else ''}.ttf", size)


def colour_index(colours: Sequence[str]) -> list[int]:
    """Return the red, green and blue of ``colours`` in one flat list, as Pillow's palettes want."""
    return [channel for colour in colours for channel in rgb(colour)]


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    words: str,
    size: int,
    *,
    bold: bool = False,
    colour: str = "#16181c",
    room: int | None = None,
    anchor: str = "la",
) -> None:
    """Draw one line of text, shortened to ``room`` pixels if that is given."""
    font, words = font_of(size, bold=bold), " ".join(words.split())
    if room is not None:
        words = shorten(words, font, room)
    pen.text(place, words, font=font, fill=colour, anchor=anchor)
