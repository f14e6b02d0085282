"""Reading back what was exported: images, votes and the mark of who gave them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from xhat.apps.label.collection import (
    Item,
    Settings,
    add_images,
    create,
    digest_of,
    picture_of,
    settings_of,
)
from xhat.apps.label.database import Database
from xhat.apps.label.exporting import CHECKSUMS, read_csv
from xhat.apps.label.inserting import Said, insert_votes
from xhat.apps.label.schema import images
from xhat.apps.label.tables import FORMAT, HUMAN, SIMULATED, labels_schema, stored, votes_schema
from xhat.apps.label.votes import Ballot
from xhat.core import UnreadableFileError, sha256_of

__all__ = ["Imported", "import_folder"]


@dataclass(frozen=True)
class Imported:
    """What was taken from files.

    Attributes:
        images: how many were new.
        votes: how many.
        annotators: how many people cast them.
        simulated: whether they are models of people.
    """

    images: int
    votes: int
    annotators: int
    simulated: bool


@dataclass(frozen=True, eq=False)
class _Files:
    checksum: str
    settings: Settings
    created: float
    simulated: bool
    labels: list[dict[str, Any]]
    votes: list[dict[str, Any]]


def import_folder(database: Database, folder: str | Path, now: float) -> Imported:
    """Take images and votes from a folder that ``export`` wrote, all of them or none.

    A database without a collection takes that of the folder over. Votes of simulated annotators
    stay marked.

    Args:
        database: to write to.
        folder: as it was written.
        now: seconds since 1970.

    Raises:
        UnreadableFileError: a file is missing, damaged or changed, or its marks contradict.
        ValueError: the collection in the database asks about other classes, or has these votes.
    """
    files = _read(Path(folder))
    return database.write(lambda connection: _take(connection, files, now))


def _take(connection: Connection, files: _Files, now: float) -> Imported:
    there = settings_of(connection)
    if there is None:
        create(connection, files.settings, files.created)
        there = files.settings
    if there.classes != files.settings.classes:
        raise ValueError(
            f"the collection asks about {', '.join(there.classes)}, but the files about "
            f"{', '.join(files.settings.classes)}; import them into a database of their own."
        )
    new = add_images(connection, [_item(row) for row in files.labels], there.each)
    number_of = {row.digest: row.id for row in connection.execute(select(images)).all()}
    people = sorted({row["annotator"] for row in files.votes})
    place_of = {person: k for k, person in enumerate(people)}
    said = [
        Said(
            image=number_of[row["digest"]],
            who=place_of[row["annotator"]],
            ballot=_ballot(row, len(there.classes)),
            repeat=row["repeat"],
            cast=row["cast"],
            seconds=row["seconds"],
        )
        for row in files.votes
    ]
    names = [f"annotator {person}" for person in people]
    insert_votes(connection, files.checksum, names, said, now, simulated=files.simulated)
    return Imported(new, len(said), len(people), files.simulated)


def _read(folder: Path) -> _Files:
    sums = _checked(folder)
    form = "parquet" if "labels.parquet" in sums else "csv"
    names = {f"labels.{form}", f"votes.{form}"} | ({"about.json"} if form == "csv" else set())
    if not names <= sums.keys():
        raise UnreadableFileError(f"{folder / CHECKSUMS} must name {', '.join(sorted(names))}.")
    try:
        tables, told = _tables(folder, form)
        settings = Settings(**(told["settings"] | {"classes": tuple(told["settings"]["classes"])}))
        created = float(told["created"])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"{folder} does not hold an export of labels.") from error
    labels, votes = tables
    _check_marks(folder, told, tables)
    _check_rows(folder, labels, votes)
    return _Files(
        checksum=sums[f"votes.{form}"],
        settings=settings,
        created=created,
        simulated=told["annotators"] == SIMULATED,
        labels=labels.to_pylist(),
        votes=votes.to_pylist(),
    )


def _checked(folder: Path) -> dict[str, str]:
    """Return the checksums by name, after comparing them with the files."""
    path = folder / CHECKSUMS
    try:
        lines = [line.split(maxsplit=1) for line in path.read_text("utf-8").splitlines()]
        sums = {name: checksum for checksum, name in lines}
    except (OSError, ValueError) as error:
        raise UnreadableFileError(
            f"{path} cannot be read; give the folder that `xhat label export` wrote, whole."
        ) from error
    for name, checksum in sums.items():
        if Path(name).name != name or sha256_of(folder / name) != checksum:
            raise UnreadableFileError(
                f"{folder / name} is not what {CHECKSUMS} says; it was changed or damaged since "
                f"it was exported."
            )
    return sums


def _tables(folder: Path, form: str) -> tuple[list[pa.Table], dict[str, Any]]:
    if form == "csv":
        told = json.loads((folder / "about.json").read_text("utf-8"))
        classes = len(told["settings"]["classes"])
        schemas = {"labels": labels_schema(classes), "votes": votes_schema(classes)}
        return [read_csv(folder / f"{name}.csv", schemas[name]) for name in schemas], told
    tables = [pq.read_table(folder / f"{name}.parquet") for name in ("labels", "votes")]
    told = json.loads(tables[0].schema.metadata[b"xhat"])
    if json.loads(tables[1].schema.metadata[b"xhat"]) != told:
        raise UnreadableFileError(f"the two tables in {folder} are not of one export.")
    classes = len(told["settings"]["classes"])
    schemas = (labels_schema(classes), votes_schema(classes))
    return [_as_exported(folder, *pair) for pair in zip(tables, schemas, strict=True)], told


def _as_exported(folder: Path, table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema.equals(stored(schema)) or table.schema.equals(schema):
        try:
            return table.cast(schema.with_metadata(table.schema.metadata))
        except pa.ArrowInvalid as error:  # a list of another length
            raise UnreadableFileError(f"a table in {folder} was changed: {error}.") from error
    raise UnreadableFileError(f"a table in {folder} has other columns than an export has.")


def _check_marks(folder: Path, told: dict[str, Any], tables: Sequence[pa.Table]) -> None:
    mark = told.get("annotators")
    marks = {each for table in tables for each in table["annotators"].to_pylist()}
    if told.get("format") != FORMAT or mark not in (HUMAN, SIMULATED):
        raise UnreadableFileError(f"{folder} does not hold an export of labels that this reads.")
    if marks - {mark}:
        raise UnreadableFileError(
            f"the files in {folder} contradict each other about who gave the votes, people or "
            f"simulated annotators; they were changed since they were exported."
        )


def _check_rows(folder: Path, labels: pa.Table, votes: pa.Table) -> None:
    known = set()
    for row in labels.to_pylist():
        try:
            fits = digest_of(_pixels(row)) == row["digest"]
        except ValueError:  # too few of them, or too many
            fits = False
        if not fits:
            raise UnreadableFileError(f"{folder} holds an image whose pixels are not its digest's.")
        known.add(row["digest"])
    keys = [(row["annotator"], row["digest"], row["repeat"]) for row in votes.to_pylist()]
    if len({*keys}) < len(keys) or not {digest for _, digest, _ in keys} <= known:
        raise UnreadableFileError(
            f"{folder} holds a vote twice, or one on an image that is not in it."
        )


def _pixels(row: dict[str, Any]) -> np.ndarray:
    return picture_of(SimpleNamespace(**row))


def _item(row: dict[str, Any]) -> Item:
    return Item(
        pixels=_pixels(row),
        source=row["source"],
        place=row["place"],
        label=row["label"],
        gold=row["gold"],
        details=json.loads(row["details"]),
    )


def _ballot(row: dict[str, Any], classes: int) -> Ballot:
    Ballot.of(row["shares"], classes)  # refuses what is none; the numbers stay to the last bit
    return Ballot(tuple(row["shares"] or ()))
