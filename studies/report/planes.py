"""Maps of one quantity over a plane of inputs, side by side for several models."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xhat.report.palette import MUTED
from xhat.report.plots import MARGIN, WIDTH, Sheet, fold, title_height, title_lines

__all__ = ["save_planes_png"]

_HEAD, _LABEL, _NOTE = 12.0, 10.0, 10.0  # the sizes of words
_SIDE, _BELOW, _GAP = 0.75, 0.65, 0.3  # inches for labels at the left and below, and between maps
_ACROSS, _LARGEST = 4, 3.6  # maps side by side, and inches of the largest


def save_planes_png(
    path: str | Path,
    planes: Mapping[str, ArrayLike],
    *,
    reach: tuple[float, float],
    x_label: str,
    y_label: str,
    marks: Mapping[str, tuple[float, float]] | None = None,
    title: str = "",
    note: str = "",
) -> Path:
    """Draw shares over a plane as pictures, white for 0 and dark for 1, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        planes: by name, each ``(n, n)`` in [0, 1], the first row at the bottom.
        reach: both axes' least and greatest value.
        x_label: what lies along a row.
        y_label: what lies along a column.
        marks: places on the plane by name, such as the inputs that span it.
        title: the headline, or nothing.
        note: a line below.

    Returns:
        The path. The same planes give the same bytes.

    Raises:
        ValueError: no planes, values outside [0, 1], or planes that are not square.
        PermissionError: the folder cannot be written to.
    """
    known = {name: _as_plane(name, plane) for name, plane in planes.items()}
    if not known:
        raise ValueError("planes is empty; pass at least one.")
    across = ceil(len(known) / ceil(len(known) / _ACROSS))
    side = min(_LARGEST, (WIDTH - 2 * MARGIN - across * (_SIDE + _GAP) + _GAP) / across)
    headline = title_lines(title)
    top, tall = title_height(headline) + 0.1, 0.3 + side + _BELOW
    height = top + ceil(len(known) / across) * tall + (0.4 if note else 0.1)
    with Sheet.drawn(path, height) as sheet:
        sheet.title(headline)
        for k, (name, plane) in enumerate(known.items()):
            row, column = divmod(k, across)
            left = MARGIN + _SIDE + column * (side + _SIDE + _GAP)
            above = top + row * tall
            head = fold(name, _HEAD, side, lines=1, bold=True)
            sheet.write(left, above, head, _HEAD, weight="bold")
            axes = sheet.axes(left, above + 0.3, side, side)
            look = {"cmap": "Greys", "vmin": 0.0, "vmax": 1.0, "origin": "lower"}
            axes.imshow(plane, extent=(*reach, *reach), interpolation="bilinear", **look)
            for word, (x, y) in (marks or {}).items():
                axes.plot([x], [y], "o", color="#c85200", markersize=5, clip_on=False)
                axes.annotate(
                    word, (x, y), (5, 5), textcoords="offset points", color="#c85200", fontsize=10
                )
            axes.set_xlabel(x_label, color=MUTED, fontsize=_LABEL)
            if column == 0:
                axes.set_ylabel(y_label, color=MUTED, fontsize=_LABEL)
        if note:
            line = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=1)
            sheet.write(MARGIN, sheet.height - 0.35, line, _NOTE, color=MUTED)
    return Path(path)


def _as_plane(name: str, plane: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(plane, dtype=float)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(f"the plane {name!r} must be square, but has shape {values.shape}.")
    if not np.isfinite(values).all() or values.min() < -1e-6 or values.max() > 1 + 1e-6:
        raise ValueError(f"the plane {name!r} must lie in [0, 1]; divide it by its largest value.")
    return values
