"""Images that people can be asked about, from the data, a results file or an array."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from xhat.apps.label import Item
from xhat.cli.inputs import read_samples
from xhat.core import UnreadableFileError, check_choice, check_range
from xhat_zoo import digits

__all__ = ["KEPT", "as_bytes", "read_source", "split_of"]

KEPT = ("target", "verdict", "method", "start_label", "index", "seed", "judge_confidence")
"""Columns of a results file that are kept with each image, and never shown."""

_TASK, _UPRIGHT = "digits", "upright"


def split_of(source: str) -> tuple[str, bool] | None:
    """Return which split of the digits a source is, and whether upright; None for a file.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> split_of("digits:test"), split_of("digits:surrogate_train:upright"), split_of("x.npy")
        (('test', False), ('surrogate_train', True), None)
    """
    task, colon, rest = source.partition(":")
    if task != _TASK or not colon:
        return None
    name, colon, turned = rest.partition(":")
    if colon and turned != _UPRIGHT:
        raise ValueError(f"after the split there may be only :{_UPRIGHT}, but is {turned!r}.")
    check_choice("the split of the digits", name, digits.SPLITS)
    return name, bool(colon)


def read_source(source: str) -> list[Item]:
    """Return the images of a source, in its order.

    Args:
        source: ``digits:SPLIT`` for the images as searches and judges see them, rotated;
            ``digits:SPLIT:upright`` for the same before; or a file: ``results.parquet`` with its
            targets and verdicts, ``.npy`` in [0, 1] or bytes, or a folder of PNG pictures.

    Raises:
        UnreadableFileError: a file is missing or damaged.
        ValueError: no such split, or images that are no 28 × 28 in [0, 1].

    Example:
        >>> first = read_source("digits:test")[0]
        >>> first.pixels.shape, first.source, first.place, first.label
        ((28, 28), 'digits:test', 0, 7)
    """
    split = split_of(source)
    if split is None:
        return _from_file(Path(source))
    data = digits.split(split[0])
    pixels = as_bytes(data.upright if split[1] else data.images)
    return [
        Item(image, source, k, label=label)
        for k, (image, label) in enumerate(zip(pixels, data.labels.tolist(), strict=True))
    ]


def as_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Return images ``(n, 1, h, w)`` in [0, 1] as ``(n, h, w)`` bytes.

    Example:
        >>> as_bytes(torch.full((1, 1, 2, 2), 0.5)).tolist()
        [[[128, 128], [128, 128]]]
    """
    return (255 * images[:, 0]).round().to(torch.uint8).numpy()


def _from_file(path: Path) -> list[Item]:
    name = "/".join(path.resolve().parts[-2:])[-200:]
    images = _checked(read_samples(path), path)
    details = _details(path, len(images)) if path.suffix == ".parquet" else [{}] * len(images)
    return [Item(pixels, name, k, details=details[k]) for k, pixels in enumerate(as_bytes(images))]


def _checked(images: Tensor, path: Path) -> Tensor:
    if images.dtype == torch.uint8:
        images = images.float() / 255
    images = images[:, None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[1:] != (1, 28, 28) or not images.is_floating_point():
        raise ValueError(
            f"the images in {path} must have shape (n, 28, 28) or (n, 1, 28, 28), numbers in "
            f"[0, 1] or bytes, but have shape {tuple(images.shape)}."
        )
    check_range(f"the images in {path}", images, 0.0, 1.0)
    return images.clamp(0, 1)


def _details(path: Path, n: int) -> list[dict[str, Any]]:
    try:
        names = [name for name in KEPT if name in pq.read_schema(path).names]
        rows = pq.read_table(path, columns=names).to_pylist() if names else [{}] * n
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableFileError(f"{path} cannot be read as Parquet.") from error
    return [{name: value for name, value in row.items() if value is not None} for row in rows]
