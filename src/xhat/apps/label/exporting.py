"""A collection as a folder of files that stand alone, with a datasheet and checksums.

::

    OUT/labels.parquet   a row for each image: what it is, its pixels, and what people say of it
    OUT/votes.parquet    a row for each vote
    OUT/datasheet.md     how, when and by how many, and what it must not be used for
    OUT/SHA256SUMS       of the others

With ``format="csv"`` the tables are ``labels.csv`` and ``votes.csv``, and ``about.json`` holds what
Parquet keeps in its metadata. The folder appears whole or not at all.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xhat.apps.label.csv_tables import write_csv
from xhat.apps.label.database import Database
from xhat.apps.label.datasheet import datasheet
from xhat.apps.label.tables import Gathered, gather, stored
from xhat.core import atomic_folder, atomic_folder_check, check_choice, sha256_of

__all__ = ["CHECKSUMS", "export"]

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
