"""The figure of a trade between two measurements: a dot for each way, coloured by a share.

Both axes are such that less is better; what lies nearest to the lower left corner is best, and no
dot can be left out that has nothing below and to the left of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xhat.report.palette import INK
from xhat.report.plots import MARGIN, WIDTH, Sheet, spread, title_height, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FrontierDot", "save_frontier_png"]

_NAME, _NOTE, _AXIS = 10.5, 9.5, 10.5
_TALL, _LEFT, _BOTTOM = 5.2, 0.75, 0.75
_END = 0.8  # of the width, from where there is no room for a name
_ROOM = 0.19  # inches from one name to the next


@dataclass(frozen=True)
class FrontierDot:
    """One way.

    Attributes:
        name: written beside the dot.
        x: what less of is better.
        y: the same of another measurement.
        share: in [0, 1], which the colour shows.
    """

    name: str
    x: float
    y: float
    share: float


def save_frontier_png(
    path: str | Path,
    dots: Sequence[FrontierDot],
    *,
    x_label: str,
    y_label: str,
    share_label: str,
    title: str = "",
    note: str = "",
) -> Path:
    """Draw a dot for each way, joined where nothing is better in both, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        dots: two or more.
        x_label: of the horizontal axis.
        y_label: of the vertical axis, which is logarithmic.
        share_label: of the colours.
        title: the headline, or nothing.
        note: a line below.

    Returns:
        The path. The same numbers give the same bytes.

    Raises:
        ValueError: fewer than two dots, or a ``y`` that is not above 0.
        PermissionError: the folder cannot be written to.
    """
    if len(dots) < 2 or min(dot.y for dot in dots) <= 0:
        raise ValueError("a frontier needs two dots or more, with y above 0.")
    headline = title_lines(title)
    top = title_height(headline) + 0.15
    from matplotlib.ticker import ScalarFormatter

    with Sheet.drawn(path, top + _TALL + _BOTTOM + (0.4 if note else 0.1)) as sheet:
        sheet.title(headline)
        width = WIDTH - 2 * MARGIN - _LEFT - 1.2
        axes = sheet.axes(MARGIN + _LEFT, top, width, _TALL)
        axes.set_yscale("log")
        x, y = [dot.x for dot in dots], [dot.y for dot in dots]
        shares = [100 * dot.share for dot in dots]
        front = best(dots)
        axes.plot(
            [dot.x for dot in front], [dot.y for dot in front], color="#9aa0a8", zorder=1, lw=1.2
        )
        look: dict[str, Any] = {"cmap": "viridis", "vmin": 50, "vmax": 100, "edgecolors": "white"}
        drawn = axes.scatter(x, y, c=shares, s=110, zorder=2, **look)
        axes.margins(0.16, 0.12)
        axes.autoscale_view()  # only then is known where a dot lies
        _name(axes, dots)
        plain = ScalarFormatter()
        axes.yaxis.set_major_formatter(plain)
        axes.yaxis.set_minor_formatter(plain)
        axes.set_xlabel(x_label, fontsize=_AXIS)
        axes.set_ylabel(y_label, fontsize=_AXIS)
        axes.grid(color="#e4e7ea", lw=0.7, zorder=0)
        bar = sheet.axes(WIDTH - MARGIN - 0.85, top + 0.2, 0.16, _TALL - 0.4)
        sheet.figure.colorbar(drawn, cax=bar).set_label(share_label, fontsize=_AXIS)
        if note:
            sheet.write(MARGIN, sheet.height - 0.32, note, _NOTE)
    return Path(path)


def best(dots: Sequence[FrontierDot]) -> list[FrontierDot]:
    """Return the dots to which none is better in both measurements, from left to right."""
    front: list[FrontierDot] = []
    for dot in sorted(dots, key=lambda dot: (dot.x, dot.y)):
        if not front or dot.y < front[-1].y:
            front.append(dot)
    return front


def _name(axes: "Axes", dots: Sequence[FrontierDot]) -> None:
    """Write every name beside its dot, apart from the others'; to the left at the right end."""
    into = axes.transAxes.inverted()
    places = [into.transform(axes.transData.transform((dot.x, dot.y))) for dot in dots]
    wanted = {dot.name: float(place[1]) for dot, place in zip(dots, places, strict=True)}
    near = spread(wanted, dict.fromkeys(wanted, _ROOM / _TALL))
    for dot, place in zip(dots, places, strict=True):
        words = f"{dot.name}  {100 * dot.share:.0f} %"
        look: dict[str, Any] = {"va": "center", "fontsize": _NAME, "color": INK}
        side, beside = ("right", -0.012) if place[0] > _END else ("left", 0.012)
        at = (place[0] + beside, near[dot.name])
        axes.text(*at, words, ha=side, transform=axes.transAxes, **look)
