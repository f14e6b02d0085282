"""A table in a file: Parquet, which every tool reads, or NumPy's ``.npz``, which needs no extra.

Columns have a name and one value per row; an array with more than one axis is a column of lists in
Parquet, and itself in ``.npz``. Beside them stand strings by name, the metadata.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xhat.core import UnreadableFileError, atomic_write, extra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_table", "columns_of", "read", "usual_suffix", "write"]

_ABOUT = "metadata"
_NEEDS = "tables of Arrow and Parquet (.npz does without) need"
_BAD_ARCHIVE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


def as_table(columns: Mapping[str, Any], metadata: Mapping[str, str]) -> "pa.Table":
    """Return columns as an Arrow table; those without any value are of strings.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    with extra("tables", _NEEDS):
        import pyarrow as pa

    def column(values: Any) -> Any:
        if isinstance(values, np.ndarray) and values.ndim > 1:
            rows = np.ascontiguousarray(values.reshape(len(values), -1))
            return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
        array = pa.array(values)
        return array.cast(pa.string()) if array.type == pa.null() else array

    table = pa.table({name: column(values) for name, values in columns.items()})
    return table.replace_schema_metadata(dict(metadata))


def usual_suffix() -> str:
    """Return ``.parquet``, or ``.npz`` where pyarrow is not installed."""
    try:
        import pyarrow as _pyarrow  # noqa: F401
    except ImportError:
        return ".npz"
    return ".parquet"


def write(path: str | Path, columns: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write a table, whole or not at all; as ``.npz`` if it is named so, else as Parquet.

    Raises:
        IsADirectoryError, PermissionError: it cannot be written.
        MissingExtraError: pyarrow is not installed, and the file is no ``.npz``.
    """
    if Path(path).suffix == ".npz":
        arrays: dict[str, Any] = {name: _plain(values) for name, values in columns.items()}
        arrays[_ABOUT] = np.array(json.dumps(dict(metadata)))
        with atomic_write(path) as temporary:
            np.savez_compressed(temporary, **arrays)
        return
    table = as_table(columns, metadata)
    import pyarrow.parquet as pq

    with atomic_write(path) as temporary:
        pq.write_table(table, temporary)


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return columns (arrays of numbers, lists of anything else) and metadata of a file.

    Raises:
        UnreadableFileError: no such file, truncated, or of another format.
        MissingExtraError: pyarrow is not installed, and the file is no ``.npz``.
    """
    if Path(path).suffix == ".npz":
        return _archive(path)
    with extra("tables", _NEEDS):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        table = pq.read_table(Path(path))
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFileError(_unreadable(path, "Parquet")) from error

    return columns_of(table)


def columns_of(table: "pa.Table") -> tuple[dict[str, Any], dict[str, str]]:
    """Return columns (arrays of numbers, lists of anything else) and metadata of an Arrow table."""
    import pyarrow as pa

    def values(column: Any) -> Any:
        if pa.types.is_fixed_size_list(column.type):
            flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return flat.reshape(len(column), column.type.list_size)
        numbers = pa.types.is_primitive(column.type)
        return column.to_numpy() if numbers else column.to_pylist()

    metadata = table.schema.metadata or {}
    columns = {name: values(table[name]) for name in table.column_names}
    told = {key.decode(): value for key, value in metadata.items()}
    return columns, {name: value.decode(errors="replace") for name, value in told.items()}


def _archive(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
        metadata = json.loads(str(columns.pop(_ABOUT, "{}")))
    except _BAD_ARCHIVE as error:
        raise UnreadableFileError(_unreadable(path, ".npz")) from error
    words = {name: rows.tolist() for name, rows in columns.items() if rows.dtype.kind == "U"}
    return columns | words, metadata


def _plain(values: Any) -> np.ndarray:
    """Return values as an array that needs no pickle; what is no number is words."""
    array = np.asarray(values)
    if array.dtype.kind != "O":
        return array
    return np.array(["" if value is None else str(value) for value in values])


def _unreadable(path: str | Path, kind: str) -> str:
    return f"{path} cannot be read as {kind}: it is missing, truncated or another format."
