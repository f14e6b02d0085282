"""Maps of two-dimensional latent spaces: what is decoded where, and where the data lie.

A map has three layers. Below lies the *mosaic*: what the decoder makes of every place, dark where
the judges take it for natural and pale where they do not. On it lie the *data*, each real sample
where the encoder puts it, in the colour of its class, whose name stands at the middle of the class.
Above run *paths* of searches, from a ring to a mark in the colour of the verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xhat.judges.outcomes import Outcome
from xhat.report.palette import COLOURS, INK, MUTED, PAPER, legend
from xhat.report.plots import MARGIN, WIDTH, Sheet, fold, title_height, title_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LatentMap", "save_latent_maps_png"]

_HEAD, _LABEL, _NOTE, _NAME = 12.0, 10.0, 10.0, 12.0  # the sizes of words
_SIDE, _BELOW, _GAP = 0.6, 0.55, 0.25  # inches for labels at the left and below, between maps
_ACROSS = 2
_GREYS = 16  # shades of the mosaic, which leave the picture's other colours to the data
_NAMES_APART, _ROUNDS = 0.06, 200  # of a map's side; steps that move names apart
_STRONG, _PALE = 0.75, 0.26  # how dark a decoded sample is where it is natural, and where not
_CLASSES = (
    "#1f77b4", "#ff7f0e", "#2a9134", "#c4262e", "#8a55c0",
    "#8c564b", "#d84fa8", "#6b7078", "#4d5d00", "#00a0b4",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class LatentMap:
    """What is drawn of one latent space of two dimensions.

    Args:
        title: above it.
        low: the least value of each axis.
        high: the greatest.
        mosaic: ``(k, k, h, w)`` in [0, 1], what is decoded at the middles of a grid of places; the
            first axis goes up, the second to the right.
        natural: ``(k, k)`` booleans, which of it is natural.
        data: ``(m, 2)``, where real samples lie.
        labels: ``(m,)``, their classes, 0 to 9.
        paths: of searches: ``(t, 2)`` places each, and the verdict on the last.

    Raises:
        ValueError: shapes that do not fit together, or a class that has no colour.
    """

    title: str
    low: tuple[float, float]
    high: tuple[float, float]
    mosaic: ArrayLike
    natural: ArrayLike
    data: ArrayLike
    labels: ArrayLike
    paths: Sequence[tuple[ArrayLike, str]] = ()

    def __post_init__(self) -> None:
        shapes = [np.shape(each) for each in (self.mosaic, self.natural, self.data, self.labels)]
        mosaic, natural, data, labels = shapes
        if len(mosaic) != 4 or mosaic[:2] != natural or mosaic[0] != mosaic[1]:
            raise ValueError(
                f"the mosaic of {self.title!r} must be (k, k, h, w) with natural (k, k), but they "
                f"have shapes {mosaic} and {natural}."
            )
        if len(data) != 2 or data[1] != 2 or labels != data[:1]:
            raise ValueError(
                f"the data of {self.title!r} must be (m, 2) with labels (m,), but they have shapes "
                f"{data} and {labels}."
            )
        known = np.unique(np.asarray(self.labels))
        if known.size and not 0 <= known[0] <= known[-1] < len(_CLASSES):
            raise ValueError(f"classes of {self.title!r} must lie in 0 to {len(_CLASSES) - 1}.")
        if not (self.low[0] < self.high[0] and self.low[1] < self.high[1]):
            raise ValueError(f"low of {self.title!r} must be below high, on both axes.")


def save_latent_maps_png(
    path: str | Path, maps: Sequence[LatentMap], *, title: str = "", note: str = ""
) -> Path:
    """Draw maps side by side, up to two in a row, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        maps: one or more.
        title: the headline, or nothing.
        note: a line below.

    Returns:
        The path. The same maps give the same bytes.

    Raises:
        TypeError: something that is no ``LatentMap``.
        ValueError: no maps.
        PermissionError: the folder cannot be written to.
    """
    for each in maps:
        if not isinstance(each, LatentMap):
            raise TypeError(f"maps must be LatentMap records, not {type(each).__name__}.")
    if not maps:
        raise ValueError("maps is empty; pass at least one.")
    across = min(_ACROSS, len(maps))
    side = (WIDTH - 2 * MARGIN - across * (_SIDE + _GAP) + _GAP) / across
    headline, met = title_lines(title), {verdict for each in maps for _, verdict in each.paths}
    top, tall = title_height(headline) + (0.45 if met else 0.1), 0.55 + side + _BELOW
    height = top + ceil(len(maps) / across) * tall + (0.4 if note else 0.1)
    with Sheet.drawn(path, height) as sheet:
        sheet.title(headline)
        if met:
            _write_verdicts(sheet, title_height(headline), met)
        for k, each in enumerate(maps):
            row, column = divmod(k, across)
            left, above = MARGIN + _SIDE + column * (side + _SIDE + _GAP), top + row * tall
            head = fold(each.title, _HEAD, side, lines=2, bold=True)
            sheet.write(left, above, head, _HEAD, weight="bold")
            _draw(sheet.axes(left, above + 0.55, side, side), each, first=column == 0)
        if note:
            line = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=1)
            sheet.write(MARGIN, sheet.height - 0.35, line, _NOTE, color=MUTED)
    return Path(path)


def _draw(axes: "Axes", each: LatentMap, *, first: bool) -> None:
    extent = (each.low[0], each.high[0], each.low[1], each.high[1])
    look = {"cmap": "Greys", "vmin": 0.0, "vmax": 1.0, "origin": "lower", "aspect": "auto"}
    axes.imshow(_ground(each), extent=extent, interpolation="nearest", **look)
    data, labels = np.asarray(each.data, dtype=float), np.asarray(each.labels)
    for label in np.unique(labels):
        at, tint = data[labels == label], _CLASSES[int(label)]
        axes.scatter(at[:, 0], at[:, 1], s=7, color=tint, linewidths=0, alpha=0.75)
    _name_classes(axes, each, data, labels)
    for places, verdict in each.paths:
        way = np.asarray(places, dtype=float)
        axes.plot(way[:, 0], way[:, 1], color=PAPER, linewidth=3.4, zorder=5)
        axes.plot(way[:, 0], way[:, 1], color=INK, linewidth=1.6, zorder=6)
        axes.plot(*way[0], "o", color=PAPER, markeredgecolor=INK, markersize=6, zorder=7)
        _mark(axes, way[-1, 0], way[-1, 1], Outcome(verdict))
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set_xlabel("first latent value", color=MUTED, fontsize=_LABEL)
    if first:
        axes.set_ylabel("second latent value", color=MUTED, fontsize=_LABEL)


def _name_classes(
    axes: "Axes", each: LatentMap, data: NDArray[np.float64], labels: NDArray[Any]
) -> None:
    """Write the name of every class near its middle, the names apart, each with a line to it."""
    known = np.unique(labels)
    if not known.size:
        return
    low, wide = np.array(each.low), np.array(each.high) - np.array(each.low)
    middles = np.stack([np.median(data[labels == label], axis=0) for label in known])
    places = low + _apart((middles - low) / wide) * wide
    for label, middle, place in zip(known, middles, places, strict=True):
        tint = _CLASSES[int(label)]
        axes.plot(*np.stack((middle, place)).T, color=tint, linewidth=1.2, zorder=3)
        frame = {"boxstyle": "round,pad=0.15", "fc": PAPER, "ec": tint, "lw": 1.4}
        axes.text(
            place[0], place[1], str(label), fontsize=_NAME, weight="bold", color=tint,
            ha="center", va="center", bbox=frame, zorder=9,
        )  # fmt: skip


def _apart(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places in [0, 1], moved until no two of them are nearer than two names are wide."""
    moved = places + 1e-4 * np.stack((np.arange(len(places)), np.arange(len(places))[::-1]), 1)
    for _ in range(_ROUNDS):
        gap = moved[:, None] - moved[None]
        far = np.linalg.norm(gap, axis=2) + np.eye(len(moved))
        push = np.clip(_NAMES_APART - far, 0, None) / far
        if not push.any():
            break
        moved = moved + 0.5 * (push[:, :, None] * gap).sum(axis=1)
    return np.clip(moved, 0.02, 0.98)


