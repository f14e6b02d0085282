"""The page of a task's demo: pictures first, then what was measured, then how it was made.

One file without network or script.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xhat.core import atomic_write
from xhat.report.pages import picture_of, render

__all__ = ["PageTable", "TaskPage", "save_task_page"]


@dataclass(frozen=True)
class PageTable:
    """A table in words.

    Attributes:
        heading: what it is about.
        columns: their names, the rows' own first.
        rows: as many words each.
        note: a line below, or nothing.

    Raises:
        ValueError: a row with more or fewer words than there are columns.
    """

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"the rows of {self.heading!r} must have {len(self.columns)} values, but one "
                    f"has {len(row)}."
                )


@dataclass(frozen=True)
class TaskPage:
    """What a task's demo shows.

    Attributes:
        title: the headline.
        lead: what is seen, in one or two sentences.
        pictures: PNG or GIF files by heading, each with its caption.
        tables: what was measured.
        facts: of the run, such as seed, versions, command and seconds.
        remarks: what a reader should know.
    """

    title: str
    lead: str
    pictures: Sequence[tuple[str, Path, str]]
    tables: Sequence[PageTable] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()


def save_task_page(path: str | Path, page: TaskPage) -> Path:
    """Save the page of a task's demo: one HTML file with all pictures and styles inside.

    Args:
        path: where to; its folder is made if needed.
        page: what is shown.

    Returns:
        The path.

    Raises:
        UnreadableFileError: a picture is missing, or is no PNG or GIF.
        PermissionError: the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> table = PageTable("Errors", ("shape", "degrees"), [("torus", "0.2")])
        >>> page = TaskPage("Shapes", "Distances and normals.", [], [table])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     "torus" in save_task_page(f"{folder}/report.html", page).read_text("utf-8")
        True
    """
    html = render(
        "task.html",
        title=page.title,
        lead=page.lead,
        page=page,
        pictures=[
            {"heading": heading} | picture_of(file, caption)
            for heading, file, caption in page.pictures
        ],
        facts=dict(page.facts),
        sprites=[],
    )
    with atomic_write(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    return Path(path)
