"""The figure of a study: every arm, every measurement, with 95 % intervals over seeds.

A panel per measurement stands beside the next; the arms are rows, in the same order in all of
them. The dot is the mean, the bar its interval, and faint dots are single seeds. A vertical line
marks the mean of the baseline, whose own dot is hollow: what lies on it, made no difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.report.records import ANSWERS, StudyPage
from studies.report.words import answer_line, size_line
from xhat.report import Estimate
from xhat.report.palette import MUTED, PAPER, ink_on
from xhat.report.plots import (
    LINE,
    MARGIN,
    TINTS,
    WIDTH,
    Sheet,
    fold,
    title_height,
    title_lines,
    width_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.ticker import Locator

__all__ = ["save_intervals_png"]

_NAME, _HEAD, _NOTE = 11.0, 10.5, 10.0  # the sizes of words
_ROW, _GAP, _AXIS, _FOOT = 0.5, 0.3, 0.5, 0.92  # in inches
_NAMES, _ACROSS = 2.9, 5  # the most that names take, and panels side by side
_STRIPE, _GRID, _LINE = "#f3f5f7", "#dfe2e6", "#8a9099"
_BELOW = 0.27  # rows that single seeds lie below their mean
_SPREADS = 2.0  # how many spreads of the values an axis reaches beyond them; longer bars are cut


def save_intervals_png(path: str | Path, page: StudyPage) -> Path:
    """Draw all arms of a study in all measurements that it shows, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        page: the study.

    Returns:
        The path. The same study gives the same bytes.

    Raises:
        TypeError: ``page`` is no ``StudyPage``.
        PermissionError: the folder cannot be written to.
    """
    if not isinstance(page, StudyPage):
        raise TypeError(f"page must be a StudyPage record, not {type(page).__name__}.")
    plan = _Plan(page)
    with Sheet.drawn(path, plan.height) as sheet:
        sheet.title(plan.title)
        for number, metric in enumerate(page.shown):
            line, column = divmod(number, plan.across)
            top = plan.top(line)
            if column == 0:
                _write_names(sheet, plan, top + plan.head)
            left = MARGIN + plan.gutter + column * (plan.panel + _GAP)
            bottom = top + plan.head - 0.08
            sheet.write(left, bottom, plan.headings[metric], _HEAD, va="bottom")
            axes = sheet.axes(left, top + plan.head, plan.panel, plan.tall)
            _draw_panel(axes, page, metric)
        _write_foot(sheet, page)
    return Path(path)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Where everything lies, in inches."""

    page: StudyPage

    @cached_property
    def title(self) -> list[str]:
        return title_lines(self.page.question)

    @cached_property
    def names(self) -> list[list[str]]:
        """The names of the arms, folded."""
        room = _NAMES - 0.3
        return [fold(arm.name, _NAME, room, lines=2) for arm in self.page.arms]

    @cached_property
    def gutter(self) -> float:
        """What the names take at the left."""
        return max(width_of(line, _NAME) for lines in self.names for line in lines) + 0.3

    @cached_property
    def lines(self) -> int:
        """How many lines of panels there are."""
        return ceil(len(self.page.shown) / _ACROSS)

    @cached_property
    def across(self) -> int:
        """How many panels stand side by side."""
        return ceil(len(self.page.shown) / self.lines)

    @cached_property
    def panel(self) -> float:
        """The width of a panel."""
        room = WIDTH - 2 * MARGIN - self.gutter
        return (room - (self.across - 1) * _GAP) / self.across

    @cached_property
    def headings(self) -> dict[str, list[str]]:
        """The headings of the panels, folded."""
        return {m: fold(h, _HEAD, self.panel, lines=3) for m, h in self.page.shown.items()}

    @cached_property
    def head(self) -> float:
        """The height of the headings."""
        return max(map(len, self.headings.values())) * _HEAD * LINE / 72 + 0.12

    @cached_property
    def tall(self) -> float:
        """The height of the rows of a panel."""
        return _ROW * len(self.page.arms)

    def top(self, line: int) -> float:
        """Return where a line of panels begins."""
        return title_height(self.title) + 0.1 + line * (self.head + self.tall + _AXIS)

    @cached_property
    def height(self) -> float:
        """The height of the whole figure."""
        return self.top(self.lines) + _FOOT


def _write_names(sheet: Sheet, plan: _Plan, top: float) -> None:
    """Write the names of the arms, and a stripe behind every other row of all panels."""
    for k, lines in enumerate(plan.names):
        middle = top + (k + 0.5) * _ROW
        sheet.write(MARGIN + 0.1, middle, lines, _NAME, va="center", linespacing=1.1)
    stripes = sheet.axes(MARGIN, top, WIDTH - 2 * MARGIN, plan.tall)
    stripes.set(ylim=(len(plan.names), 0), zorder=-1)
    stripes.axis("off")
    for k in range(0, len(plan.names), 2):
        stripes.axhspan(k, k + 1, color=_STRIPE, linewidth=0)


