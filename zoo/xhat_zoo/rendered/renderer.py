"""The renderer: shapes of six kinds in colour, a closed form of their factors.

An image is ``b + m (f - b)``: background ``b`` and foreground ``f`` are colours, and the mask ``m``
is ``Φ(-d / s)``, where ``d`` is the signed distance to the outline in pixels and ``Φ`` the normal
distribution: a sharp shape seen through optics that blur by ``s`` pixels. Everything can be
differentiated, and nothing is random.

Distances by folding the plane into one sector of a symmetric shape: Inigo Quilez, "2D distance
functions", 2020; images by their factors: Matthey, Higgins, Hassabis, Lerchner, "dSprites:
Disentanglement testing Sprites dataset", 2017.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["BLUR", "HIGH", "LOW", "PERIODS", "SHAPES", "SIDE", "masks", "render"]

SIDE = 32
BLUR = 0.6  # px, of the optics
_INNER, _HALF_RING, _LONG, _ARM = 0.45, 0.2, 0.94, 0.34  # parts of the size


def _disc(p: Tensor) -> Tensor:
    return _length(p) - 1


def _ring(p: Tensor) -> Tensor:
    return (_length(p) - (1 - _HALF_RING)).abs() - _HALF_RING


def _cross(p: Tensor) -> Tensor:
    a = p.abs()
    along, across = _rectangle(a, _LONG, _ARM), _rectangle(a, _ARM, _LONG)
    return torch.minimum(along, across)


def _rectangle(a: Tensor, width: float, height: float) -> Tensor:
    q = a - a.new_tensor((width, height))
    return _length(q.clamp_min(0)) + q.amax(dim=-1).clamp_max(0)


def _pointed(p: Tensor, points: int, inner: float) -> Tensor:
    """Distance to the outline with corners on the unit circle and, between them, at ``inner``."""
    half = math.pi / points
    angle = torch.remainder(torch.atan2(p[..., 1], p[..., 0]) + half, 2 * half) - half
    folded = _length(p)[..., None] * torch.stack((angle.cos(), angle.sin().abs()), dim=-1)
    corner = p.new_tensor((1.0, 0.0))
    edge = p.new_tensor((inner * math.cos(half), inner * math.sin(half))) - corner
    away = folded - corner
    along = ((away * edge).sum(dim=-1) / edge.square().sum()).clamp(0, 1)
    beyond = edge[0] * away[..., 1] - edge[1] * away[..., 0]
    return _length(away - along[..., None] * edge) * -beyond.sign()


def _length(p: Tensor) -> Tensor:
    return (p.square().sum(dim=-1) + 1e-12).sqrt()  # its slope is finite at 0


_DISTANCES: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "disc": (_disc, math.inf),
    "square": (functools.partial(_pointed, points=4, inner=math.cos(math.pi / 4)), math.pi / 2),
    "triangle": (functools.partial(_pointed, points=3, inner=0.5), 2 * math.pi / 3),
    "star": (functools.partial(_pointed, points=5, inner=_INNER), 2 * math.pi / 5),
    "ring": (_ring, math.inf),
    "cross": (_cross, math.pi / 2),
}
SHAPES = tuple(_DISTANCES)
"""The kinds of shapes, in the order of the classes."""
PERIODS = tuple(period for _, period in _DISTANCES.values())
"""By which angle each looks the same again, in radians; infinite if by any."""

LOW, HIGH = (-6.0, -6.0, 5.0), (6.0, 6.0, 9.0)
"""Ranges of the factors that are bounded: centre right and down of the middle, and size, in px."""


def masks(kind: int, pose: Tensor, blur: float = BLUR) -> Tensor:
    """Return how much of each pixel a shape covers.

    Args:
        kind: a place in ``SHAPES``.
        pose: ``(n, 4)``: centre right of and below the middle of the image, size (the radius of the
            smallest circle around it), all in pixels; angle in radians.
        blur: of the optics, in pixels.

    Returns:
        ``(n, SIDE, SIDE)`` in (0, 1).

    Example:
        >>> inside = masks(SHAPES.index("disc"), torch.tensor([[0.0, 0.0, 8.0, 0.0]]))
        >>> round(float(inside.sum()), 1), round(math.pi * 8**2, 1)
        (202.2, 201.1)
    """
    ticks = torch.arange(SIDE, dtype=pose.dtype, device=pose.device) - (SIDE - 1) / 2
    down, right = torch.meshgrid(ticks, ticks, indexing="ij")
    x = right - pose[:, 0, None, None]
    y = down - pose[:, 1, None, None]
    size, angle = pose[:, 2, None, None], pose[:, 3, None, None]
    cos, sin = angle.cos(), angle.sin()
    own = torch.stack((cos * x + sin * y, cos * y - sin * x), dim=-1) / size[..., None]
    return torch.special.ndtr(-_DISTANCES[SHAPES[kind]][0](own) * size / blur)


def render(kinds: Tensor, pose: Tensor, colours: Tensor) -> Tensor:
    """Return images.

    Args:
        kinds: ``(n,)`` places in ``SHAPES``.
        pose: ``(n, 4)``, as ``masks`` takes it.
        colours: ``(n, 2, 3)`` in [0, 1], red, green and blue of foreground and background.

    Returns:
        ``(n, 3, SIDE, SIDE)`` in [0, 1].

    Raises:
        ValueError: a kind that is none.

    Example:
        >>> white_on_black = torch.tensor([[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]])
        >>> star = torch.tensor([SHAPES.index("star")])
        >>> render(star, torch.tensor([[0.0, 0.0, 9.0, 0.3]]), white_on_black).shape
        torch.Size([1, 3, 32, 32])
    """
    if len(kinds) and not 0 <= int(kinds.min()) <= int(kinds.max()) < len(SHAPES):
        raise ValueError(
            f"kinds are places among {', '.join(SHAPES)}, 0 to {len(SHAPES) - 1}, but go from "
            f"{int(kinds.min())} to {int(kinds.max())}."
        )
    mask = pose.new_zeros(len(pose), SIDE, SIDE)
    for kind in kinds.unique().tolist():
        mine = (kinds == kind).nonzero()[:, 0]
        mask = mask.index_copy(0, mine, masks(kind, pose[mine]))
    front, back = colours[:, 0, :, None, None], colours[:, 1, :, None, None]
    return back + mask[:, None] * (front - back)
