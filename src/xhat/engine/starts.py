"""Starts of a search that need not fit into memory: read in pieces of one length."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xhat.core import UnreadableFileError, extra

__all__ = ["Lazy", "count_of", "pieces"]

Lazy = Tensor | np.ndarray | str | Path | Iterable[Any]
"""A tensor, an array (also a ``numpy.memmap``), a file or folder, or an iterable of chunks."""


def count_of(starts: Lazy) -> int | None:
    """Return how many starts there are; None of an iterable of chunks, which tells as it ends."""
    if isinstance(starts, Tensor | np.ndarray):
        return len(starts)
    if isinstance(starts, str | Path):
        return len(_mapped(starts)) if _is_array(starts) else _dataset(starts).count_rows()
    return None


def pieces(starts: Lazy, size: int) -> Iterator[Tensor]:
    """Yield starts ``(size, *x_shape)``, the last time what is left.

    Args:
        starts: ``(n, *x_shape)``; or the name of a ``.npy`` file, or of a Parquet file or folder,
            whose columns are the features, or one of which, ``x``, is a list of them; or an
            iterable of chunks ``(m, *x_shape)``, of any lengths.
        size: rows of a piece.

    Raises:
        UnreadableFileError: no such file, or another format.

    Example:
        >>> [len(piece) for piece in pieces([torch.zeros(3, 2), torch.ones(4, 2)], 5)]
        [5, 2]
    """
    if isinstance(starts, str | Path):
        starts = _mapped(starts) if _is_array(starts) else _rows(_dataset(starts), size)
    if isinstance(starts, Tensor | np.ndarray):
        for first in range(0, len(starts), size):
            yield _tensor(starts[first : first + size])
        return
    held: list[Tensor] = []
    for chunk in starts:
        held.append(_tensor(chunk))
        if sum(map(len, held)) >= size:
            whole = torch.cat(held)
            full = len(whole) // size * size
            yield from whole[:full].split(size)
            held = [whole[full:].clone()] if full < len(whole) else []
    if held:
        yield torch.cat(held)


def _tensor(rows: Any) -> Tensor:
    found = rows if isinstance(rows, Tensor) else torch.from_numpy(np.array(rows))
    return found if found.is_floating_point() else found.float()


def _is_array(path: str | Path) -> bool:
    return Path(path).suffix == ".npy"


def _mapped(path: str | Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFileError(
            f"the starts {path} cannot be read as .npy: missing, truncated or another format."
        ) from error


def _dataset(path: str | Path) -> Any:
    with extra("tables", "starts in Parquet need"):
        import pyarrow as pa
        import pyarrow.dataset as ds
    try:
        return ds.dataset(str(path), format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFileError(
            f"the starts {path} cannot be read as Parquet: missing, truncated or another format."
        ) from error


def _rows(dataset: Any, size: int) -> Iterator[np.ndarray]:
    listed = "x" in dataset.schema.names
    names = ["x"] if listed else dataset.schema.names
    for batch in dataset.to_batches(columns=names, batch_size=size):
        if not len(batch):
            continue
        if listed:
            flat = batch.column(0).flatten().to_numpy(zero_copy_only=False)
            yield flat.reshape(len(batch), -1)
        else:
            columns = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
            yield np.stack(list(columns), axis=1)
