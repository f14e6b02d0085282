"""Heat maps side by side: a share for every pair of a start (row) and a target (column).

Every cell carries its number in percent, in ink that can be read on it; the means of rows and
columns stand at the margins, apart from the cells. Cells without a number count nowhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xhat.report.checks import SLACK
from xhat.report.palette import FAINT, INK, MUTED, ink_on
from xhat.report.plots import LINE, MARGIN, WIDTH, Sheet, fold, title_height, title_lines, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["save_matrices_png"]

_HEAD, _LABEL, _NOTE = 12.0, 10.0, 10.0  # the sizes of words
_SIDE, _TOP, _GAP = 0.55, 0.5, 0.25  # inches for labels at the left and above, and between maps
_MEANS = 1.3  # cells that the means take, with the space before them
_LARGEST, _NARROWEST = 0.62, 8.0  # inches of a cell, and of the figure
_PALE, _FULL = (240, 244, 247), (0, 74, 110)  # of 0 and of 1


def save_matrices_png(
    path: str | Path,
    matrices: Mapping[str, ArrayLike],
    *,
    row_title: str = "start",
    column_title: str = "target",
    labels: Sequence[str] | None = None,
    title: str = "",
    note: str = "",
) -> Path:
    """Draw matrices of shares as heat maps, up to three in a row, and save that as a PNG.

    Args:
        path: where to; its folder is made if needed.
        matrices: by name, each ``(n, n)`` of shares in [0, 1]; NaN where there is none.
        row_title: what rows are.
        column_title: what columns are.
        labels: ``n`` names of rows and columns; ``0 … n - 1`` by default.
        title: the headline, or nothing.
        note: a line below; by default what the margins are.

    Returns:
        The path. The same matrices give the same bytes.

    Raises:
        ValueError: no matrices, shapes that differ or are not square, shares outside [0, 1], or
            labels that do not fit.
        PermissionError: the folder cannot be written to.
    """
    shares = _as_shares(matrices)
    n = next(iter(shares.values())).shape[0]
    names = [str(k) for k in range(n)] if labels is None else list(map(str, labels))
    if len(names) != n:
        raise ValueError(f"labels must name {n} rows and columns, but there are {len(names)}.")
    plan = _Plan(list(shares), n, title, tuple(names))
    names = [" ".join(fold(name, _LABEL, plan.cell, lines=1)) for name in names]
    note = note or "In percent. Beside the map the mean of every row, below it of every column."
    with Sheet.drawn(path, plan.height, plan.width) as sheet:
        sheet.title(plan.title)
        for k, (name, share) in enumerate(shares.items()):
            left, top = plan.place(k)
            sheet.write(left, top + plan.head, plan.heads[name], _HEAD, weight="bold", va="bottom")
            axes = sheet.axes(left, top + plan.head + _TOP, plan.side, plan.side)
            _draw_matrix(axes, share, names, size=min(11.0, plan.cell * 31))
            middle = top + plan.head + _TOP + n * plan.cell / 2
            look = {"color": MUTED, "ha": "center", "va": "center"}
            x = left + n * plan.cell / 2
            sheet.write(x, middle - n * plan.cell / 2 - 0.37, column_title, _LABEL, **look)
            sheet.write(left - plan.before + 0.13, middle, row_title, _LABEL, rotation=90, **look)
        line = fold(note, _NOTE, WIDTH - 2 * MARGIN, lines=1)
        sheet.write(MARGIN, sheet.height - 0.4, line, _NOTE, color=MUTED)
    return Path(path)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Where everything lies, in inches."""

    names: Sequence[str]
    n: int
    words: str
    labels: Sequence[str] = ()

    @cached_property
    def across(self) -> int:
        """How many maps stand side by side."""
        return ceil(len(self.names) / ceil(len(self.names) / 3))

    @cached_property
    def room(self) -> float:
        """The width that one map has, with its labels."""
        return (WIDTH - 2 * MARGIN - (self.across - 1) * _GAP) / self.across

    @cached_property
    def cell(self) -> float:
        """The side of a cell."""
        return min(_LARGEST, (self.room - self.before) / (self.n + _MEANS))

    @cached_property
    def before(self) -> float:
        """The room at the left of a map, for the names of rows, which are as wide as a cell."""
        wide = max((width_of(name, _LABEL) for name in self.labels), default=0.0)
        return max(_SIDE, 0.4 + min(wide, _LARGEST))

    @cached_property
    def pitch(self) -> float:
        """How far it is from one map to the next."""
        return self.before + self.side + _GAP

    @cached_property
    def width(self) -> float:
        """The width of the whole figure, which one map alone does not fill."""
        return min(WIDTH, max(_NARROWEST, 2 * MARGIN + self.across * self.pitch - _GAP))

    @cached_property
    def title(self) -> list[str]:
        """The headline, folded."""
        return title_lines(self.words, self.width)

    @cached_property
    def side(self) -> float:
        """The side of a map with its means."""
        return self.cell * (self.n + _MEANS)

    @cached_property
    def heads(self) -> dict[str, list[str]]:
        """The names of the maps, folded."""
        return {n: fold(n, _HEAD, self.side, lines=2, bold=True) for n in self.names}

    @cached_property
    def head(self) -> float:
        """The height of the names of the maps."""
        return max(map(len, self.heads.values())) * _HEAD * LINE / 72

    def place(self, k: int) -> tuple[float, float]:
        """Return left and top of map ``k``, labels at its left apart."""
        line, column = divmod(k, self.across)
        left = MARGIN + self.before + column * self.pitch
        return left, title_height(self.title) + 0.1 + line * self._tall

    @cached_property
    def _tall(self) -> float:
        return self.head + _TOP + self.side + 0.3

    @cached_property
    def height(self) -> float:
        """The height of the whole figure."""
        return (
            title_height(self.title) + 0.1 + ceil(len(self.names) / self.across) * self._tall + 0.3
        )


