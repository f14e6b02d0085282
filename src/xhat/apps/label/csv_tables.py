"""Tables as CSV and back, without losing a bit: every number as the shortest text that is it.

A list becomes as many columns, ``mean_0`` and so on, all empty where there is none; bytes become
base64. What a CSV file cannot carry, its schema and metadata, stands beside it.
"""

import base64
import csv
from pathlib import Path
from typing import Any

import pyarrow as pa

from xhat.core import UnreadableFileError

__all__ = ["read_csv", "write_csv"]


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
