"""The figure of active refinement: the gap between surrogate and truth, round by round.

On the left, for every candidate that the truth was asked about, how far the surrogate was off
there: it falls if the rounds teach the surrogate what the search needs to know. On the right, what
that bought: the least error by the truth, over the truth calls that it took.
"""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from xhat.report.palette import MUTED
from xhat.report.plots import MARGIN, TINTS, WIDTH, Sheet, fold, title_height, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["save_gaps_png"]

_HEAD, _NOTE, _NAME = 12.0, 10.0, 10.0  # the sizes of words
_HEADS = "How far the surrogate was off", "What the truth says of the best"
_TALL, _LEFT, _BOTTOM, _HEAD_ROOM = 3.6, 0.85, 0.75, 0.35  # inches


def save_gaps_png(
    path: str | Path,
    gaps: Sequence[Sequence[float]],
    best: Sequence[tuple[int, float]],
    *,
    gap_label: str = "gap of surrogate and truth",
    error_label: str = "least error by the truth",
    tolerance: float | None = None,
    title: str = "",
    note: str = "",
) -> Path:
    """Draw the gaps of every round and the best error over truth calls, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        gaps: for each round, the gap of every candidate that the truth answered on, 0 or more; a
            round without any is left empty. A gap of 0 is drawn at the lower edge.
        best: for each round, the truth calls so far and the least error so far, 0 or more; NaN
            while there is none.
        gap_label: of the left vertical axis, which is logarithmic.
        error_label: of the right one, logarithmic where errors differ by more than ten times.
        tolerance: the error up to which a candidate is confirmed, as a line; None for no line.
        title: the headline, or nothing.
        note: a line below.

    Returns:
        The path. The same numbers give the same bytes.

    Raises:
        ValueError: no rounds, lists of different length, a negative or infinite number, or nothing
            above 0 to draw.
        PermissionError: the folder cannot be written to.
    """
    _check(gaps, best)
    headline = title_lines(title)
    top = title_height(headline) + 0.1
    room = (WIDTH - 2 * MARGIN) / 2
    with Sheet.drawn(path, top + _HEAD_ROOM + _TALL + _BOTTOM + (0.5 if note else 0.1)) as sheet:
        sheet.title(headline)
        for k, words in enumerate(_HEADS):
            left = MARGIN + k * room + _LEFT
            sheet.write(left, top, words, _HEAD, weight="bold")
            axes = sheet.axes(left, top + _HEAD_ROOM, room - _LEFT - 0.2, _TALL)
            if k == 0:
                _draw_gaps(axes, gaps, gap_label)
            else:
                _draw_best(axes, best, error_label, tolerance)
        if note:
            lines = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=2)
            sheet.write(MARGIN, sheet.height - 0.14 - 0.2 * len(lines), lines, _NOTE, color=MUTED)
    return Path(path)


def _draw_gaps(axes: "Axes", gaps: Sequence[Sequence[float]], label: str) -> None:
    """Draw a dot per candidate and a line through the medians."""
    least = min(gap for row in gaps for gap in row if gap > 0)
    axes.set_yscale("log")
    for number, row in enumerate(gaps, 1):
        shifts = [0.22 * (i / max(1, len(row) - 1) - 0.5) for i in range(len(row))]
        places = [number + shift for shift in shifts]
        heights = [max(gap, least / 2) for gap in sorted(row)]
        axes.plot(places, heights, "o", color=TINTS[0], alpha=0.35, markersize=6, mew=0)
    told = [(number, max(median(row), least / 2)) for number, row in enumerate(gaps, 1) if row]
    axes.plot(*zip(*told, strict=True), color=TINTS[0], linewidth=2)
    axes.plot(*zip(*told, strict=True), "_", color=TINTS[0], markersize=26, mew=3)
    number, height = told[-1]
    axes.annotate(
        f"median {height:.2g}", (number, max(height, *gaps[number - 1])), (0, 10),
        textcoords="offset points",
        ha="center", fontsize=_NAME, color=TINTS[0], weight="bold",
    )  # fmt: skip
    axes.set_xlim(0.5, len(gaps) + 0.5)
    axes.locator_params(axis="x", integer=True)
    _finish(axes, "round", label)


def _draw_best(
    axes: "Axes", best: Sequence[tuple[int, float]], label: str, tolerance: float | None
) -> None:
    """Draw the least error as steps, and the tolerance as a line."""
    told = [(calls, error) for calls, error in best if isfinite(error)]
    above = [error for _, error in told if error > 0]
    if above and max(above) > 10 * min(above):
        axes.set_yscale("log")
        told = [(calls, max(error, min(above) / 2)) for calls, error in told]
    else:
        axes.set_ylim(0, 1.3 * max([tolerance or 0, *above]) or 1)
    x, y = [calls for calls, _ in told], [error for _, error in told]
    axes.plot(x, y, drawstyle="steps-post", color=TINTS[1], linewidth=2)
    axes.plot(x, y, "s", color=TINTS[1], markersize=6)
    axes.set_xlim(0, 1.05 * best[-1][0])
    if tolerance:
        axes.axhline(tolerance, color=TINTS[2], linewidth=1.5, linestyle="--")
        axes.annotate(
            f"tolerance {tolerance:g}", (0, tolerance), (6, 5), textcoords="offset points",
            fontsize=_NAME, color=TINTS[2], weight="bold",
        )  # fmt: skip
    axes.locator_params(axis="x", integer=True)
    _finish(axes, "truth calls beyond the first data", label)


def _finish(axes: "Axes", x_label: str, y_label: str) -> None:
    axes.grid(axis="y", which="major")
    axes.set_axisbelow(True)
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(x_label, parse_math=False)
    axes.set_ylabel(y_label, parse_math=False)


def _check(gaps: Sequence[Sequence[float]], best: Sequence[tuple[int, float]]) -> None:
    if not gaps or len(gaps) != len(best):
        raise ValueError(
            f"gaps and best must have one entry for each round, 1 or more, but have {len(gaps)} "
            f"and {len(best)}."
        )
    if any(not 0 <= gap < float("inf") for row in gaps for gap in row):
        raise ValueError("every gap must be finite and 0 or more; leave out where there is none.")
    if any(error < 0 or error == float("inf") for _, error in best):
        raise ValueError("every best error must be 0 or more, or NaN where there is none.")
    if not any(gap > 0 for row in gaps for gap in row):
        raise ValueError("there is no gap above 0 to draw.")
