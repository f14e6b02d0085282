"""The page: everything of one run in a single file that can be mailed, and needs no network.

The pictures of a grid travel as one sprite, a PNG that holds them all, and every cell shows its own
part of it. Whatever comes from outside (evidence, labels, facts) is escaped by jinja2. Without
JavaScript the page still shows everything, and the evidence of a cell when it is pointed at or has
the focus; with it, a panel shows the cell enlarged beside what the other methods made of the pair.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from xhat.core import UnreadableFileError, atomic_write
from xhat.judges.outcomes import Outcome
from xhat.report.palette import COLOURS, MARKS, ink_on, label, legend
from xhat.report.records import MethodGrid, Summary, SummaryRow, check_alike, typical_pair

__all__ = ["save_page"]


def save_page(
    path: str | Path,
    *,
    title: str,
    lead: str,
    grids: Sequence[MethodGrid],
    summary: Summary,
    facts: Mapping[str, object] | None = None,
    morph: str | Path | None = None,
    notes: Sequence[str] = (),
    pair: tuple[int, int] | None = None,
) -> Path:
    """Save the page of a run: one HTML file with all pictures, styles and the script inside.

    Args:
        path: where to; its folder is made if needed.
        title: what this is about; the headline.
        lead: what is seen, in one sentence.
        grids: one per method, all of one shape and with the same labels.
        summary: the numbers of the same methods, possibly over more candidates than the grids show.
        facts: of the run, such as seed, versions, command and seconds, in the order of reading.
        morph: the animated GIF to embed, as :func:`~xhat.report.save_morph_gif` writes it.
        notes: further paragraphs for "How to read this", such as what the judges are.
        pair: the cell ``(i, j)`` that the top of the page compares across methods; by default
            the most typical one (:func:`~xhat.report.typical_pair`).

    Returns:
        The path.

    Raises:
        TypeError: something that is no ``MethodGrid``.
        ValueError: no grids, grids that do not fit side by side, or a pair outside them.
        UnreadableFileError: the GIF is missing or broken.
        PermissionError: the folder cannot be written to.
    """
    grids = check_alike(grids)
    r, c = grids[0].shape
    i, j = pair if pair is not None else typical_pair(grids)
    if not (0 <= i < r and 0 <= j < c):
        raise ValueError(f"pair must lie within {r} starts and {c} targets, but is {(i, j)}.")
    sprites = _Sprites()
    html = (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            lead=lead,
            panels=[_panel(grid, sprites) for grid in grids],
            pair={
                "i": i,
                "j": j,
                "start": grids[0].row_labels[i],
                "target": grids[0].column_labels[j],
            },
            columns=range(c),
            rows=range(r),
            sprites=sprites.known,
            legend=legend(),
            present=legend(word for grid in grids for row in grid.outcomes for word in row),
            tables=_tables(summary),
            summary=summary,
            facts=dict(facts or {}),
            notes=list(notes),
            morph=_morph(morph) if morph is not None else None,
        )
    )
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)


@dataclass(frozen=True)
class _Sprite:
    """One PNG that holds ``rows × columns`` pictures, each with a rim that repeats its edge."""

    name: str
    uri: str
    shape: tuple[int, int, int, int]

    @property
    def aspect(self) -> str:
        _, _, h, w = self.shape
        return f"{w}/{h}"

    @property
    def size(self) -> str:
        """CSS background-size at which one picture fills its box."""
        r, c, h, w = self.shape
        return f"{_short(c * (w + 2) / w * 100)}% {_short(r * (h + 2) / h * 100)}%"

    def place(self, i: int, j: int) -> str:
        """CSS background-position of the picture ``(i, j)``."""
        r, c, h, w = self.shape
        x = (j * (w + 2) + 1) / (c * (w + 2) - w) * 100
        y = (i * (h + 2) + 1) / (r * (h + 2) - h) * 100
        return f"{_short(x)}% {_short(y)}%"


class _Sprites:
    """The sprites of a page; equal pictures are stored once."""

    def __init__(self) -> None:
        self.known: list[_Sprite] = []

    def add(self, pictures: NDArray[np.float32]) -> _Sprite:
        uri = _uri(_sheet(pictures), "PNG")
        for sprite in self.known:
            if sprite.uri == uri:
                return sprite
        r, c, h, w = pictures.shape
        self.known.append(_Sprite(f"s{len(self.known)}", uri, (r, c, h, w)))
        return self.known[-1]


def _panel(grid: MethodGrid, sprites: _Sprites) -> dict[str, Any]:
    counts = grid.counts()
    return {
        "grid": grid,
        "images": sprites.add(grid.images),
        "starts": sprites.add(grid.starts[:, None]),
        "segments": _segments(counts),
        "share": grid.share(Outcome.GENUINE),
        "n": sum(counts.values()),
        "genuine": counts.get(Outcome.GENUINE, 0),
    }


def _tables(summary: Summary) -> list[dict[str, Any]]:
    tables = [("Start and target differ", summary.rows), ("The diagonal", summary.diagonal)]
    return [
        {
            "title": title,
            "rows": [{"row": row, "segments": _segments(row.counts)} for row in rows],
            "present": legend(o for row in rows for o, count in row.counts.items() if count),
            **{name: _known(rows, name) for name in ("reached", "confidence", "seconds")},
            "evaluations": _known(rows, "evaluations"),
        }
        for title, rows in tables
        if rows
    ]


def _known(rows: Sequence[SummaryRow], name: str) -> bool:
    return any(getattr(row, name) is not None for row in rows)


def _segments(counts: Mapping[Outcome, int]) -> list[dict[str, Any]]:
    total = sum(counts.values())
    return [
        {"outcome": o, "label": label(o), "count": n, "share": n / total, "ink": ink_on(COLOURS[o])}
        for o, n in counts.items()
        if n
    ]


def _sheet(pictures: NDArray[np.float32]) -> Image.Image:
    r, c, h, w = pictures.shape
    padded = np.pad(pictures, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    sheet = padded.transpose(0, 2, 1, 3).reshape(r * (h + 2), c * (w + 2))
    return Image.fromarray(np.rint(sheet * 255).astype(np.uint8))


def _morph(path: str | Path) -> dict[str, Any]:
    """Return the animation and its last frame (for pausing) as data URIs, and its size."""
    try:
        data = Path(path).read_bytes()
        with Image.open(io.BytesIO(data)) as animation:
            animation.seek(getattr(animation, "n_frames", 1) - 1)
            last = animation.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read as a picture ({error}).") from error
    moving = "data:image/gif;base64," + base64.b64encode(data).decode()
    return {
        "moving": moving,
        "still": _uri(last, "PNG"),
        "width": last.width,
        "height": last.height,
    }


def _uri(image: Image.Image, kind: str) -> str:
    stream = io.BytesIO()
    image.save(stream, format=kind, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("xhat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, number=_number, label=label)
    environment.globals.update(COLOURS=COLOURS, MARKS=MARKS, ink_on=ink_on)
    return environment


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f}\u202f%"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
