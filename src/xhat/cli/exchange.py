"""The commands that bring votes in and out: export, import, and simulated annotators."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xhat.cli.app import Seed
from xhat.cli.labels import DEFAULT_DB, Db, Whose, asking_of, label, open_database
from xhat.cli.names import DEFAULT_TASK
from xhat.cli.options import Labels, Reference
from xhat.cli.shell import console, progress_bar

if TYPE_CHECKING:
    from xhat.apps.label import Asking, Database

__all__ = ["export_command", "import_command", "simulate"]


@label.command(name="export", epilog="Example: xhat label export --out labels-2026-11")
def export_command(
    out: Annotated[Path, typer.Option(help="A new folder.")] = Path("runs/labels"),
    db: Db = DEFAULT_DB,
    format: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",  # noqa: A002
    simulated: Whose = False,
    seed: Seed = 0,
) -> None:
    """Write labels, votes, a datasheet and checksums into a new folder."""
    with open_database(db) as database:
        from xhat.apps.label import export

        found = export(database, out, time.time(), simulated=simulated, format=format, seed=seed)
    who = "simulated annotators, marked as such" if simulated else "people"
    voted = sum(count > 0 for count in found.labels["votes"].to_pylist())
    console.print(
        f"{len(found.votes)} votes by {len(found.golds)} {who}, on {voted} of "
        f"{len(found.labels)} images."
    )
    console.print(f"Wrote {out}; read {out / 'datasheet.md'}", markup=False)


@label.command(name="import", epilog="Example: xhat label import labels-2026-11")
def import_command(
    path: Annotated[
        Path, typer.Argument(help="A folder that was exported, or a plain CSV file of votes.")
    ],
    db: Db = DEFAULT_DB,
    images: Annotated[
        list[str] | None,
        typer.Option(help="For a CSV file: whose images, for a new database. Repeatable."),
    ] = None,
    reference: Reference = None,
    labels: Labels = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The CSV file's annotators are no people.")
    ] = False,
) -> None:
    """Take votes from files, all of them or none."""
    with open_database(db, create=True) as database:
        from xhat.apps.label import import_folder, import_plain

        now = time.time()
        if path.is_dir():
            if images or simulated or reference:
                raise ValueError(
                    "--images, --reference and --simulated go with a CSV file; a folder says all."
                )
            took = import_folder(database, path, now)
        else:
            if images or reference:
                _ask(database, asking_of(images or (), None, reference, labels), images, now)
            took = import_plain(database, path, now, simulated=simulated)
    who = "simulated annotators" if took.simulated else "people"
    console.print(
        f"Took {took.votes} votes by {took.annotators} {who}; {took.images} images were new."
    )


@label.command(epilog="Example: xhat label simulate --people 5 --images digits:test --limit 200")
def simulate(
    db: Db = DEFAULT_DB,
    people: Annotated[int, typer.Option(help="How many simulated annotators.")] = 3,
    each: Annotated[
        int | None, typer.Option(help="How many images one answers. \\[default: the quota]")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(help="For a new collection: whose images. Repeatable."),
    ] = None,
    reference: Reference = None,
    labels: Labels = None,
    limit: Annotated[
        int | None, typer.Option(help="For a new collection: of each source so many at most.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Let simulated annotators answer; they stay marked, and are never exported as people."""
    new = bool(images or reference)
    with open_database(db, create=new) as database:
        from xhat.apps.label import settings_of
        from xhat.apps.label import simulate as answer
        from xhat.task import tasks

        now = time.time()
        with database.read() as connection:
            known = settings_of(connection)
        task = DEFAULT_TASK if known is None else known.task
        ours = new or task in tasks()
        asking = asking_of(images or [f"{task}:"], None, reference, labels) if ours else None
        if new and asking is not None:
            _ask(database, asking, images, now, limit=limit, seed=seed)
        with progress_bar() as update:  # without judges the labels say how images are seen
            seen = None if asking is None else asking.seen_by_judges(database, update)
            cast = answer(
                database,
                people,
                now,
                seen=seen,
                seed=seed,
                each=each,
                on_progress=lambda done, total: update("annotators", done, total),
            )
    console.print(f"{people} simulated annotators cast {cast} votes.")


def _ask(
    database: "Database",
    asking: "Asking",
    images: list[str] | None,
    now: float,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> None:
    from xhat.apps.label import Settings

    with progress_bar() as update:
        sources = images or ["reference"]
        asking.ask(database, sources, Settings(seed=seed), now, limit=limit, on_progress=update)