def _draw_matrix(
    axes: "Axes", share: NDArray[np.float64], names: Sequence[str], *, size: float
) -> None:
    """Draw one map: cells, and the means beside and below them, in units of a cell."""
    from matplotlib.patches import Rectangle

    n, far = len(names), len(names) + _MEANS - 1
    axes.set(xlim=(0, n + _MEANS), ylim=(n + _MEANS, 0))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False, pad=3)
    axes.set_xticks([*(k + 0.5 for k in range(n)), far + 0.5], [*names, "mean"], parse_math=False)
    axes.set_yticks([*(k + 0.5 for k in range(n)), far + 0.5], [*names, "mean"], parse_math=False)
    for x, y, value in _cells(share, far):
        colour = _shade(value)
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="#ffffff", linewidth=1))
        ink = MUTED if np.isnan(value) else INK if ink_on(colour) == "#000000" else "#ffffff"
        words = "–" if np.isnan(value) else f"{100 * value:.0f}"
        axes.text(x + 0.5, y + 0.52, words, fontsize=size, color=ink, ha="center", va="center")


def _cells(share: NDArray[np.float64], far: float) -> list[tuple[float, float, float]]:
    """Return ``(x, y, value)`` of every cell, then of the means of rows, columns and all."""
    n = len(share)
    cells = [(float(j), float(i), float(share[i, j])) for i in range(n) for j in range(n)]
    cells += [(far, float(i), _mean(share[i])) for i in range(n)]
    cells += [(float(j), far, _mean(share[:, j])) for j in range(n)]
    return [*cells, (far, far, _mean(share))]


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _shade(value: float) -> str:
    """Return the colour of a share, from pale to full; grey where there is none."""
    if np.isnan(value):
        return FAINT
    mixed = (round(a + (b - a) * value) for a, b in zip(_PALE, _FULL, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _as_shares(matrices: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return the matrices as arrays of one square shape, in [0, 1] or NaN."""
    if not matrices:
        raise ValueError("matrices is empty; pass at least one.")
    shares = {name: np.asarray(matrix, dtype=float) for name, matrix in matrices.items()}
    wanted = next(iter(shares.values())).shape
    for name, share in shares.items():
        if (
            share.ndim != 2
            or share.shape[0] != share.shape[1]
            or share.shape != wanted
            or not share.size
        ):
            raise ValueError(
                f"matrices must be square and of one shape, but {name!r} has shape {share.shape}."
            )
        known = share[~np.isnan(share)]
        if known.size and not (known.min() >= -SLACK and known.max() <= 1 + SLACK):
            raise ValueError(
                f"{name!r} must lie in [0, 1], but its values reach from {known.min():g} to "
                f"{known.max():g}."
            )
    return {name: share.clip(0, 1) for name, share in shares.items()}
