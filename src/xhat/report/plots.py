"""The sheet of every plot: one width, one font, one set of colours, places in inches.

Plots are drawn without :mod:`matplotlib.pyplot`, so that no figure outlives its function, and in a
style that does not depend on what the user has set. They are 12 inches wide and saved with 160
dots per inch, so that the smallest words can still be read where a page shows them 1200 pixels
wide.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from xhat.core import atomic_write
from xhat.report.drawing import font_of, wrap
from xhat.report.palette import FAINT, INK, MUTED, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "LINE",
    "MARGIN",
    "MARKERS",
    "TINTS",
    "WIDTH",
    "Sheet",
    "fold",
    "spread",
    "title_height",
    "title_lines",
    "width_of",
]

WIDTH, MARGIN = 12.0, 0.35
"""Of a sheet, in inches."""

TINTS = ("#1f5fc4", "#c85200", "#007d73", "#a83a8c", "#16181c", "#8a6d00", "#5b86a8")
"""Colours of lines, apart from each other for colour-blind eyes in their order of use."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""A sign for every colour, for those who do not see it."""

LINE = 1.35
"""From one line of words to the next, in heights of the font."""

_DPI, _TITLE = 160, 16.0


class Sheet:
    """A white page whose places are inches from its left and top.

    Args:
        height: in inches.
        width: in inches.
    """

    def __init__(self, height: float, width: float = WIDTH) -> None:
        from matplotlib.figure import Figure  # takes half a second, which only figures should cost

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), dpi=_DPI, facecolor=PAPER)

    @classmethod
    @contextmanager
    def drawn(cls, path: str | Path, height: float, width: float = WIDTH) -> Iterator["Sheet"]:
        """Yield a sheet, and save it as a PNG if the block ends without an error.

        What is drawn twice is the same in every byte.
        """
        from matplotlib import style

        with style.context(["default", _STYLE]):
            sheet = cls(height, width)
            yield sheet
            with atomic_write(path) as temporary:
                sheet.picture().save(temporary, format="PNG", optimize=True)

    def picture(self) -> Image.Image:
        """Return the sheet in 256 colours, a third of the size, which the eye does not miss."""
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", dpi=_DPI)
        with Image.open(stream) as full:
            dither = Image.Dither.NONE
            return full.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=dither)

    def axes(self, left: float, top: float, width: float, height: float) -> "Axes":
        """Return axes at a place, with no frame but the line at the bottom."""
        bottom = self.height - top - height
        axes = self.figure.add_axes(
            (left / self.width, bottom / self.height, width / self.width, height / self.height)
        )
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        return axes

    def write(
        self, left: float, top: float, words: str | Sequence[str], size: float, **look: Any
    ) -> None:
        """Write lines of words; ``look`` is of :class:`matplotlib.text.Text`, such as colours."""
        text = words if isinstance(words, str) else "\n".join(words)
        place = left / self.width, 1 - top / self.height
        look = {"va": "top", "color": INK, "linespacing": LINE} | look
        self.figure.text(*place, text, fontsize=size, parse_math=False, **look)

    def title(self, lines: Sequence[str]) -> float:
        """Write the headline; return where it ends."""
        self.write(MARGIN, 0.3, lines, _TITLE, weight="bold")
        return title_height(lines)


def title_lines(words: str, width: float = WIDTH) -> list[str]:
    """Return a headline, folded into at most three lines."""
    return fold(words, _TITLE, width - 2 * MARGIN, lines=3, bold=True) if words.strip() else []


def title_height(lines: Sequence[str]) -> float:
    """Return the inches that a headline takes, with the space around it."""
    return 0.3 + len(lines) * _TITLE * LINE / 72 + (0.12 if lines else 0)


def fold(words: str, size: float, inches: float, *, lines: int, bold: bool = False) -> list[str]:
    """Return words broken into at most ``lines`` lines that fit into a width, the last shortened.

    Example:
        >>> fold("one two three", 10, 0.7, lines=3)
        ['one two', 'three']
    """
    return wrap(words, font_of(_pixels(size), bold=bold), int(inches * _DPI), lines=lines)


def width_of(words: str, size: float, *, bold: bool = False) -> float:
    """Return the width of words in inches."""
    return font_of(_pixels(size), bold=bold).getlength(words) / _DPI


def spread(wanted: Mapping[str, float], heights: Mapping[str, float]) -> dict[str, float]:
    """Return places in [0, 1], near those that are wanted, so that nothing lies on another.

    Groups of neighbours that overlap are stacked around the mean of what they want; a group that
    then meets the next is joined with it.

    Example:
        >>> spread({"a": 0.5, "b": 0.5}, {"a": 0.2, "b": 0.2})
        {'a': 0.4, 'b': 0.6}
    """
    groups: list[list[str]] = []
    for name in sorted(wanted, key=lambda n: wanted[n]):
        groups.append([name])
        while len(groups) > 1 and _bottom(groups[-1], wanted, heights) < (
            _bottom(groups[-2], wanted, heights) + sum(heights[n] for n in groups[-2]) - 1e-9
        ):
            last = groups.pop()
            groups[-1] += last
    places = {}
    for group in groups:
        bottom = _bottom(group, wanted, heights)
        for name in group:
            places[name] = round(bottom + heights[name] / 2, 6)
            bottom += heights[name]
    return places


def _bottom(
    group: Sequence[str], wanted: Mapping[str, float], heights: Mapping[str, float]
) -> float:
    """Return where a stack of names begins, within [0, 1] where it fits."""
    tall = sum(heights[name] for name in group)
    middle = sum(wanted[name] for name in group) / len(group)
    return max(0.0, min(middle - tall / 2, 1 - tall))


def _pixels(size: float) -> int:
    return round(size * _DPI / 72)


_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.unicode_minus": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}