def _mark(axes: "Axes", x: float, y: float, verdict: Outcome) -> None:
    """Mark where a search ended: a star where that is genuine, else a diamond."""
    mark, size = ("*", 14) if verdict == Outcome.GENUINE else ("D", 7)
    look = {"color": COLOURS[verdict], "markeredgecolor": INK, "markersize": size}
    axes.plot([x], [y], mark, **look, zorder=8, clip_on=False)


def _ground(each: LatentMap) -> NDArray[np.float64]:
    """Return the mosaic as one picture, its rows from below, each sample upright."""
    tiles = np.asarray(each.mosaic, dtype=float)
    depth = np.where(np.asarray(each.natural, dtype=bool), _STRONG, _PALE)
    k, _, h, w = tiles.shape
    grey = np.round(tiles * depth[:, :, None, None] * _GREYS) / _GREYS
    upside = grey[:, :, ::-1]  # the picture's first row is the lowest
    return upside.transpose(0, 2, 1, 3).reshape(k * h, k * w)


def _write_verdicts(sheet: Sheet, top: float, met: set[str]) -> None:
    wide = WIDTH - 2 * MARGIN
    keys = sheet.axes(MARGIN, top, wide, 0.3)
    keys.set(xlim=(0, wide), ylim=(0, 1))
    keys.axis("off")
    keys.plot([0.1], [0.5], "o", color=PAPER, markeredgecolor=INK, markersize=6)
    keys.text(0.25, 0.5, "start of a search; its end:", fontsize=_NOTE + 1, va="center")
    left = 2.5
    for entry in legend(met):
        _mark(keys, left, 0.5, entry.outcome)
        keys.text(left + 0.18, 0.5, entry.label, fontsize=_NOTE + 1, va="center")
        left += 0.55 + 0.095 * len(entry.label)