def _draw_panel(axes: "Axes", page: StudyPage, metric: str) -> None:
    """Draw one measurement of all arms."""
    factor = 100 if page.is_percent(metric) else 1
    arms, baseline = page.arms, page.baseline(metric)
    low, high = _limits([arm.estimates[metric] for arm in arms if metric in arm.estimates], factor)
    axes.set(xlim=(low, high), ylim=(len(arms) - 0.5, -0.5), facecolor="none")
    axes.set_yticks([])
    axes.xaxis.set_major_locator(_ticks())
    axes.ticklabel_format(axis="x", useOffset=False, scilimits=(-3, 5))
    axes.grid(axis="x", color=_GRID)
    axes.set_axisbelow(True)
    for k, arm in enumerate(arms):
        if metric not in arm.estimates:
            axes.text((low + high) / 2, k, "not measured", color=MUTED, ha="center", va="center")
            continue
        hollow = arm.name == baseline
        if hollow:
            axes.axvline(arm.estimates[metric].mean * factor, color=_LINE, linewidth=1.2, zorder=1)
        _draw_estimate(axes, k, arm.estimates[metric], factor, hollow=hollow)


def _draw_estimate(axes: "Axes", k: int, one: Estimate, factor: int, *, hollow: bool) -> None:
    """Draw one estimate in row ``k``; a bar that leaves the axis ends in a tip."""
    tint, (low, high) = TINTS[0], axes.get_xlim()
    spots = [value * factor for value in one.values]
    places = [k + _BELOW if len(spots) > 1 else k] * len(spots)
    axes.plot(spots, places, "o", color=tint, alpha=0.35, markersize=4.5, zorder=2, mew=0)
    if one.bounded:
        left, right = one.low * factor, one.high * factor
        ends = max(left, low), min(right, high)
        axes.plot(ends, (k, k), color=tint, linewidth=3, zorder=3, solid_capstyle="butt")
        for end, beyond, tip in ((low, left < low, 4), (high, right > high, 5)):
            if beyond:
                axes.plot(end, k, marker=tip, color=tint, markersize=7, clip_on=False, zorder=4)
    fill = PAPER if hollow else tint
    axes.plot(
        one.mean * factor,
        k,
        "o",
        color=tint,
        markersize=6.5,
        markerfacecolor=fill,
        mew=1.8,
        zorder=5,
    )


def _limits(estimates: Sequence[Estimate], factor: int) -> tuple[float, float]:
    """Return the ends of an axis: all values and intervals, but not far beyond the values."""
    values = [value * factor for one in estimates for value in one.values]
    least, most = min(values), max(values)
    spread = _SPREADS * (most - least)
    ends = [one.low * factor for one in estimates if one.bounded]
    low = max(min([least, *ends]), least - spread)
    ends = [one.high * factor for one in estimates if one.bounded]
    high = min(max([most, *ends]), most + spread)
    if factor == 100 and least >= 0 and most <= 100:
        low, high = max(0.0, low), min(100.0, high)  # a share cannot be beyond, its interval can
    room = 0.07 * (high - low) or 0.5 * max(abs(high), 1e-3)
    return low - room, high + room


def _ticks() -> "Locator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=4, steps=[1, 2, 5, 10], min_n_ticks=2)


def _signs(page: StudyPage) -> list["Line2D"]:
    """Return the entries of the legend, as far as they occur."""
    from matplotlib.lines import Line2D

    every = [e for arm in page.arms for metric, e in arm.estimates.items() if metric in page.shown]
    bars = any(one.bounded for one in every)
    look: dict[str, Any] = {"color": TINTS[0], "marker": "o", "markersize": 6.5, "mew": 1.8}
    several = any(len(one.values) > 1 for one in every)
    mean = "mean and 95 % interval" if bars else "mean" if several else "the only seed"
    mean += " over seeds" if several else ""
    signs = [Line2D([], [], linewidth=3 if bars else 0, label=mean, **look)]
    if several:
        faint: dict[str, Any] = look | {"markersize": 4.5, "mew": 0, "alpha": 0.35}
        signs.append(Line2D([], [], linewidth=0, label="a single seed", **faint))
    baselines = {page.baseline(metric) for metric in page.shown} - {None}
    if baselines:
        name = f"the baseline, “{baselines.pop()}”" if len(baselines) == 1 else "the baseline"
        hollow: dict[str, Any] = look | {"markerfacecolor": PAPER}
        signs.append(Line2D([], [], linewidth=0, label=f"hollow, with a line: {name}", **hollow))
    return signs


def _write_foot(sheet: Sheet, page: StudyPage) -> None:
    """Write what the signs mean, the answer, and how many seeds it rests on."""
    handles = _signs(page)
    sheet.figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=((MARGIN + 0.03) / sheet.width, 0.62 / sheet.height),
        ncols=len(handles),
        fontsize=_NOTE,
        borderpad=0,
        borderaxespad=0,
        handletextpad=0.5,
        columnspacing=2,
    )
    answer = ANSWERS[page.answer]
    chip, top = f"{answer.mark} {answer.word}", sheet.height - 0.33
    box = {"boxstyle": "round,pad=0.4", "facecolor": answer.colour, "edgecolor": "none"}
    look = {"weight": "bold", "va": "center", "color": ink_on(answer.colour), "bbox": box}
    sheet.write(MARGIN + 0.06, top, chip, _NAME, **look)
    left = MARGIN + 0.36 + width_of(chip, _NAME, bold=True)
    words = f"{answer_line(page)} {size_line(page)}".strip()
    line = fold(words, _NAME, WIDTH - MARGIN - left, lines=1)
    sheet.write(left, top, line, _NAME, va="center")
