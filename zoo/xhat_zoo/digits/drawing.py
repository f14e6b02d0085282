"""From what a hand draws to what MNIST would have made of it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import check_range, check_tensor

__all__ = ["centred"]

SIDE, BOX = 28, 20  # pixels of an image, and of the box that holds the digit
_INK = 0.05  # below it is paper
_SMALL = 0.03  # of the sheet, below which a mark is a slip of the hand
_LARGEST = 1024


def centred(drawing: Tensor) -> Tensor:
    """Return a drawing as an image of MNIST: in a box of 20 pixels, centred by its mass in 28.

    The digit keeps its proportions; its longer side becomes 20 pixels, anti-aliased, and its ink
    is as dark as the darkest of it is in real digits.

    Args:
        drawing: ``(h, w)`` floating point in [0, 1], ink is 1; sides from 28 to 1024.

    Returns:
        ``(1, 1, 28, 28)`` in [0, 1], in steps of 1/255, as real digits are.

    Raises:
        TypeError: not floating point.
        ValueError: another shape or range, not finite, no ink, or too little of it.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document
    Recognition", Proceedings of the IEEE 1998 (section III.A).

    Example:
        >>> drawing = torch.zeros(140, 140)
        >>> drawing[20:120, 30:40] = 1.0  # a one, too far to the left
        >>> image = centred(drawing)
        >>> rows, columns = (image[0, 0] > 0.5).nonzero().T
        >>> rows.min().item(), rows.max().item(), columns.min().item(), columns.max().item()
        (4, 23, 14, 15)
    """
    drawing = check_tensor("the drawing", drawing, ndim=2)
    check_range("the drawing", drawing, 0.0, 1.0)
    if not SIDE <= min(drawing.shape) <= max(drawing.shape) <= _LARGEST:
        raise ValueError(
            f"the drawing must have sides from {SIDE} to {_LARGEST} pixels, but has "
            f"{' x '.join(map(str, drawing.shape))}."
        )
    cut = _cut(drawing.float())
    longer = max(cut.shape)
    size = [max(1, round(side * BOX / longer)) for side in cut.shape]
    small = F.interpolate(cut[None, None], size, mode="bilinear", antialias=True)[0, 0]
    small = (small / small.max()).clamp(0, 1)
    image = torch.zeros(SIDE, SIDE)
    top, left = _corner(small)
    image[top : top + size[0], left : left + size[1]] = small
    return ((255 * image).round() / 255)[None, None]


def _cut(drawing: Tensor) -> Tensor:
    """Return the part of the sheet that holds ink."""
    rows, columns = (drawing > _INK).nonzero(as_tuple=True)
    if not len(rows):
        raise ValueError("the sheet is empty; draw a digit first.")
    top, bottom = int(rows.min()), int(rows.max()) + 1
    left, right = int(columns.min()), int(columns.max()) + 1
    if max(bottom - top, right - left) < _SMALL * max(drawing.shape):
        raise ValueError("that is too small to be a digit; draw it larger.")
    return drawing[top:bottom, left:right]


def _corner(small: Tensor) -> tuple[int, int]:
    """Return where its corner goes, so that its centre of mass lies at pixel 14, as in MNIST."""
    mass = small.sum()
    corner = []
    for axis, side in enumerate(small.shape):
        along = small.sum(dim=1 - axis)
        middle = float((along * torch.arange(side)).sum() / mass)
        corner.append(min(max(round(SIDE / 2 - middle), 0), SIDE - side))
    return corner[0], corner[1]
