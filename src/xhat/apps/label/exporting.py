"""A collection as a folder of files that stand alone, with a datasheet and checksums.

::

    OUT/labels.parquet   a row for each image: what it is, its pixels, and what people say of it
    OUT/votes.parquet    a row for each vote
    OUT/datasheet.md     how, when and by how many, and what it must not be used for
    OUT/SHA256SUMS       of the others

With ``format="csv"`` the tables are ``labels.csv`` and ``votes.csv``, and ``about.json`` holds what
Parquet keeps in its metadata. Every number is the shortest text that is it, so that no bit is lost;
a list becomes as many columns, ``mean_0`` and so on, all empty where there is none; bytes become
base64. The folder appears whole or not at all.
"""

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xhat.apps.label.database import Database
from xhat.apps.label.datasheet import datasheet
from xhat.apps.label.tables import Gathered, gather, stored
from xhat.core import (
    UnreadableFileError,
    atomic_folder,
    atomic_folder_check,
    check_choice,
    sha256_of,
)

__all__ = ["CHECKSUMS", "export", "read_csv", "write_csv"]

CHECKSUMS = "SHA256SUMS"


def export(
    database: Database,
    out: str | Path,
    now: float,
    *,
    simulated: bool = False,
    format: str = "parquet",  # noqa: A002 - as the command says it
    seed: int = 0,
) -> Gathered:
    """Write a collection into a new folder; return what was written.

    Args:
        database: of the collection.
        out: a folder that is new or empty.
        now: seconds since 1970.
        simulated: votes of simulated annotators instead, marked as such; never both.
        format: ``parquet`` or ``csv``.
        seed: of the bootstrap of the agreement.

    Raises:
        ValueError: the folder holds something, or there is nothing to export.
        PermissionError: the folder cannot be written to.
    """
    check_choice("format", format, ("parquet", "csv"))
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"{out} holds something already; name a new folder, since labels that were given out "
            f"must not change."
        )
    atomic_folder_check(out.parent)
    with database.read() as connection:
        found = gather(connection, now, simulated=simulated, seed=seed)
    with atomic_folder(out) as temporary:
        _write(found, temporary, format)
    return found


def _write(found: Gathered, folder: Path, format: str) -> None:  # noqa: A002 - as above
    for name, table in (("labels", found.labels), ("votes", found.votes)):
        if format == "csv":
            write_csv(table, folder / f"{name}.csv")
        else:
            pq.write_table(_for_parquet(table), folder / f"{name}.parquet", compression="zstd")
    if format == "csv":
        text = json.dumps(found.about, indent=1, sort_keys=True) + "\n"
        (folder / "about.json").write_text(text, encoding="utf-8")
    (folder / "datasheet.md").write_text(datasheet(found), encoding="utf-8")
    sums = [f"{sha256_of(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / CHECKSUMS).write_text("".join(sums), encoding="utf-8")


def _for_parquet(table: pa.Table) -> pa.Table:
    schema = stored(table.schema)
    columns = [  # a cast would keep hidden values where a list is missing
        pa.array(table[field.name].to_pylist(), field.type)
        if pa.types.is_list(field.type)
        else table[field.name]
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table; ``read_csv`` gives the same table back."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([name for field in table.schema for name in _names(field)])
        columns = [table[field.name].to_pylist() for field in table.schema]
        for row in zip(*columns, strict=True):
            writer.writerow(
                [
                    text
                    for field, value in zip(table.schema, row, strict=True)
                    for text in _texts(field, value)
                ]
            )


def read_csv(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a table that ``write_csv`` wrote.

    Raises:
        UnreadableFileError: other columns, or a value that is not of its column's type; the message
            names the line.
    """
    names = [name for field in schema for name in _names(field)]
    columns: dict[str, list[Any]] = {field.name: [] for field in schema}
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        if next(reader, None) != names:
            raise UnreadableFileError(f"{path.name} must have the columns {', '.join(names)}.")
        for row in reader:
            try:
                cells = iter(row)
                for field in schema:
                    columns[field.name].append(_value(field, [next(cells) for _ in _names(field)]))
                if len(row) != len(names):
                    raise ValueError(f"{len(row)} values")
            except (ValueError, LookupError, StopIteration) as error:
                raise UnreadableFileError(
                    f"line {reader.line_num} of {path.name} is not one of the export: it must "
                    f"have {len(names)} values, each of its column's type."
                ) from error
    return pa.Table.from_arrays([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _names(field: pa.Field) -> list[str]:
    if pa.types.is_fixed_size_list(field.type):
        return [f"{field.name}_{k}" for k in range(field.type.list_size)]
    return [field.name]


def _texts(field: pa.Field, value: Any) -> list[str]:
    if value is None:
        return [""] * len(_names(field))
    if pa.types.is_fixed_size_list(field.type):
        return [repr(each) for each in value]
    if pa.types.is_binary(field.type):
        return [base64.b64encode(value).decode()]
    if pa.types.is_boolean(field.type):
        return ["true" if value else "false"]
    return [repr(value) if pa.types.is_floating(field.type) else str(value)]


def _value(field: pa.Field, texts: list[str]) -> Any:
    if pa.types.is_string(field.type):
        return texts[0]
    if not any(texts):
        return None
    if pa.types.is_fixed_size_list(field.type):
        return [float(text) for text in texts]
    if pa.types.is_binary(field.type):
        return base64.b64decode(texts[0], validate=True)
    if pa.types.is_boolean(field.type):
        return {"true": True, "false": False}[texts[0]]
    return float(texts[0]) if pa.types.is_floating(field.type) else int(texts[0])
