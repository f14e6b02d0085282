"""The encounter plane: where two bodies pass each other, before and after a manoeuvre."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xhat.report.palette import FAINT, INK, MUTED
from xhat.report.plots import MARGIN, WIDTH, Sheet, fold, title_height, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EncounterPlane", "save_encounters_png"]

_BEFORE, _AFTER, _RISKY = "#c85200", "#1f5fc4", "#f3c9ab"
_ACROSS, _GAP, _LEFT, _BELOW = 3, 0.35, 0.6, 0.62  # panels side by side; inches
_HEAD, _NOTE = 11.0, 9.5  # the sizes of words


@dataclass(frozen=True, eq=False)
class EncounterPlane:
    """One encounter, in the axes of its covariance, the wide one first.

    Attributes:
        title: above the panel.
        lines: below the title, such as the probabilities.
        before: ``(2,)``, m, where the satellite was predicted to pass; the other is at the origin.
        after: ``(2,)``, m, where it passes after the burn.
        deviations: ``(2,)``, m, of the relative position along both axes.
        radius: m, of both bodies together.
        risky: ``(k, 2)``, m, points around the region where the risk is above what is wanted.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.

    Example:
        >>> plane = EncounterPlane("one", (), (0, 10), (0, 90), (200, 20), 5, [(1, 1), (2, 2)])
        >>> plane.after.tolist()
        [0.0, 90.0]
    """

    title: str
    lines: Sequence[str]
    before: ArrayLike
    after: ArrayLike
    deviations: ArrayLike
    radius: float
    risky: ArrayLike

    def __post_init__(self) -> None:
        for name, shape in (("before", (2,)), ("after", (2,)), ("deviations", (2,))):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise ValueError(f"{name} must be 2 finite numbers, but is {value.tolist()}.")
            object.__setattr__(self, name, value)
        risky = np.asarray(self.risky, dtype=np.float64)
        if risky.ndim != 2 or risky.shape[1] != 2 or not np.isfinite(risky).all():
            raise ValueError(f"risky must be (k, 2) finite points, but has shape {risky.shape}.")
        object.__setattr__(self, "risky", risky)


def save_encounters_png(
    path: str | Path, planes: Sequence[EncounterPlane], *, title: str = "", note: str = ""
) -> Path:
    """Draw encounters side by side: miss and covariance before and after, and the bodies' disc.

    Args:
        path: where to; its folder is made if needed.
        planes: one or more.
        title: the headline, or nothing.
        note: below, or nothing.

    Returns:
        The path. The same numbers give the same bytes.

    Raises:
        ValueError: no planes.
        PermissionError: the folder cannot be written to.
    """
    if not planes:
        raise ValueError("a picture of encounters needs at least one.")
    across = min(_ACROSS, len(planes))
    rows = ceil(len(planes) / across)
    width = (WIDTH - 2 * MARGIN - _GAP * (across - 1)) / across
    head = 0.32 + 0.2 * max(len(plane.lines) for plane in planes)
    tall = head + 0.72 * width + _BELOW
    headline = title_lines(title)
    said = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=3) if note else []
    top = title_height(headline) + 0.1
    with Sheet.drawn(path, top + rows * tall + 0.2 * len(said) + 0.25) as sheet:
        sheet.title(headline)
        for i, plane in enumerate(planes):
            left = MARGIN + (i % across) * (width + _GAP)
            above = top + (i // across) * tall
            sheet.write(left, above, plane.title, _HEAD, weight="bold")
            sheet.write(left, above + 0.26, list(plane.lines), _NOTE, color=MUTED)
            axes = sheet.axes(left + _LEFT, above + head, width - _LEFT, 0.72 * width)
            _draw(axes, plane, legend=i == 0)
        if said:
            sheet.write(MARGIN, top + rows * tall + 0.05, said, _NOTE, color=MUTED)
    return Path(path)


def _draw(axes: "Axes", plane: EncounterPlane, *, legend: bool) -> None:
    from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, Polygon

    axes.add_patch(Polygon(plane.risky, facecolor=_RISKY, edgecolor="none", alpha=0.6, zorder=0))
    before, after, deviations = map(np.asarray, (plane.before, plane.after, plane.deviations))
    for centre, colour, name in ((before, _BEFORE, "before"), (after, _AFTER, "after")):
        for k in (1, 2, 3):
            size = 2 * k * deviations
            axes.add_patch(
                Ellipse(
                    tuple(centre),
                    size[0],
                    size[1],
                    fill=False,
                    ec=colour,
                    lw=1.2,
                    alpha=1.1 - k / 4,
                )
            )
        axes.plot(*centre, "o", color=colour, ms=5, zorder=4, label=f"predicted {name}, 1–3 σ")
    axes.add_patch(
        FancyArrowPatch(
            tuple(before), tuple(after), arrowstyle="-|>", mutation_scale=13, color=INK, lw=1.3,
            shrinkA=3, shrinkB=3, zorder=5,
        )
    )  # fmt: skip
    axes.add_patch(Circle((0, 0), plane.radius, facecolor=INK, zorder=6))
    _frame(axes, plane, np.concatenate([before + 3.2 * deviations, before - 3.2 * deviations]))
    if legend:
        axes.legend(loc="upper right", fontsize=8.5, handletextpad=0.2, borderaxespad=0.1)


def _frame(axes: "Axes", plane: EncounterPlane, around: NDArray[np.float64]) -> None:
    """Set limits that hold everything, and words in metres or kilometres."""
    after, deviations = np.asarray(plane.after), np.asarray(plane.deviations)
    points = np.vstack(
        [around.reshape(2, 2), after + 3.2 * deviations, after - 3.2 * deviations, plane.risky]
    )
    low, high = points.min(0), points.max(0)
    axes.set_xlim(low[0] - 0.03 * (high - low)[0], high[0] + 0.03 * (high - low)[0])
    axes.set_ylim(low[1] - 0.03 * (high - low)[1], high[1] + 0.2 * (high - low)[1])
    axes.set_xlabel("wide axis, m", fontsize=9.5)
    axes.set_ylabel("narrow axis, m", fontsize=9.5)
    axes.tick_params(labelsize=8.5)
    axes.grid(color=FAINT, lw=0.6, zorder=-1)
    axes.locator_params(nbins=5 if log10(max(high - low)) < 3.6 else 4)
