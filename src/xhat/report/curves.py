"""Lines: measurements over a swept quantity, and any other curves in panels.

A line may carry a band, its 95 % interval. Every line has a colour and a sign of its own, and its
name stands beside its end or in the legend.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xhat.report.estimates import Estimate
from xhat.report.palette import MUTED
from xhat.report.plots import (
    LINE,
    MARGIN,
    MARKERS,
    TINTS,
    WIDTH,
    Sheet,
    fold,
    spread,
    title_height,
    title_lines,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CurvePanel", "save_curves_png", "save_tradeoff_png"]

_NAME, _HEAD, _NOTE = 11.0, 12.0, 10.0  # the sizes of words
_LEFT, _BOTTOM = 0.75, 0.75  # inches for the ticks and labels of an axis
_ACROSS, _MARKED = 3, 30  # panels side by side; points of a line up to which each has its sign


@dataclass(frozen=True, eq=False)
class CurvePanel:
    """One panel of lines.

    Args:
        title: above it; may be empty.
        x_label: of the horizontal axis.
        y_label: of the vertical axis; where it ends in ``%``, values are drawn times a hundred.
        lines: by name, each ``(x, y)`` or ``(x, mean, low, high)``, of one length ``n``, 1 or more;
            ends of an interval may be infinite where there is none.
        log_x: whether the horizontal axis counts powers of ten, or of two where ``x`` are whole
            numbers up to a hundred; then ``x`` is above 0.

    Raises:
        ValueError: no lines, lines of other parts, lengths that differ, or values that are not
            finite.

    Example:
        >>> panel = CurvePanel("loss", "epoch", "loss", {"plain": ([1, 2, 3], [0.9, 0.5, 0.4])})
        >>> panel.lines["plain"].shape
        (2, 3)
    """

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Any]
    log_x: bool = False

    def __post_init__(self) -> None:
        if not self.lines:
            raise ValueError(f"lines of the panel {self.title!r} is empty; pass at least one line.")
        lines = {n: _as_line(f"the line {n!r}", line) for n, line in self.lines.items()}
        if self.log_x and any(line[0].min() <= 0 for line in lines.values()):
            raise ValueError(f"x of the panel {self.title!r} must be above 0 on a log axis.")
        object.__setattr__(self, "lines", lines)  # the record is frozen


def save_tradeoff_png(
    path: str | Path,
    x: Sequence[float],
    series: Mapping[str, Sequence[Estimate | float]],
    *,
    x_label: str,
    title: str = "",
    y_label: str = "share, %",
    note: str = "",
) -> Path:
    """Draw several measurements over one swept quantity, with bands of 95 %, and save that as PNG.

    Args:
        path: the file; its folder is made if needed.
        x: the ``n`` values that were swept.
        series: by name, ``n`` estimates or plain numbers each; shares in [0, 1].
        x_label: what was swept.
        title: the headline, or nothing.
        y_label: of the vertical axis; where it ends in ``%``, values are drawn times a hundred.
        note: a line below, such as how many seeds there are.

    Returns:
        The path. The same numbers give the same bytes.

    Raises:
        ValueError: no series, lengths that differ, or values that are not finite.
        PermissionError: the folder cannot be written to.
    """
    lines = {name: _as_columns(f"the line {name!r}", x, row) for name, row in series.items()}
    panel = CurvePanel("", x_label, y_label, lines)
    headline = title_lines(title)
    top, names = title_height(headline) + 0.05, {n: fold(n, _NAME, 2.6, lines=2) for n in lines}
    wide = max(width_of(part, _NAME) for parts in names.values() for part in parts) + 0.25
    tall = 4.6
    with Sheet.drawn(path, top + tall + _BOTTOM + (0.35 if note else 0.1)) as sheet:
        sheet.title(headline)
        room = WIDTH - 2 * MARGIN - _LEFT - wide
        axes = sheet.axes(MARGIN + _LEFT, top, room, tall)
        _draw_panel(axes, panel, list(lines))
        axes.set_xmargin(0.02)
        _name_ends(axes, panel, names, tall)
        _write_note(sheet, note)
    return Path(path)


def save_curves_png(
    path: str | Path, panels: Sequence[CurvePanel], *, title: str = "", note: str = ""
) -> Path:
    """Draw panels of lines side by side, up to three in a row, and save that as a PNG.

    Lines of one name have one colour and one sign in all panels; the legend names them once.

    Args:
        path: the file; its folder is made if needed.
        panels: one or more.
        title: the headline, or nothing.
        note: a line below, such as how many seeds there are.

    Returns:
        The path. The same panels give the same bytes.

    Raises:
        TypeError: something that is no ``CurvePanel``.
        ValueError: no panels.
        PermissionError: the folder cannot be written to.
    """
    _check_panels(panels)
    down = ceil(len(panels) / _ACROSS)
    across = ceil(len(panels) / down)
    room = (WIDTH - 2 * MARGIN) / across
    tall, headline = (3.6 if across > 1 else 4.6), title_lines(title)
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    heads = [fold(panel.title, _HEAD, room - _LEFT, lines=2, bold=True) for panel in panels]
    head = max(map(len, heads)) * _HEAD * LINE / 72 + 0.28  # a power of ten may stand there
    keys = _legend_rows(names)
    top = title_height(headline) + (0.3 * len(keys) + 0.1 if len(names) > 1 else 0) + 0.1
    cell = head + tall + _BOTTOM
    with Sheet.drawn(path, top + down * cell + (0.4 if note else 0.1)) as sheet:
        sheet.title(headline)
        if len(names) > 1:
            _write_legend(sheet, keys, title_height(headline) + 0.08)
        for k, panel in enumerate(panels):
            y, left = top + k // across * cell, MARGIN + k % across * room + _LEFT
            sheet.write(left, y, heads[k], _HEAD, weight="bold")
            axes = sheet.axes(left, y + head, room - _LEFT - 0.15, tall)
            _draw_panel(axes, panel, names)
        _write_note(sheet, note)
    return Path(path)


def _draw_panel(axes: "Axes", panel: CurvePanel, names: Sequence[str]) -> None:
    """Draw the lines of a panel, each in the colour of its place in ``names``."""
    factor = 100 if panel.y_label.rstrip().endswith("%") else 1
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(panel.x_label, parse_math=False)
    axes.set_ylabel(panel.y_label, parse_math=False)
    if panel.log_x and _in_doublings(panel):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    elif panel.log_x:
        axes.set_xscale("log")
    elif all(np.all(line[0] % 1 == 0) for line in panel.lines.values()):
        axes.locator_params(axis="x", integer=True)  # there is no epoch 1.5
    for name, (x, y, *band) in panel.lines.items():
        look = _look(names.index(name))
        shown = x.size <= _MARKED
        look |= {"marker": look["marker"] if shown else "", "markersize": 6}
        axes.plot(x, y * factor, linewidth=2, **look)
        if band and np.isfinite(band[0]).any():
            low, high = np.where(np.isfinite(band), band, y) * factor
            axes.fill_between(x, low, high, color=look["color"], alpha=0.14, linewidth=0)
    if factor == 100 and all(0 <= y.min() <= y.max() <= 1 for _, y, *_ in panel.lines.values()):
        least, most = axes.get_ylim()
        axes.set_ylim(max(least, -3.0), min(most, 103.0))  # a share is never beyond, its band may


def _in_doublings(panel: CurvePanel) -> bool:
    return all(np.all(x % 1 == 0) and x.max() <= 100 for x, *_ in panel.lines.values())


def _look(k: int) -> dict[str, Any]:
    """Return the colour and sign of the line number ``k``; dashes tell a second round apart."""
    dashes = "-" if k < len(TINTS) else "--"
    return {"color": TINTS[k % len(TINTS)], "marker": MARKERS[k % len(MARKERS)], "ls": dashes}


def _name_ends(
    axes: "Axes", panel: CurvePanel, names: Mapping[str, Sequence[str]], tall: float
) -> None:
    """Write the name of every line at the right of its end, the names apart from each other."""
    factor = 100 if panel.y_label.rstrip().endswith("%") else 1
    least, most = axes.get_ylim()
    ends = {n: (line[1][-1] * factor - least) / (most - least) for n, line in panel.lines.items()}
    heights = {n: (len(names[n]) * _NAME * LINE / 72 + 0.04) / tall for n in ends}
    places = spread(ends, heights)
    order = list(panel.lines)
    for name, place in places.items():
        words = "\n".join(names[name])
        tint = _look(order.index(name))["color"]
        end = axes.transAxes.inverted().transform(
            axes.transData.transform((panel.lines[name][0][-1], panel.lines[name][1][-1] * factor))
        )
        axes.plot(
            (end[0], 1, 1.012), (end[1], place, place), transform=axes.transAxes, color=tint,
            linewidth=0.8, clip_on=False,
        )  # fmt: skip
        axes.text(
            1.02, place, words, transform=axes.transAxes, fontsize=_NAME, color=tint,
            va="center", weight="bold", parse_math=False,
        )  # fmt: skip


def _legend_rows(names: Sequence[str]) -> list[list[tuple[str, float]]]:
    """Return the names with the place of each, broken into lines."""
    rows, left = [[]], 0.0
    for name in names:
        (word,) = fold(name, _NAME, 4.0, lines=1)
        wide = 0.85 + width_of(word, _NAME)
        if rows[-1] and left + wide > WIDTH - 2 * MARGIN:
            rows, left = [*rows, []], 0.0
        rows[-1].append((word, left))
        left += wide
    return rows


def _write_legend(sheet: Sheet, rows: Sequence[Sequence[tuple[str, float]]], top: float) -> None:
    keys = sheet.axes(MARGIN, top, WIDTH - 2 * MARGIN, 0.3 * len(rows))
    keys.set(xlim=(0, WIDTH - 2 * MARGIN), ylim=(len(rows), 0))
    keys.axis("off")
    places = [(row, word, left) for row, words in enumerate(rows) for word, left in words]
    for k, (row, word, left) in enumerate(places):
        y = row + 0.5
        keys.plot((left, left + 0.2, left + 0.4), (y, y, y), linewidth=2, markevery=[1], **_look(k))
        keys.text(left + 0.5, y, word, fontsize=_NAME, va="center", parse_math=False)


def _write_note(sheet: Sheet, note: str) -> None:
    line = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=1)
    sheet.write(MARGIN, sheet.height - 0.4, line, _NOTE, color=MUTED)


def _check_panels(panels: Sequence[object]) -> None:
    for panel in panels:
        if not isinstance(panel, CurvePanel):
            raise TypeError(f"panels must be CurvePanel records, not {type(panel).__name__}.")
    if not panels:
        raise ValueError("panels is empty; pass at least one.")


def _as_columns(name: str, x: Sequence[float], row: Sequence[Estimate | float]) -> Any:
    """Return ``x`` with the means and the ends of their intervals."""
    if len(row) != len(x):
        raise ValueError(f"{name} must have one value for each of {len(x)} x, but has {len(row)}.")
    every = [one if isinstance(one, Estimate) else Estimate.of_one(float(one)) for one in row]
    return x, [e.mean for e in every], [e.low for e in every], [e.high for e in every]


def _as_line(name: str, parts: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Return ``(2, n)`` or ``(4, n)`` numbers of a line."""
    arrays = [np.asarray(part, dtype=float) for part in parts]
    shapes = [array.shape for array in arrays]
    if len(arrays) not in (2, 4) or len(set(shapes)) > 1 or len(shapes[0]) != 1 or not shapes[0][0]:
        raise ValueError(
            f"{name} must be (x, y) or (x, mean, low, high), each of n numbers, but has parts of "
            f"shape {', '.join(map(str, shapes))}."
        )
    line = np.stack(arrays)
    if not np.isfinite(line[:2]).all() or np.isnan(line).any():
        raise ValueError(f"{name} must have finite x and y, but some are not.")
    return line
