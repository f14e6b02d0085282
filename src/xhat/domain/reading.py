"""Data files as people have them: arrays, tables and folders of pictures.

=====================  =======================================================================
``.npy``               one array
``.npz``               ``x`` (or the only array), and ``y`` or ``labels``; or a file of results
``.csv``, ``.parquet``  a table; a file of results is read by its ``x``
a folder               PNG pictures of one size, in subfolders named after their classes if any
=====================  =======================================================================
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from xhat.core import UnreadableFileError, extra

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Data", "read_data", "read_labels", "read_values"]

_BAD_ARRAY = (OSError, ValueError, TypeError, EOFError, OverflowError, MemoryError)
_BAD_PICTURE = (OSError, ValueError, SyntaxError, EOFError, MemoryError, struct.error)
_LABELS = ("y", "labels", "label", "target", "targets")


@dataclass(frozen=True)
class Data:
    """What a file holds.

    Attributes:
        array: ``(n, *x_shape)``; None where the file is a table with columns.
        labels: ``(n,)`` numbers or words, if the file has them.
        table: the columns besides the labels, an Arrow table; None for other files.
        starts: ``(n, *x_shape)``, where a search began, in a file of results.
        what: error messages call it.
    """

    array: np.ndarray | None = None
    labels: np.ndarray | None = None
    table: "pa.Table | None" = None
    starts: np.ndarray | None = None
    what: str = "the samples"

    @property
    def x(self) -> np.ndarray:
        """The numbers of the file, ``(n, *x_shape)``; of a table ``(n, columns)``.

        Raises:
            UnreadableFileError: a column is not numbers.
        """
        if self.table is None:
            return np.empty(0) if self.array is None else self.array
        return np.stack([self._numbers(name) for name in self.table.column_names], axis=1)

    @property
    def samples(self) -> Any:
        """A table as a frame with its columns, or the array where they have no names."""
        return self.array if self.table is None else self.table

    def _numbers(self, name: str) -> np.ndarray:
        column = _values(self.table, name)
        if column.dtype.kind not in "fiub":
            raise UnreadableFileError(
                f"{self.what} must be numbers, but the column {name!r} is not; give the real "
                f"samples (--reference), which say what its words are, or leave it out."
            )
        return column.astype(np.float64)


def read_data(path: str | Path, what: str, label: str | None = None) -> Data:
    """Return what a file or folder holds.

    Args:
        path: the file or folder.
        what: what error messages call it, such as "the inputs".
        label: the column of a table that holds the labels; None for ``y``, ``label`` and the like.

    Raises:
        UnreadableFileError: no such file, truncated, or none of the kinds that can be read.
    """
    path = Path(path)
    if path.is_dir():
        return _pictures(path)
    if path.suffix == ".npz":
        return _archive(path, what)
    if path.suffix in (".csv", ".parquet"):
        return _table(path, what, label)
    array = _array(path, what)
    if array.dtype.kind == "U":
        raise UnreadableFileError(f"{what} in {path} must be numbers, but is {array.dtype}.")
    return Data(array, what=what)


def read_labels(text: str, what: str = "the labels") -> np.ndarray:
    """Return labels from a ``.npy`` file, or a ``.csv`` or ``.parquet`` file of one column.

    Raises:
        UnreadableFileError: no such file, or not one column.
    """
    path = Path(text)
    if path.suffix not in (".csv", ".parquet"):
        return _array(path, what)
    table = _arrow(path, what)
    if table.num_columns != 1:
        raise UnreadableFileError(
            f"{what} in {path} must be one column, but there are {table.num_columns}."
        )
    return _values(table, table.column_names[0])


def read_values(path: str | Path, columns: Sequence[str]) -> tuple[Data, np.ndarray]:
    """Return what the other columns of a table hold, and the values in these, ``(n, columns)``.

    Raises:
        UnreadableFileError: no table, no such columns, or no others.
    """
    path, kept = Path(path), list(columns)
    if path.suffix not in (".csv", ".parquet"):
        raise UnreadableFileError(
            f"{path} is no table, so it has no column {kept[0]!r}; give the values as a .npy file."
        )
    data = _table(path, "the reference", kept[0])
    table: Any = data.table
    for name in kept[1:]:
        if name not in table.column_names:
            raise UnreadableFileError(
                f"{path} has no further column {name!r}; its columns are "
                f"{', '.join(table.column_names)}."
            )
    others = [name for name in table.column_names if name not in kept]
    if not others:
        raise UnreadableFileError(f"{path} has no columns besides the values.")
    further = replace(data, table=table.select(kept[1:])).x if kept[1:] else None
    first = np.asarray(data.labels)[:, None]
    y = first if further is None else np.concatenate([first, further], axis=1)
    return replace(data, labels=None, table=table.select(others)), y


def _array(path: Path, what: str) -> np.ndarray:
    try:  # mapped, since a header may promise more than the file, or the machine, holds
        array = np.lib.format.open_memmap(path, mode="r")
        array = np.array(array, array.dtype.newbyteorder("="), order="C")
    except _BAD_ARRAY as error:
        raise UnreadableFileError(
            f"{what} cannot be read from {path}: it must be a whole .npy file of numbers "
            f"(numpy.save), .npz, .csv, .parquet or a folder of PNG pictures."
        ) from error
    if array.dtype.kind not in "fiubU":
        raise UnreadableFileError(f"{what} in {path} must be numbers, but is {array.dtype}.")
    return array


def _archive(path: Path, what: str) -> Data:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except _BAD_ARRAY as error:
        raise UnreadableFileError(
            f"{what} cannot be read from {path}: it must be a whole .npz file of arrays "
            f"(numpy.savez)."
        ) from error
    labels = next((arrays.pop(name) for name in _LABELS if name in arrays), None)
    x = arrays.get("x", next(iter(arrays.values())) if len(arrays) == 1 else None)
    if x is None:
        raise UnreadableFileError(
            f"{path} must hold {what} as x, and their classes as y if there are any, but holds "
            f"{', '.join(arrays)}."
        )
    return Data(x, labels, starts=arrays.get("x0"), what=what)


def _arrow(path: Path, what: str) -> "pa.Table":
    with extra("tables", f"{path.suffix} files (.npy and .npz do without) need"):
        import pyarrow as pa
        import pyarrow.csv as pc
        import pyarrow.parquet as pq
    try:
        return pc.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        kind = path.suffix.removeprefix(".").replace("csv", "CSV").replace("parquet", "Parquet")
        raise UnreadableFileError(
            f"{what} cannot be read from {path}: it is missing, truncated or not {kind}."
        ) from error


def _table(path: Path, what: str, label: str | None) -> Data:
    table = _arrow(path, what)
    shapes = _shapes(table.schema.metadata or {})
    if "x" in shapes and "x" in table.column_names:
        starts = _column(table, "x0", shapes, path) if "x0" in shapes else None
        return Data(_column(table, "x", shapes, path), starts=starts, what=what)
    if label is not None and label not in table.column_names:
        raise UnreadableFileError(
            f"{path} has no column {label!r}; its columns are {', '.join(table.column_names)}."
        )
    found = label or next((name for name in table.column_names if name.lower() in _LABELS), None)
    names = [name for name in table.column_names if name != found]
    if not names:
        raise UnreadableFileError(f"{path} has no columns besides the labels.")
    labels = None if found is None else _values(table, found)
    return Data(labels=labels, table=table.select(names), what=what)


def _values(table: Any, name: str) -> np.ndarray:
    return table[name].combine_chunks().to_numpy(zero_copy_only=False)


def _shapes(metadata: dict[bytes, bytes]) -> dict[str, list[int]]:
    try:
        if b"shapes" in metadata:  # a table of a demo, of several results
            return dict(json.loads(metadata[b"shapes"]))
        return dict(json.loads(metadata.get(b"xhat", b"{}")).get("shapes", {}))
    except (AttributeError, TypeError, ValueError):
        return {}  # somebody else's metadata


def _column(table: "pa.Table", name: str, shapes: dict[str, list[int]], path: Path) -> np.ndarray:
    try:
        flat = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(table.num_rows, *shapes[name]).copy()
    except (NotImplementedError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnreadableFileError(
            f"the {name} of {path} is not what its metadata say; it is no whole file of results."
        ) from error


def _pictures(folder: Path) -> Data:
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    files = [(path, "") for path in sorted(folder.glob("*.png"))]
    files += [(path, each.name) for each in classes for path in sorted(each.glob("*.png"))]
    if not files:
        raise UnreadableFileError(f"the folder {folder} holds no .png pictures.")
    pictures = [_picture(path) for path, _ in files]
    for (path, _), picture in zip(files, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            _other_size(path, folder, picture, pictures[0])
    words = np.array([word for _, word in files])
    return Data(np.stack(pictures), words if all(words) else None)


def _picture(path: Path) -> np.ndarray:
    with extra("report", "pictures (.npy and .npz do without) need"):
        from PIL import Image
    try:
        with Image.open(path) as picture:
            grey = picture.mode in ("1", "L", "I;16", "I", "LA")
            array = np.asarray(picture.convert("L" if grey else "RGB"), dtype=np.float32) / 255
    except (*_BAD_PICTURE, Image.DecompressionBombError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a picture ({error}).") from error
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def _other_size(path: Path, folder: Path, picture: np.ndarray, first: np.ndarray) -> NoReturn:
    raise UnreadableFileError(
        f"the pictures in {folder} must have one size and be all grey or all coloured, but "
        f"{path.name} is {picture.shape} and the first {first.shape}."
    )


def as_starts(data: Data) -> Tensor | None:
    """Return where the searches of a file of results began; None for other files."""
    return None if data.starts is None else torch.from_numpy(data.starts)
