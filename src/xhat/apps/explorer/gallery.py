"""A results file as a gallery: what happened to how many, and to which."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from xhat.apps.explorer.pictures import tiled
from xhat.core import UnreadableFileError, check_choice
from xhat.report import as_pictures

__all__ = ["FACETS", "Gallery"]

FACETS: Mapping[str, str] = {
    "verdict": "verdict",
    "start": "start_label",
    "target": "target",
    "method": "method",
    "status": "status",
}
"""What may be filtered by, and in which column of the file it stands."""

_NUMBERS = ("loss", "confidence", "judge_confidence", "steps", "index")
_MOST = 200_000  # rows
_LONG = 200  # characters that are shown of a value
_MANY = 60  # values, from which a filter by them is of no use


@dataclass(frozen=True, eq=False)
class Gallery:
    """Results of searches among images, to be looked at and filtered.

    Attributes:
        name: of the file.
        pictures: ``(n, h, w)`` or ``(n, h, w, 3)`` bytes, what was found.
        starts: likewise, where the searches began; None if the file does not say.
        values: facet → ``(n,)`` strings; only those that the file has.
        numbers: name → ``(n,)``.
    """

    name: str
    pictures: NDArray[np.uint8]
    starts: NDArray[np.uint8] | None
    values: Mapping[str, NDArray[Any]]
    numbers: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    @classmethod
    def open(cls, path: str | Path, classes: Sequence[str] = ()) -> "Gallery":
        """Read a file that ``Result.save`` or ``xhat demo`` wrote.

        Args:
            path: of the file.
            classes: their names, in the place of numbers in the file.

        Raises:
            UnreadableFileError: no such file, not one of ours, or not of images.
        """
        path = Path(path)
        table = _read(path)
        shapes = _shapes(table)
        found = _pictures(table, "x", shapes)
        if found is None:
            raise UnreadableFileError(
                f"{path} holds no images: its column x must have the shape (h, w), or (channels, "
                f"h, w) with 1 or 3 channels, and sides from 4."
            )
        names = set(table.column_names)
        values = {
            facet: _words(table[column], classes if facet in ("start", "target") else ())
            for facet, column in FACETS.items()
            if column in names
        }
        numbers = {
            name: table[name].to_numpy(zero_copy_only=False)
            for name in _NUMBERS
            if name in names and not pa.types.is_nested(table.schema.field(name).type)
        }
        return cls(path.name, found, _pictures(table, "x0", shapes), values, numbers)

    def find(self, wanted: Mapping[str, str]) -> NDArray[np.int64]:
        """Return the rows of which every facet has the wanted value, in the file's order.

        Raises:
            ValueError: a facet that the file does not have.
        """
        kept = np.ones(len(self), bool)
        for facet, value in wanted.items():
            check_choice("filter", facet, tuple(self.values))
            kept &= self.values[facet] == value
        return np.flatnonzero(kept)

    def facets(self, wanted: Mapping[str, str]) -> dict[str, list[tuple[str, int]]]:
        """Return every facet's values and how many rows each would leave, the others given.

        A facet of too many values is left out.
        """
        found = {}
        for facet, column in self.values.items():
            if len(np.unique(column)) > _MANY:
                continue
            others = {name: value for name, value in wanted.items() if name != facet}
            rows = column[self.find(others)]
            counts = Counter(rows.tolist())
            found[facet] = [(str(value), counts[value]) for value in np.unique(column)]
        return found

    def rows(self, index: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Return what the file says of some rows: facets and numbers; None for NaN."""
        told = []
        for i in index.tolist():
            row: dict[str, Any] = {"row": i}
            row |= {facet: str(column[i])[:_LONG] for facet, column in self.values.items()}
            row |= {name: _number(column[i]) for name, column in self.numbers.items()}
            told.append(row)
        return told

    def sheet(self, index: NDArray[np.int64], columns: int) -> NDArray[np.uint8]:
        """Return the pictures of some rows as one; each start beside what was found."""
        found = self.pictures[index]
        if self.starts is not None:
            found = np.concatenate((self.starts[index], found), axis=2)
        return tiled(found, columns)


def _read(path: Path) -> pa.Table:
    wanted = {"x", "x0", *FACETS.values(), *_NUMBERS}
    try:
        file = pq.ParquetFile(path)
        names = [name for name in file.schema_arrow.names if name in wanted]
        if not 1 <= file.metadata.num_rows <= _MOST:
            raise UnreadableFileError(
                f"{path} must have from 1 to {_MOST} rows, but has {file.metadata.num_rows}."
            )
        return file.read(columns=names)
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFileError(
            f"{path} cannot be read as Parquet: it is missing, truncated or another format."
        ) from error


def _shapes(table: pa.Table) -> dict[str, list[int]]:
    told = table.schema.metadata or {}
    try:
        if b"xhat" in told:
            return json.loads(told[b"xhat"])["shapes"]
        return json.loads(told.get(b"shapes", b"{}"))
    except (ValueError, KeyError, TypeError):
        return {}


def _pictures(table: pa.Table, name: str, shapes: dict[str, list[int]]) -> NDArray[np.uint8] | None:
    kind = table.schema.field(name).type if name in table.column_names else None
    if kind is None or not pa.types.is_fixed_size_list(kind) or name not in shapes:
        return None
    values = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    try:
        most = 1.0 if np.nanmax(values) < 1.5 else 255.0
        grid = as_pictures(values.reshape(table.num_rows, *shapes[name]), 0.0, most)
    except (ValueError, TypeError):
        return None
    if grid is None:
        return None
    found = (255 * np.nan_to_num(grid)).round().astype(np.uint8)
    return found[..., 0] if found.shape[-1] == 1 else found


def _words(column: pa.ChunkedArray, classes: Sequence[str]) -> NDArray[Any]:
    numbered = pa.types.is_integer(column.type) and bool(classes)
    return np.array(
        [
            classes[value]
            if numbered and value is not None and 0 <= value < len(classes)
            else str(value)
            for value in column.to_pylist()
        ],
        dtype=object,
    )


def _number(value: Any) -> float | int | None:
    number = value.item() if hasattr(value, "item") else value
    if number is None or number != number or number in (float("inf"), float("-inf")):
        return None
    return round(number, 6) if isinstance(number, float) else number
