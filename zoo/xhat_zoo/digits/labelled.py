"""Targets for training from labels that were collected: a distribution where there are votes.

Reads the ``labels.parquet`` of an export, and nothing else of it, so that training needs no
database. Images without votes keep their label.
"""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from xhat.core import UnreadableFileError, sha256_of
from xhat_zoo import digits

__all__ = ["Labelled", "read_labelled"]

_COLUMNS = ["digest", "source", "place", "gold", "mean", "votes", "annotators"]
_MARKS = ("human", "simulated")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Targets for all images of a split.

    Attributes:
        p: ``(n, 10)`` float32 distributions, one-hot where nobody voted.
        voted: ``(n,)`` booleans, for which images there are votes that name a class.
        annotators: who gave them: ``"human"`` or ``"simulated"``.
        split: whose images.
        checksum: SHA-256 of the file.
        passed_over: rows of the file that are of other sources, or gold images.
    """

    p: Tensor
    voted: Tensor = field(repr=False)
    annotators: str
    split: str
    checksum: str
    passed_over: int

    def counts(self, limit: int | None = None) -> dict[str, int]:
        """Return how many of the first images have which kind of label, for a card.

        Example:
            >>> voted = torch.tensor([True, False, False])
            >>> Labelled(torch.eye(3), voted, "human", "test", "", 0).counts()
            {'human': 1, 'of the data': 2}
        """
        voted = self.voted[:limit]
        return {self.annotators: int(voted.sum()), "of the data": int((~voted).sum())}


def read_labelled(path: str | Path, split: str) -> Labelled:
    """Return the targets that a file of labels gives for a split of the digits.

    Rows are found by their place in the split, and their pixels must be those of the image there,
    rotated or upright. Rows of other sources and gold images are passed over.

    Args:
        path: of a ``labels.parquet``.
        split: a key of ``digits.SPLITS``.

    Raises:
        UnreadableFileError: the file is missing, damaged, or no file of labels.
        ValueError: it is of another split, or its pixels are not those of the split.
    """
    path = Path(path)
    rows, mark = _read(path)
    data = digits.split(split)
    p = torch.nn.functional.one_hot(data.labels, digits.CLASSES).float()
    voted = torch.zeros(len(data), dtype=torch.bool)
    kept = [row for row in rows if _is_of(row, split)]
    if not kept:
        found = ", ".join(sorted({row["source"] for row in rows if not row["gold"]})) or "nothing"
        raise ValueError(
            f"{path.name} holds labels of {found}, but the training is on digits:{split}; collect "
            f"labels of that split, or choose a recipe that is trained on another."
        )
    for row in kept:
        _check_pixels(path, row, data)
        if row["mean"] is not None:
            p[row["place"]] = torch.tensor(row["mean"])
            voted[row["place"]] = True
    return Labelled(p, voted, mark, split, sha256_of(path), len(rows) - len(kept))


def _read(path: Path) -> tuple[list[dict[str, Any]], str]:
    try:
        table = pq.read_table(path, columns=_COLUMNS)
        about = json.loads((table.schema.metadata or {})[b"xhat"])
        told, classes = about["annotators"], len(about["settings"]["classes"])
    except (OSError, pa.ArrowInvalid, KeyError, ValueError, TypeError) as error:
        raise UnreadableFileError(
            f"{path} is not the labels.parquet of `xhat label export`, or is missing or damaged."
        ) from error
    if told not in _MARKS or {*table["annotators"].to_pylist()} - {told}:
        raise UnreadableFileError(
            f"{path} contradicts itself about who gave the labels, people or simulated annotators."
        )
    lengths = {len(mean) for mean in table["mean"].to_pylist() if mean is not None} | {classes}
    if other := lengths - {digits.CLASSES}:
        raise UnreadableFileError(f"{path} holds labels of {other.pop()} classes, not of digits.")
    return table.to_pylist(), told


def _is_of(row: dict[str, Any], split: str) -> bool:
    sources = (f"digits:{split}", f"digits:{split}:upright")
    return row["source"] in sources and not row["gold"]


def _check_pixels(path: Path, row: dict[str, Any], data: digits.Split) -> None:
    place = row["place"]
    if 0 <= place < len(data) and row["digest"] in (
        _digest(data.images[place, 0]),
        _digest(data.upright[place, 0]),
    ):
        return
    raise ValueError(
        f"{path.name} gives a label for image {place} of {row['source']}, but its pixels are not "
        f"those of that image; was it collected with other data?"
    )


def _digest(image: Tensor) -> str:
    pixels = (255 * image).round().to(torch.uint8).numpy()
    size = f"{pixels.shape[0]}x{pixels.shape[1]}:".encode()  # as the room labels names images
    return sha256(size + np.ascontiguousarray(pixels).tobytes()).hexdigest()
