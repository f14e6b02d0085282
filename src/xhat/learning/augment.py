"""Geometric changes of image batches, one set of parameters per image.

Pixels are read by bilinear interpolation about the image's centre; what lies outside is 0.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import check_rows

__all__ = ["Jitter", "Shift", "random_affine", "random_rotation", "rotate"]


def rotate(x: Tensor, angles_in_degrees: Tensor) -> Tensor:
    """Rotate images counter-clockwise (as shown with row 0 on top).

    Args:
        x: ``(n, channels, h, w)``.
        angles_in_degrees: ``(n,)``, or ``(1,)`` for all.

    Returns:
        ``(n, channels, h, w)``.

    Example:
        >>> x = torch.zeros(1, 1, 3, 3)
        >>> x[0, 0, 1, 2] = 1  # right of the centre
        >>> rotate(x, torch.tensor([90.0]))[0, 0].round().int().tolist()
        [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    """
    angles = angles_in_degrees.to(x)
    check_rows("angles_in_degrees", angles, len(x))
    radians = angles.expand(len(x)) * (math.pi / 180)
    cos, sin = radians.cos(), radians.sin()
    return _sample(x, torch.stack((torch.stack((cos, -sin), 1), torch.stack((sin, cos), 1)), 1))


def random_rotation(x: Tensor, limit: float, generator: torch.Generator) -> Tensor:
    """Rotate every image by its own uniform angle in [-limit, limit] degrees.

    Example:
        >>> from xhat.core import generator
        >>> random_rotation(torch.rand(2, 1, 8, 8), 45, generator(0)).shape
        torch.Size([2, 1, 8, 8])
    """
    return rotate(x, uniform(len(x), -limit, limit, generator))


def random_affine(
    x: Tensor,
    generator: torch.Generator,
    *,
    angle: float = 0.0,
    shift: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
) -> Tensor:
    """Change every image by its own random affine map.

    Args:
        x: ``(n, channels, h, w)``.
        generator: the source of randomness.
        angle: greatest rotation, in degrees.
        shift: greatest move along each axis, in pixels.
        scale: greatest relative change of size; 0.1 is between 10 % smaller and 10 % larger.
        shear: greatest slant, as a share of the height.

    Returns:
        ``(n, channels, h, w)``.
    """
    n, (h, w) = len(x), x.shape[-2:]
    radians = uniform(n, -angle, angle, generator) * (math.pi / 180)
    cos, sin = radians.cos(), radians.sin()
    turn = torch.stack((torch.stack((cos, -sin), 1), torch.stack((sin, cos), 1)), 1)
    zoom = 1 / (1 + uniform(n, -scale, scale, generator))
    slant = torch.zeros(n, 2, 2)
    slant[:, 0, 0] = slant[:, 1, 1] = zoom
    slant[:, 0, 1] = uniform(n, -shear, shear, generator)
    move = torch.stack(
        [uniform(n, -shift, shift, generator) * (2 / side) for side in (w, h)], dim=1
    )
    return _sample(x, (turn @ slant).to(x), move.to(x))


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return ``(n,)`` values drawn uniformly from [low, high)."""
    return torch.rand(n, generator=generator) * (high - low) + low


@dataclass(frozen=True)
class Jitter:
    """How far ``random_affine`` goes; an augmentation for ``fit``, clamped to [0, 1].

    Attributes:
        angle: greatest rotation, in degrees.
        shift: greatest move along each axis, in pixels.
        scale: greatest relative change of size.
        shear: greatest slant, as a share of the height.

    Example:
        >>> from xhat.core import generator
        >>> Jitter(angle=45, shift=2)(torch.rand(3, 1, 16, 16), generator(0)).shape
        torch.Size([3, 1, 16, 16])
    """

    angle: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return every image changed by its own random affine map."""
        return random_affine(x, generator, **asdict(self)).clamp(0, 1)


@dataclass(frozen=True)
class Shift:
    """Moves by whole pixels, at random: nothing is interpolated, so that edges stay sharp.

    Attributes:
        pixels: greatest move along each axis.

    Example:
        >>> from xhat.core import generator
        >>> Shift(2)(torch.rand(3, 1, 16, 16), generator(0)).shape
        torch.Size([3, 1, 16, 16])
    """

    pixels: int = 2

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return every image moved by its own numbers of pixels."""
        n, (h, w), most = len(x), x.shape[-2:], self.pixels
        down, right = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator)
        padded = F.pad(x, (most, most, most, most))
        each, rows, columns = torch.arange(n), torch.arange(h) + down, torch.arange(w) + right
        moved = padded.permute(0, 2, 3, 1)[each[:, None, None], rows[:, :, None], columns[:, None]]
        return moved.permute(0, 3, 1, 2).contiguous()


def _sample(x: Tensor, matrix: Tensor, move: Tensor | None = None) -> Tensor:
    # ``matrix`` maps output to input places, both in units where the image spans [-1, 1].
    move = x.new_zeros(len(x), 2) if move is None else move
    grid = F.affine_grid(torch.cat((matrix, move[:, :, None]), 2), list(x.shape), False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
