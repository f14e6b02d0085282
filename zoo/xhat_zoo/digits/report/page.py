"""The page: everything of one run in a single file that can be mailed, and needs no network.

The pictures of a grid travel as one sprite, and every cell shows its own part of it. Without
JavaScript the page still shows everything, and the evidence of a cell when it is pointed at or has
the focus; with it, a panel shows the cell enlarged beside what the other methods made of the pair.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xhat.core import UnreadableFileError, atomic_write
from xhat.judges.outcomes import Outcome
from xhat.report.pages import Sprites, data_uri, render, segments
from xhat.report.palette import legend
from xhat_zoo.digits.report.records import (
    MethodGrid,
    Summary,
    SummaryRow,
    check_alike,
    typical_pair,
)

__all__ = ["save_page"]

_STATES = 12  # of one search, at the top of the page


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
        morph: the animated GIF to embed, as :func:`~xhat_zoo.digits.report.save_morph_gif` writes
            it.
        notes: further paragraphs for "How to read this", such as what the judges are.
        pair: the cell ``(i, j)`` that the top of the page compares across methods; by default
            the most typical one (:func:`~xhat_zoo.digits.report.typical_pair`). Below it are
            states of the first method that has frames.

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
    sprites = Sprites()
    html = render(
        "report.html",
        Path(__file__).parent / "templates",
        title=title,
        lead=lead,
        panels=[_panel(grid, sprites) for grid in grids],
        way=_way(grids, i, j, sprites),
        still=[grid.method for grid in grids if grid.frames is None],
        pair={
            "i": i,
            "j": j,
            "start": grids[0].row_labels[i],
            "target": grids[0].column_labels[j],
        },
        columns=range(c),
        rows=range(r),
        sprites=sprites.known,
        present=legend(word for grid in grids for row in grid.outcomes for word in row),
        tables=_tables(summary),
        summary=summary,
        facts=dict(facts or {}),
        notes=list(notes),
        morph=_morph(morph) if morph is not None else None,
    )
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)


def _panel(grid: MethodGrid, sprites: Sprites) -> dict[str, Any]:
    counts = grid.counts()
    return {
        "grid": grid,
        "images": sprites.add(grid.images),
        "starts": sprites.add(grid.starts[:, None]),
        "segments": segments(counts),
        "share": grid.share(Outcome.GENUINE),
        "n": sum(counts.values()),
        "genuine": counts.get(Outcome.GENUINE, 0),
    }


def _way(grids: Sequence[MethodGrid], i: int, j: int, sprites: Sprites) -> dict[str, Any] | None:
    """Return states of the first search that has any, of one pair; None where none has."""
    for grid in grids:
        if grid.frames is not None:
            states = grid.frames[:, i, j]
            few = min(_STATES, len(states))
            chosen = np.linspace(0, len(states) - 1, few).round().astype(int)
            return {"method": grid.method, "sprite": sprites.add(states[None, chosen]), "n": few}
    return None


def _tables(summary: Summary) -> list[dict[str, Any]]:
    tables = [("Start and target differ", summary.rows), ("The diagonal", summary.diagonal)]
    return [
        {
            "title": title,
            "rows": [{"row": row, "segments": segments(row.counts)} for row in rows],
            "present": legend(o for row in rows for o, count in row.counts.items() if count),
            **{
                name: _known(rows, name)
                for name in ("reached", "confidence", "moved", "seconds", "evaluations")
            },
        }
        for title, rows in tables
        if rows
    ]


def _known(rows: Sequence[SummaryRow], name: str) -> bool:
    return any(getattr(row, name) is not None for row in rows)


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
        "still": data_uri(last, "PNG"),
        "width": last.width,
        "height": last.height,
    }
