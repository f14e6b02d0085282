"""Slices through a signed distance: level sets, what the truth says, and what lies in the plane.

Blue is inside, orange outside, in steps; the surface of the surrogate is black, that of the truth
white and dashed on top of it, so that where the two agree the line is dashed in black and white.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xhat.report.palette import INK, MUTED
from xhat.report.plots import MARGIN, WIDTH, Sheet, fold, title_height, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Arrows", "FieldSlice", "save_slices_png"]

_HEAD, _LABEL, _NOTE = 12.0, 10.0, 10.0  # the sizes of words
_SIDE, _BELOW, _GAP, _BAR = 0.55, 0.6, 0.3, 1.0  # inches
_TALLEST, _ACROSS = 4.6, 3
_LEVELS = 14
_PATH, _END, _DISC = "#16181c", "#00a368", "#00a368"


@dataclass(frozen=True)
class Arrows:
    """Directions at points of a plane, coloured by an angle.

    Attributes:
        points: ``(n, 2)``.
        directions: ``(n, 2)``, drawn at one length.
        degrees: ``(n,)``.
    """

    points: ArrayLike
    directions: ArrayLike
    degrees: ArrayLike


@dataclass(frozen=True)
class FieldSlice:
    """A plane through a field.

    Attributes:
        name: the headline of the panel.
        values: ``(h, w)``, the surrogate's distance; the first row lies at the bottom.
        truth: ``(h, w)``, the truth's.
        extent: left, right, bottom and top.
        labels: of the two axes.
        arrows: normals, or None.
        paths: each ``(frames, 2)``, drawn from its first point to its last.
        discs: ``(x, y, radius)`` of balls that fit.

    Raises:
        ValueError: the planes are not ``(h, w)`` of one shape, or not finite.
    """

    name: str
    values: ArrayLike
    truth: ArrayLike
    extent: tuple[float, float, float, float]
    labels: tuple[str, str] = ("x", "y")
    arrows: Arrows | None = None
    paths: Sequence[ArrayLike] = field(default_factory=tuple)
    discs: Sequence[tuple[float, float, float]] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        values, truth = np.asarray(self.values, float), np.asarray(self.truth, float)
        if values.ndim != 2 or values.shape != truth.shape:
            raise ValueError(
                f"a slice needs two planes (h, w) of one shape, but {self.name!r} has "
                f"{values.shape} and {truth.shape}."
            )
        if not (np.isfinite(values).all() and np.isfinite(truth).all()):
            raise ValueError(f"the planes of {self.name!r} must be finite.")


def save_slices_png(
    path: str | Path,
    slices: Sequence[FieldSlice],
    *,
    title: str = "",
    note: str = "",
) -> Path:
    """Draw planes through a field side by side, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        slices: one or more, up to three in a row; arrows share one scale of colours.
        title: the headline, or nothing.
        note: a line below.

    Returns:
        The path. The same planes give the same bytes.

    Raises:
        ValueError: there are no slices.
        PermissionError: the folder cannot be written to.
    """
    if not slices:
        raise ValueError("slices is empty; pass at least one.")
    across = ceil(len(slices) / ceil(len(slices) / _ACROSS))
    degrees = _top_degrees(slices)
    bar = _BAR if any(one.arrows is not None for one in slices) else 0.0
    wide = (WIDTH - 2 * MARGIN - bar - across * (_SIDE + _GAP)) / across
    tall = min(_TALLEST, max(wide * _aspect(one) for one in slices))
    headline = title_lines(title)
    lines = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=3) if note else []
    top, step = title_height(headline) + 0.1, 0.35 + tall + _BELOW
    height = top + ceil(len(slices) / across) * step + 0.2 * len(lines) + 0.1
    with Sheet.drawn(path, height) as sheet:
        sheet.title(headline)
        drawn = None
        for k, one in enumerate(slices):
            row, column = divmod(k, across)
            left, above = MARGIN + _SIDE + column * (wide + _SIDE + _GAP), top + row * step
            sheet.write(left, above, fold(one.name, _HEAD, wide, lines=1), _HEAD, weight="bold")
            axes = sheet.axes(left, above + 0.35, wide, tall)
            drawn = _draw(axes, one, degrees) or drawn
        if drawn is not None:
            place = sheet.axes(WIDTH - MARGIN - 0.75, top + 0.45, 0.16, tall - 0.2)
            bar_of = sheet.figure.colorbar(drawn, cax=place, extend="max")
            bar_of.set_label("degrees off", fontsize=_LABEL)
        if lines:
            sheet.write(MARGIN, height - 0.2 * len(lines) - 0.12, lines, _NOTE, color=MUTED)
    return Path(path)


def _draw(axes: "Axes", one: FieldSlice, degrees: float) -> Any:
    """Draw one plane; return what a bar of colours can explain, or None."""
    values, truth = np.asarray(one.values, float), np.asarray(one.truth, float)
    left, right, bottom, top = one.extent
    x = np.linspace(left, right, values.shape[1])
    y = np.linspace(bottom, top, values.shape[0])
    reach = max(float(np.abs(values).max()), 1e-12)
    levels = np.linspace(-reach, reach, 2 * _LEVELS + 1)
    faint: dict[str, Any] = {"alpha": 0.55} if one.arrows is not None or len(one.paths) else {}
    axes.contourf(x, y, values, levels=levels, cmap="PuOr_r", **faint)
    axes.contour(x, y, values, levels=levels, colors="#ffffff", linewidths=0.4)
    axes.contour(x, y, values, levels=[0.0], colors=INK, linewidths=2.2)
    axes.contour(x, y, truth, levels=[0.0], colors="#ffffff", linewidths=1.3, linestyles="dashed")
    for px, py, radius in one.discs:
        _disc(axes, px, py, radius)
    for path in one.paths:
        _path(axes, np.asarray(path, float))
    axes.set_aspect("equal")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_xlabel(one.labels[0], color=MUTED, fontsize=_LABEL, labelpad=1)
    axes.set_ylabel(one.labels[1], color=MUTED, fontsize=_LABEL, labelpad=1)
    return None if one.arrows is None else _arrows(axes, one.arrows, degrees)


def _arrows(axes: "Axes", arrows: Arrows, most: float) -> Any:
    points, along = np.asarray(arrows.points, float), np.asarray(arrows.directions, float)
    size = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    degrees = np.asarray(arrows.degrees, float)
    look: dict[str, Any] = {"cmap": "viridis_r", "width": 0.006, "scale": 9, "zorder": 4}
    drawn = axes.quiver(*points.T, *(along / size).T, degrees, **look)
    drawn.set_clim(0.0, most)
    return drawn


def _path(axes: "Axes", path: NDArray[np.float64]) -> None:
    axes.plot(*path.T, color=_PATH, lw=1.1, zorder=4)
    axes.plot(*path[0], "o", color=_PATH, ms=3.5, mfc="#ffffff", zorder=5)
    axes.plot(*path[-1], "o", color=_END, ms=4.5, mec="#ffffff", mew=0.6, zorder=6)


def _disc(axes: "Axes", x: float, y: float, radius: float) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((x, y), radius, fill=False, ec=_DISC, lw=2.2, zorder=5))
    axes.plot([x], [y], "+", color=_DISC, ms=8, mew=2, zorder=5)


def _top_degrees(slices: Sequence[FieldSlice]) -> float:
    """Return the angle at which the colours end: nine in ten arrows have a smaller one."""
    angles = [np.asarray(one.arrows.degrees, float) for one in slices if one.arrows is not None]
    return max(0.5, float(np.quantile(np.concatenate(angles), 0.9))) if angles else 1.0


def _aspect(one: FieldSlice) -> float:
    left, right, bottom, top = one.extent
    return (top - bottom) / (right - left)
