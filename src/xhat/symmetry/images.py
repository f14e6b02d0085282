"""Groups that turn and mirror images: the last two axes are height and width, row 0 on top."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from xhat.core import check_count
from xhat.symmetry.averages import total
from xhat.symmetry.base import Group

__all__ = ["Dihedral", "Mirror", "Rotations"]


class Rotations(Group):
    """``C_count``: rotations by ``k * 360 / count`` degrees, counter-clockwise.

    Quarter turns move pixels and are exact: so are 1, 2 and 4 rotations. Any other is read between
    the pixels by bilinear interpolation, and what lies outside is 0. **Interpolation is not a group
    action**: turning by 45 degrees twice blurs, and is not the quarter turn. Groups with such
    elements have ``exact = False``, and what is averaged over them is symmetric under their quarter
    turns only. For these it is exact, since the interpolation commutes with quarter turns to the
    last bit.

    Args:
        count: how many, from 1.

    Raises:
        ValueError: the count is no whole number from 1.

    Example:
        >>> x = torch.zeros(1, 1, 3, 3)
        >>> x[0, 0, 1, 2] = 1  # right of the centre
        >>> Rotations(4).act(1, x)[0, 0].int().tolist()
        [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    """

    def __init__(self, count: int = 4) -> None:
        check_count("count", count)
        super().__init__([[(a + b) % count for b in range(count)] for a in range(count)])
        self.exact = self.acts = 4 % count == 0

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return f"Rotations({self.order})"

    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless images of this shape are square (any, for half turns)."""
        _check_image(self, shape, square=self.order > 2)

    def move(self, k: int, x: Tensor) -> Tensor:
        """Turn by quarters what is interpolated for the rest of the angle."""
        quarters, rest = divmod(4 * k, self.order)
        return _turned(_between(x, rest / self.order, _read) if rest else x, quarters)

    def move_back(self, k: int, gradient: Tensor) -> Tensor:
        """Return the transpose: interpolation spreads to the pixels that it read."""
        quarters, rest = divmod(4 * k, self.order)
        back = _turned(gradient, -quarters)
        return _between(back, rest / self.order, _spread) if rest else back


class Dihedral(Group):
    """``D4``, the eight symmetries of a square: quarter turns, and the same after a mirroring.

    Element ``k`` below 4 turns ``k`` quarters counter-clockwise; ``k`` from 4 first exchanges left
    and right, then turns ``k - 4`` quarters.

    Example:
        >>> x = torch.arange(4.0).reshape(1, 2, 2)
        >>> [Dihedral().act(k, x).int().tolist() for k in (1, 4)]
        [[[[1, 3], [0, 2]]], [[[1, 0], [3, 2]]]]
    """

    def __init__(self) -> None:
        super().__init__([[_dihedral(a, b) for b in range(8)] for a in range(8)])

    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless images of this shape are square."""
        _check_image(self, shape, square=True)

    def move(self, k: int, x: Tensor) -> Tensor:
        """Mirror, then turn."""
        return _turned(x.flip(-1) if k >= 4 else x, k)


class Mirror(Group):
    """The identity, and a reversal of one axis.

    Args:
        axis: of a single input; negative from the last. -1 exchanges left and right of an image,
            -2 top and bottom.

    Raises:
        TypeError: the axis is no whole number.

    Example:
        >>> Mirror().act(1, torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[3., 2., 1.]])
    """

    def __init__(self, axis: int = -1) -> None:
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise TypeError(f"axis must be a whole number, not {type(axis).__name__}.")
        super().__init__([[0, 1], [1, 0]])
        self.axis = axis

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return f"Mirror({self.axis})"

    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless inputs of this shape have that axis."""
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(
                f"{self} needs inputs that have axis {self.axis}, but one has shape "
                f"{tuple(shape)}; name one of its {len(shape)} axes."
            )

    def move(self, k: int, x: Tensor) -> Tensor:
        """Reverse the axis, or do nothing."""
        return x.flip(self.axis if self.axis < 0 else self.axis + 1) if k else x


def _dihedral(a: int, b: int) -> int:
    # a mirroring in a turns b the other way round
    turns = (a - b if a >= 4 else a + b) % 4
    return turns + 4 * ((a >= 4) != (b >= 4))


def _check_image(group: Group, shape: Sequence[int], *, square: bool) -> None:
    if len(shape) < 2:
        raise ValueError(
            f"{group} acts on images (..., height, width), but one input has shape "
            f"{tuple(shape)}; reshape it, or use a group that acts on such inputs."
        )
    if square and shape[-1] != shape[-2]:
        raise ValueError(
            f"{group} acts on square images, but one is {shape[-2]} high and {shape[-1]} wide; "
            f"pad it to a square, or use half turns or a mirror."
        )


def _turned(x: Tensor, quarters: int) -> Tensor:
    return torch.rot90(x, quarters, (-2, -1))


def _between(x: Tensor, angle: float, interpolate: Callable[[Tensor, float], Tensor]) -> Tensor:
    """Interpolate at an angle in quarters, 0 to 1, in a way that commutes with quarter turns.

    The rounding errors of the interpolated pixels differ by place; averaged over the four turns in
    no particular order they are as symmetric as the image.
    """
    turns = [_turned(x, q).contiguous() for q in range(4)]
    return total([_turned(interpolate(t, angle), -q) for q, t in enumerate(turns)]) / 4


def _read(x: Tensor, angle: float) -> Tensor:
    index, weight = _corners(x, angle)
    return (x.flatten(-2)[..., index] * weight).sum(dim=-2).reshape(x.shape)


def _spread(gradient: Tensor, angle: float) -> Tensor:
    index, weight = _corners(gradient, angle)
    spread = (gradient.flatten(-2)[..., None, :] * weight).flatten(-2)
    blank = torch.zeros_like(gradient).flatten(-2)
    return blank.index_add(-1, index.flatten(), spread).reshape(gradient.shape)


def _corners(like: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    """Return which four pixels each pixel of the turned image is read from, and their weights.

    Returns:
        Two tensors ``(4, side * side)``, places in the flattened image and weights of at most 1.
    """
    side, radians = like.shape[-1], angle * math.pi / 2
    half = (side - 1) / 2
    across = torch.arange(side, dtype=torch.float64) - half
    up, right = torch.meshgrid(-across, across, indexing="ij")
    cos, sin = math.cos(radians), math.sin(radians)
    row = (half - (cos * up - sin * right)).flatten()
    column = (half + (cos * right + sin * up)).flatten()
    places, weights = [], []
    for down, aside in ((0, 0), (0, 1), (1, 0), (1, 1)):
        r, c = row.floor() + down, column.floor() + aside
        inside = (r >= 0) & (r < side) & (c >= 0) & (c < side)
        weights.append((1 - (row - r).abs()) * (1 - (column - c).abs()) * inside)
        places.append((r.clamp(0, side - 1) * side + c.clamp(0, side - 1)).long())
    return torch.stack(places).to(like.device), torch.stack(weights).to(like)
