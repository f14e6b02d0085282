"""Pictures as bytes: PNG of one image, or of many side by side."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xhat.core import check_count

__all__ = ["png", "tiled"]


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
