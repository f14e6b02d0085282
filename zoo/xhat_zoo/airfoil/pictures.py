"""The figure of airfoils: their outlines, and their polars by surrogate and by simulator.

One panel for every specification. At the left the outlines lie on each other; at the right a line
is what the surrogate says and dots of the same colour are what the simulator says. Where dots leave
their line, the surrogate was wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xhat.report.palette import FAINT, MUTED
from xhat.report.plots import MARGIN, MARKERS, TINTS, WIDTH, Sheet, title_height, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AirfoilCurve", "AirfoilPanel", "save_airfoils_png"]

_TALL, _GAP, _LEGEND = 2.9, 0.5, 0.45
_SHAPE, _POLAR = 5.3, 4.9
_COLOURS = (TINTS[0], TINTS[1], MUTED)
_STYLES = ("-", "--", "-")


@dataclass(frozen=True)
class AirfoilCurve:
    """One airfoil.

    Attributes:
        name: for the legend.
        outline: ``(p, 2)``, in chords.
        lift: ``(m,)``, of the surrogate's line.
        drag: ``(m,)``, the same.
        true_lift: ``(k,)``, of the simulator's dots; NaN or empty where it says nothing.
        true_drag: ``(k,)``, the same.
    """

    name: str
    outline: NDArray[np.float64]
    lift: NDArray[np.float64]
    drag: NDArray[np.float64]
    true_lift: NDArray[np.float64]
    true_drag: NDArray[np.float64]


@dataclass(frozen=True)
class AirfoilPanel:
    """One specification: up to three airfoils.

    Attributes:
        title: what was asked.
        note: what came of it, in a line.
        curves: one to three, in the order of the colours: blue, orange, grey.
        lifts: that were asked for; drawn as lines.
    """

    title: str
    note: str
    curves: Sequence[AirfoilCurve]
    lifts: Sequence[float] = ()


def save_airfoils_png(
    path: str | Path, panels: Sequence[AirfoilPanel], *, title: str = "", truth: str = "XFoil"
) -> Path:
    """Draw a panel for each specification, one below the other, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        panels: one or more.
        title: the headline, or nothing.
        truth: the simulator's name.

    Returns:
        The path. The same numbers give the same bytes.

    Raises:
        ValueError: no panel, or one without curves or with more than three.
        PermissionError: the folder cannot be written to.
    """
    if not panels or any(not 1 <= len(panel.curves) <= len(_COLOURS) for panel in panels):
        raise ValueError("a figure of airfoils needs panels, each with one to three curves.")
    headline = title_lines(title)
    top = title_height(headline) + 0.1
    with Sheet.drawn(path, top + len(panels) * (_TALL + _GAP) + _LEGEND) as sheet:
        sheet.title(headline)
        for k, panel in enumerate(panels):
            _panel(sheet, panel, top + k * (_TALL + _GAP))
        words = f"Lines: the surrogate. Dots: {truth}. Dotted: the lifts that were asked for."
        sheet.write(MARGIN, sheet.height - 0.42, words, 10, color=MUTED)
    return Path(path)


def _panel(sheet: Sheet, panel: AirfoilPanel, top: float) -> None:
    sheet.write(MARGIN, top, panel.title, 12, weight="bold")
    sheet.write(MARGIN, top + 0.24, panel.note, 10, color=MUTED)
    left = sheet.axes(MARGIN, top + 0.55, _SHAPE, _TALL - 0.75)
    right = sheet.axes(WIDTH - MARGIN - _POLAR, top + 0.55, _POLAR, _TALL - 0.75)
    for k in reversed(range(len(panel.curves))):
        curve, look = panel.curves[k], {"color": _COLOURS[k], "ls": _STYLES[k], "lw": 1.6}
        left.plot(*curve.outline.T, label=curve.name, zorder=5 - k, **look)
        if k == 0:
            left.fill(*curve.outline.T, color=_COLOURS[0], alpha=0.08, lw=0)
        right.plot(1e4 * curve.drag, curve.lift, zorder=3, **look)
        right.scatter(
            1e4 * curve.true_drag, curve.true_lift, s=26, color=_COLOURS[k], marker=MARKERS[k],
            zorder=4, edgecolors="white", linewidths=0.5,
        )  # fmt: skip
    _finish(left, right, panel)


def _finish(left: "Axes", right: "Axes", panel: AirfoilPanel) -> None:
    left.set_aspect("equal")
    left.set_xlim(-0.03, 1.03)
    low, high = left.get_ylim()
    left.set_ylim(low - 0.02, high + 0.14)  # room for the names
    left.set_yticks([])
    handles, names = left.get_legend_handles_labels()
    left.legend(handles[::-1], names[::-1], loc="upper center", ncols=3, columnspacing=1.4)
    for lift in panel.lifts:
        right.axhline(lift, color=MUTED, lw=0.9, ls=":", zorder=1)
    right.grid(color=FAINT, lw=0.6, zorder=0)
    right.set_xlabel("drag coefficient × 10⁴")
    right.set_ylabel("lift coefficient")
    seen = np.concatenate([c.drag for c in panel.curves] + [c.true_drag for c in panel.curves])
    seen = 1e4 * seen[np.isfinite(seen)]
    right.set_xlim(0.7 * seen.min(), min(1.08 * seen.max(), 3.2 * float(np.median(seen))))
