"""A page of pictures first: then what was counted, and how to read it; one file without network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from xhat.core import atomic_write
from xhat.report.pages import render
from xhat.report.study_page import picture_of

__all__ = ["save_gallery_page"]


def save_gallery_page(
    path: str | Path,
    pictures: Sequence[tuple[str | Path, str]],
    rows: Sequence[Sequence[str]],
    *,
    title: str,
    lead: str,
    notes: Sequence[str] = (),
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Save pictures and one table as a page that needs no network.

    Args:
        path: where to; its folder is made if needed.
        pictures: PNG files and their captions, in the order of reading.
        rows: of the table, the first one its head; all of one length.
        title: the headline.
        lead: what is seen, in a sentence or two.
        notes: paragraphs on how to read this.
        facts: of the run.

    Returns:
        The path.

    Raises:
        ValueError: rows of different lengths, or fewer than two.
        UnreadableFileError: a picture is missing, or is no PNG.
        PermissionError: the folder cannot be written to.
    """
    if len(rows) < 2 or len({len(row) for row in rows}) != 1:
        raise ValueError(
            f"the table must have a head and at least one row, all of one length, but has lengths "
            f"{[len(row) for row in rows]}."
        )
    html = render(
        "gallery.html",
        title=title,
        lead=lead,
        pictures=[picture_of(Path(file), caption) for file, caption in pictures],
        head=rows[0],
        rows=rows[1:],
        notes=notes,
        facts=dict(facts or {}),
        sprites=[],
    )
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)
