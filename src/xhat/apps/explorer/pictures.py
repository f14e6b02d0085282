"""Pictures as bytes, and back: what a page draws and shows, PNG of one image or of many."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from xhat.core import check_count

__all__ = ["as_bytes", "as_image", "png", "resized", "tiled"]


def as_bytes(x: Tensor, low: float, high: float) -> bytes:
    r"""Return one image ``(1, c, h, w)`` as ``h * w * c`` bytes; ``low`` is 0 and ``high`` 255.

    Example:
        >>> as_bytes(torch.tensor([[[[0.0, 0.5]]]]), 0.0, 0.5)
        b'\x00\xff'
    """
    unit = ((x[0] - low) / (high - low)).clamp(0, 1)
    return (255 * unit).round().byte().movedim(0, -1).cpu().numpy().tobytes()


def as_image(raw: bytes, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Return the image ``(1, c, h, w)`` of bytes, as ``as_bytes`` gave them.

    Raises:
        ValueError: another number of bytes.
    """
    c, h, w = shape
    if len(raw) != c * h * w:
        raise ValueError(f"pixels must be {c * h * w} bytes, {h} x {w} x {c}, but are {len(raw)}.")
    grid = torch.frombuffer(bytearray(raw), dtype=torch.uint8).reshape(1, h, w, c)
    unit = grid.movedim(-1, 1) / 255
    return unit if (low, high) == (0.0, 1.0) else low + (high - low) * unit


def resized(sheet: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a drawing ``(c, h, w)`` in [0, 1] in the size of the domain's images, as a batch of 1.

    A sheet whose sides are multiples comes back to the pixel.

    Raises:
        ValueError: a sheet that is smaller than an image.
    """
    if sheet.shape[1] < shape[1] or sheet.shape[2] < shape[2]:
        raise ValueError(
            f"the drawing must have {shape[1]} x {shape[2]} pixels or more, but has "
            f"{sheet.shape[1]} x {sheet.shape[2]}."
        )
    return (255 * F.interpolate(sheet[None], shape[1:], mode="area")).round() / 255


def png(picture: NDArray[np.uint8], times: int = 1) -> bytes:
    r"""Return a picture as PNG, ``(h, w)`` grey or ``(h, w, 3)``, every pixel ``times`` as large.

    Example:
        >>> png(np.zeros((4, 4), np.uint8))[:4]
        b'\x89PNG'
    """
    check_count("times", times)
    large = picture.repeat(times, axis=0).repeat(times, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(large).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def tiled(pictures: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Return pictures ``(n, h, w, …)`` as one, row by row; places that are left are black.

    Example:
        >>> tiled(np.ones((3, 2, 2), np.uint8), 2).tolist()
        [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]
    """
    check_count("columns", columns)
    n, h, w = pictures.shape[:3]
    rows = -(-n // columns)
    whole = np.zeros((rows * columns, h, w, *pictures.shape[3:]), np.uint8)
    whole[:n] = pictures
    whole = whole.reshape(rows, columns, h, w, -1).transpose(0, 2, 1, 3, 4)
    return whole.reshape(rows * h, columns * w, *pictures.shape[3:])
