"""The embedded images: all of MNIST, and a part of Fashion-MNIST as out-of-distribution input.

Every file is LZMA-compressed IDX, named with its checksum in ``data/SHA256SUMS``, and checked
against it whenever it is read.

Sources: LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (CC BY-SA 3.0); Xiao,
Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", 2017 (MIT; here the first 1,000 of its test images).
"""

import functools
import lzma
import math
from pathlib import Path

import torch
from torch import Tensor

from xhat.core import UnreadableFileError, check_choice, sha256_of

__all__ = ["DATA", "load_fashion", "load_mnist", "read_idx"]

DATA = Path(__file__).parent / "data"
_PARTS = {"train": "train", "test": "t10k"}


@functools.cache
def load_mnist(part: str, folder: Path = DATA) -> tuple[Tensor, Tensor]:
    """Return the images and labels of one part of MNIST.

    Args:
        part: ``"train"`` (60,000) or ``"test"`` (10,000).
        folder: where ``SHA256SUMS`` and ``mnist/`` are.

    Returns:
        Images ``(n, 28, 28)`` of bytes, labels ``(n,)`` of integers; shared, do not write to them.

    Raises:
        UnreadableFileError: a file is missing, truncated or changed.

    Example:
        >>> images, labels = load_mnist("test")
        >>> images.shape, int(labels[0])
        (torch.Size([10000, 28, 28]), 7)
    """
    check_choice("part", part, _PARTS)
    images = read_idx(folder, f"mnist/{_PARTS[part]}-images-idx3-ubyte.xz")
    return images, read_idx(folder, f"mnist/{_PARTS[part]}-labels-idx1-ubyte.xz").long()


@functools.cache
def load_fashion(folder: Path = DATA) -> tuple[Tensor, Tensor]:
    """Return 1,000 images of Fashion-MNIST, ``(1000, 28, 28)`` bytes, and their labels.

    Raises:
        UnreadableFileError: a file is missing, truncated or changed.
    """
    images = read_idx(folder, "fashion-mnist/t1k-images-idx3-ubyte.xz")
    return images, read_idx(folder, "fashion-mnist/t1k-labels-idx1-ubyte.xz").long()


def read_idx(folder: Path, name: str) -> Tensor:
    """Return the bytes of one compressed IDX file, in its shape, after checking the file.

    Args:
        folder: holds ``SHA256SUMS`` and, under ``name``, the file.
        name: as it stands in ``SHA256SUMS``.

    Raises:
        UnreadableFileError: the file is missing, truncated or changed, or not listed.
    """
    path = folder / name
    expected = _checksums(folder).get(name)
    if expected is None:
        raise UnreadableFileError(f"{path} is not listed in {folder / 'SHA256SUMS'}.")
    found = sha256_of(path)
    if found != expected:
        raise UnreadableFileError(
            f"{path} is truncated or was changed: its SHA-256 is {found[:12]}…, "
            f"expected {expected[:12]}…; install xhat-zoo again."
        )
    raw = lzma.decompress(path.read_bytes())
    axes = raw[3]
    start = 4 + 4 * axes
    shape = [int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4)]
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)[start:][: math.prod(shape)].reshape(
        shape
    )


def _checksums(folder: Path) -> dict[str, str]:
    path = folder / "SHA256SUMS"
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read ({error.strerror}).") from error
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {name: checksum for checksum, name in pairs}
