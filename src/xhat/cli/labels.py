"""The commands of labelling that watch over a collection; those of files are in ``exchange``.

The database needs the extra ``web``; it is imported when a command runs, so that all others do
without.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from xhat.cli.app import Seed, app
from xhat.cli.names import DEFAULT_TASK
from xhat.cli.shell import console
from xhat.cli.wanted import images_of

if TYPE_CHECKING:
    from xhat.apps.label import Asking, Database, GoldCheck, PersonRow

__all__ = ["DEFAULT_DB", "Db", "Whose", "asking_of", "label", "open_database"]

label = typer.Typer(
    no_args_is_help=True, help="Collect what people see in images, and make labels of it."
)
app.add_typer(label, name="label")

Db = Annotated[str, typer.Option("--db", help="Where the votes are: SQLite or PostgreSQL.")]
Whose = Annotated[bool, typer.Option("--simulated", help="Simulated annotators instead of people.")]
DEFAULT_DB = "sqlite:///labels.sqlite"


@contextmanager
def open_database(url: str, *, create: bool = False) -> "Iterator[Database]":
    """Yield the database of a collection; without ``create`` one that is there already.

    A new file of SQLite's in which no collection was begun is taken away again.

    Raises:
        ValueError: the extra is not installed, or there is no such collection.
    """
    try:
        from xhat.apps.label import Database, settings_of
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is needed for labelling; install it: pip install 'xhat[web]'."
        ) from error
    path = Path(url.removeprefix("sqlite:///"))
    new = url.startswith("sqlite:///") and not path.exists()
    if new and not create:
        raise ValueError(f"there is no database {path}; `xhat label serve` begins one.")
    try:
        with Database(url, create=create) as database:
            if not create:
                _check_tables(database)
            try:
                yield database
            finally:
                if new:  # or else nothing is asked of a database that may be away
                    with database.read() as connection:
                        new = settings_of(connection) is None
    finally:
        if new:
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)


def asking_of(
    sources: Sequence[str] = (),
    model: str | None = None,
    reference: Path | None = None,
    labels: str | None = None,
) -> "Asking":
    """Return what chooses images of somebody's own domain, or of a task.

    The task is the one that a source names, or else the default one.

    Raises:
        ValueError: no such task is installed, or options that do not go together.
    """
    from xhat.apps.label import Asking
    from xhat.cli.inputs import load_model
    from xhat.task import task, tasks

    if reference is None:
        if model is not None or labels is not None:
            raise ValueError("--model and --labels go with --reference, the real images.")
        named = (source.partition(":")[0] for source in sources)
        return task(next((name for name in named if name in tasks()), DEFAULT_TASK)).labelling()
    return Asking(images_of(reference, labels), None if model is None else load_model(model))


def _check_tables(database: "Database") -> None:
    from sqlalchemy import inspect

    from xhat.apps.label.schema import metadata

    if not {*metadata.tables} <= {*inspect(database.engine).get_table_names()}:
        raise ValueError(
            f"the database {database.url} holds no collection; `xhat label serve` begins one."
        )


@label.command(name="progress", epilog="Example: xhat label progress")
def show_progress(db: Db = DEFAULT_DB) -> None:
    """Say how far a collection is."""
    with open_database(db) as database:
        from xhat.apps.label import is_paused, person_rows, progress

        with database.read() as connection:
            far, people = progress(connection), person_rows(connection, time.time())
            paused = is_paused(connection)
    share = f" ({100 * far.votes / far.wanted:.0f} %)" if far.wanted else ""
    console.print(f"{far.complete} of {far.images} images are complete.")
    console.print(f"{far.votes} of {far.wanted} votes are there{share}; gold ones not counted.")
    voted = sum(person.votes > 0 for person in people)
    console.print(f"{voted} of {len(people)} people have voted.")
    if paused:
        console.print("The collection is paused; `xhat label resume` goes on.")


@label.command(name="agreement", epilog="Example: xhat label agreement --results runs/people")
def show_agreement(
    db: Db = DEFAULT_DB,
    results: Annotated[
        Path | None,
        typer.Option(help="Compare with the verdicts of candidates; a folder for the page."),
    ] = None,
    simulated: Whose = False,
    seed: Seed = 0,
) -> None:
    """Say how far people agree: with each other, with themselves, and with verdicts."""
    with open_database(db) as database:
        from xhat.apps.label import agreement, read_votes
        from xhat.apps.label.datasheet import quality

        with database.read() as connection:
            found = agreement(
                read_votes(connection, _settings(connection), simulated=simulated), seed=seed
            )
        if simulated:
            console.print("These are simulated annotators, not people.")
        console.print(f"{found.votes} votes on {found.images} images, gold ones left out;")
        console.print(f"{found.unsure} more were “cannot tell”.")
        for line in quality(found):
            console.print(line)
        if results is not None:
            _compare(database, results, simulated=simulated)


def _compare(database: "Database", out: Path, *, simulated: bool) -> None:
    from xhat.apps.label.verdicts import people_and_verdicts, write_people
    from xhat.core import claimed_folder

    command = f"xhat label agreement --results {out}" + (" --simulated" if simulated else "")
    with claimed_folder(out):
        found = people_and_verdicts(database, simulated=simulated)
        page = write_people(found, out, command=command)
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for heading in ("verdict", "candidates", "target seen", "interval", "none"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for row in found.rows:
        share = f"{100 * row.seen / row.n:.0f} %"
        interval = f"{100 * row.low:.0f}–{100 * row.high:.0f} %"
        table.add_row(row.verdict, str(row.n), share, interval, str(row.none))
    console.print(table)
    low, high = found.interval
    kappa = "" if found.kappa is None else f"; Cohen's kappa {found.kappa:.2f}"
    console.print(
        f"People and verdicts agree on {found.agreeing} of {len(found)} "
        f"({100 * low:.0f}–{100 * high:.0f} %){kappa}."
    )
    console.print(f"Open {page}", markup=False)


@label.command(name="annotators", epilog="Example: xhat label annotators")
def show_annotators(
    db: Db = DEFAULT_DB,
    limit: Annotated[
        float, typer.Option(help="The share of missed gold images that is still nobody's fault.")
    ] = 0.10,
) -> None:
    """List who was invited, and who misses too many gold images."""
    with open_database(db) as database:
        from xhat.apps.label import check_golds, person_rows
        from xhat.apps.label.queries import RULE

        with database.read() as connection:
            now = time.time()
            rows = person_rows(connection, now) + person_rows(connection, now, simulated=True)
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for heading in ("annotator", "state", "votes", "gold missed", "seconds", "last vote (UTC)", ""):
        left = heading in ("annotator", "state", "")
        table.add_column(heading, justify="left" if left else "right")
    checks = check_golds(rows, limit=limit)
    for check in checks:
        table.add_row(*_cells(check.person, check))
    console.print(table)
    if any(check.careless for check in checks):
        console.print(f"\nToo many gold errors: {RULE} ({100 * limit:g} %).")


def _cells(person: "PersonRow", check: "GoldCheck") -> list[str]:
    last = "" if person.last is None else datetime.fromtimestamp(person.last, UTC)
    return [
        person.name.replace("[", r"\["),
        f"{person.state}{', simulated' if person.simulated else ''}",
        str(person.votes),
        f"{person.errors} of {person.golds}",
        "" if person.seconds != person.seconds else f"{person.seconds:.1f}",
        f"{last:%Y-%m-%d %H:%M}" if last else "",
        "[red]too many gold errors[/]" if check.careless else "",
    ]


@label.command(epilog="Example: xhat label pause")
def pause(
    db: Db = DEFAULT_DB,
    name: Annotated[str | None, typer.Option(help="One annotator only.")] = None,
) -> None:
    """Give out no further images, to anybody or to one annotator."""
    _set_paused(db, name, paused=True)
    console.print(f"Paused {name or 'the collection'}; what is on a screen may still be answered.")


@label.command(epilog="Example: xhat label resume")
def resume(
    db: Db = DEFAULT_DB,
    name: Annotated[str | None, typer.Option(help="One annotator only.")] = None,
) -> None:
    """Give out images again."""
    _set_paused(db, name, paused=False)
    console.print(f"Resumed {name or 'the collection'}.", markup=False)


def _set_paused(db: str, name: str | None, *, paused: bool) -> None:
    with open_database(db) as database:
        from xhat.apps.label import pause, set_paused

        if name is None:
            database.write(lambda connection: pause(connection, paused=paused))
        else:
            database.write(lambda connection: set_paused(connection, name, paused=paused))


@label.command(epilog="Example: xhat label revoke 'annotator 3'")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose invitation; see xhat label annotators.")],
    db: Db = DEFAULT_DB,
) -> None:
    """End somebody's invitation at once; their votes stay."""
    with open_database(db) as database:
        from xhat.apps.label import revoke

        database.write(lambda connection: revoke(connection, name, time.time()))
    console.print(f"Revoked {name}; the votes stay.", markup=False)


def _settings(connection):
    from xhat.apps.label import settings_of

    settings = settings_of(connection)
    if settings is None:
        raise ValueError("the database holds no collection; `xhat label serve` begins one.")
    return settings
