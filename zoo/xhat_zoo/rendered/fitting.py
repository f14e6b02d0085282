"""The nearest rendered image of every kind: how far an image is from the manifold, and as what.

Factors go beyond those of the data, so that a shape which is too large is still seen to be that
shape; whether they are in the range of the data is asked afterwards. The colours of the nearest
image follow from its pose by least squares, so that only four factors are searched for. Templates
on a coarse grid of poses, blurred so that their basins are wide, give the starts; Levenberg and
Marquardt's method takes them to the nearest image.

Source: colours that are solved for: Golub, Pereyra, "The Differentiation of Pseudo-Inverses and
Nonlinear Least Squares Problems Whose Variables Separate", SIAM J. Numer. Anal. 1973.
"""

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import check_tensor
from xhat_zoo.rendered.renderer import PERIODS, SHAPES, SIDE, masks, render

__all__ = ["Fits", "check_images", "fit"]

_PLACES = torch.linspace(-8, 8, 9)  # of the grid: px
_SIZES = torch.tensor((4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.5, 12.0))
_LOW, _HIGH = (-10.0, -10.0, 3.5), (10.0, 10.0, 13.0)  # px, of all that is searched
_TURNS, _SOFT = 6, 1.2  # angles in a period, px of blur
_STARTS, _FIRST, _LAST = 3, 4, 8  # for each kind; steps of both, further steps of the better
_STEPS = (0.01, 0.01, 0.01, 0.002)  # px and radians, of the differences that give derivatives
_ROWS = 128  # images together


@dataclass(frozen=True, eq=False)
class Fits:
    """The nearest rendered image of every kind, for ``n`` images.

    Attributes:
        power: ``(n, kinds)``, the squared L2 distance to it.
        pose: ``(n, kinds, 4)``, its pose, as ``masks`` takes it.
        colours: ``(n, kinds, 2, 3)``, foreground and background.
    """

    power: Tensor
    pose: Tensor
    colours: Tensor

    @property
    def kind(self) -> Tensor:
        """The kind of the nearest of all, ``(n,)`` places in ``SHAPES``."""
        return self.power.argmin(dim=1)

    def at(self, which: Tensor) -> "Fits":
        """Return those of the images at ``which``."""
        return Fits(self.power[which], self.pose[which], self.colours[which])

    def nearest(self, kind: Tensor | None = None) -> Tensor:
        """Return the nearest image ``(n, 3, SIDE, SIDE)`` of all, or of the kinds ``(n,)``."""
        kind = self.kind if kind is None else kind
        rows = torch.arange(len(kind))
        return render(kind, self.pose[rows, kind], self.colours[rows, kind])


def fit(images: Tensor) -> Fits:
    """Return the nearest rendered images.

    Args:
        images: ``(n, 3, SIDE, SIDE)``; of any origin.

    Raises:
        TypeError, ValueError: no such images, or not finite.

    Example:
        >>> from xhat_zoo.rendered.samples import NOISE, draw
        >>> some = draw(8, seed=3)
        >>> found = fit(some.images)
        >>> bool((found.kind == some.labels).all())
        True
        >>> left = found.power.amin(dim=1).div(3 * 32**2).sqrt()  # the noise, and nothing else
        >>> bool(((left - NOISE).abs() < 0.001).all())
        True
    """
    images = check_images(images)
    parts = [_fit(part) for part in images.flatten(2).split(_ROWS)]
    power, pose, colours = (torch.cat(each) for each in zip(*parts, strict=True))
    return Fits(power, pose, colours)


def check_images(images: Tensor) -> Tensor:
    """Return images ``(n, 3, SIDE, SIDE)`` in float32, without a gradient.

    Raises:
        TypeError, ValueError: they are no such images; the message says what came.
    """
    images = check_tensor("the images", images).detach().float()
    if images.ndim != 4 or images.shape[1:] != (3, SIDE, SIDE):
        raise ValueError(
            f"the images must be (n, 3, {SIDE}, {SIDE}), but have shape {tuple(images.shape)}."
        )
    return images


def _fit(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return power, pose and colours of images ``(n, 3, pixels)``, by kind."""
    found = []
    for kind in range(len(SHAPES)):
        start = _starts(kind, y)
        many = y.repeat_interleave(_STARTS, dim=0)
        pose, power = _descend(kind, start.flatten(0, 1), many, _FIRST)
        best = power.reshape(-1, _STARTS).argmin(dim=1)
        pose = pose.reshape(-1, _STARTS, 4)[torch.arange(len(y)), best]
        pose, power = _descend(kind, pose, y, _LAST)
        _, colours, _, _ = _explain(kind, pose, y)
        found.append((power, pose, colours))
    power, pose, colours = (torch.stack(each, dim=1) for each in zip(*found, strict=True))
    return power, pose, colours


@functools.cache
def _grid(kind: int) -> tuple[Tensor, Tensor]:
    """Return poses on a grid, and their masks with mean 0 and length 1."""
    period = PERIODS[kind]
    turns = torch.zeros(1) if math.isinf(period) else torch.arange(_TURNS) * (period / _TURNS)
    poses = torch.cartesian_prod(_PLACES, _PLACES, _SIZES, turns)
    seen = torch.cat([_halved(masks(kind, part, _SOFT).flatten(1)) for part in poses.split(512)])
    seen = seen - seen.mean(dim=1, keepdim=True)
    return poses, seen / seen.norm(dim=1, keepdim=True)


def _starts(kind: int, y: Tensor) -> Tensor:
    """Return the poses on the grid that explain most, ``(n, starts, 4)``, of different angles."""
    poses, templates = _grid(kind)
    explained = (templates @ _halved(y.flatten(0, 1)).T).square()
    explained = explained.reshape(len(poses), len(y), 3).sum(dim=2).T
    size = 1 if math.isinf(PERIODS[kind]) else _TURNS
    by_turn = explained.reshape(len(y), -1, size)  # the last axis of the grid
    best = by_turn.max(dim=1)
    if size == 1:
        chosen = explained.topk(_STARTS, dim=1).indices
    else:
        turn = best.values.topk(_STARTS, dim=1).indices
        chosen = best.indices.gather(1, turn) * size + turn
    return poses[chosen]


def _halved(y: Tensor) -> Tensor:
    """Return pictures ``(m, pixels)`` at half the resolution, which is enough to begin with."""
    return F.avg_pool2d(y.reshape(-1, 1, SIDE, SIDE), 2).flatten(1)


def _explain(kind: int, pose: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return power ``(m,)``, colours, what is left ``(m, 3, pixels)`` and masks of poses."""
    mask = masks(kind, pose).flatten(1)
    middle = mask.mean(dim=1, keepdim=True)
    varied = mask - middle
    slope = (y * varied[:, None]).sum(dim=2) / varied.square().sum(dim=1, keepdim=True)
    back = y.mean(dim=2) - middle * slope
    colours = torch.stack((back + slope, back), dim=1).clamp(0, 1)
    front, back = colours[:, 0, :, None], colours[:, 1, :, None]
    left = y - back - mask[:, None] * (front - back)
    return left.square().sum(dim=(1, 2)), colours, left, varied


def _descend(kind: int, pose: Tensor, y: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return poses ``(m, 4)`` nearer to images ``(m, 3, pixels)``, and their power ``(m,)``."""
    low, high = (torch.tensor((*ends, end)) for ends, end in ((_LOW, -math.inf), (_HIGH, math.inf)))
    damping = torch.full((len(pose), 1), 1e-2)
    power, colours, left, varied = _explain(kind, pose, y)
    for _ in range(steps):
        slopes = _slopes(kind, pose, varied)
        contrast = colours[:, 0] - colours[:, 1]
        across = varied / varied.norm(dim=1, keepdim=True)
        slopes = slopes - slopes.mean(dim=2, keepdim=True)  # what no colour explains
        slopes = slopes - (slopes @ across[:, :, None]) * across[:, None]
        pull = slopes @ (left * contrast[:, :, None]).sum(dim=1)[:, :, None]
        bend = slopes @ slopes.mT * contrast.square().sum(dim=1)[:, None, None]
        steep = bend.diagonal(dim1=1, dim2=2)
        bend = bend + torch.diag_embed(damping * steep + 1e-6)
        tried = (pose + torch.linalg.solve(bend, pull)[:, :, 0]).clamp(low, high)
        new = _explain(kind, tried, y)
        better = new[0] < power
        pose = torch.where(better[:, None], tried, pose)
        power, colours, left, varied = (
            torch.where(better.reshape(-1, *[1] * (old.ndim - 1)), one, old)
            for one, old in zip(new, (power, colours, left, varied), strict=True)
        )
        damping = torch.where(better[:, None], damping / 4, damping * 8).clamp(1e-6, 1e4)
    return pose, power


def _slopes(kind: int, pose: Tensor, mask: Tensor) -> Tensor:
    """Return the derivatives of the masks by the four factors, ``(m, 4, pixels)``."""
    steps = torch.tensor(_STEPS)
    moved = masks(kind, (pose[:, None] + torch.diag(steps)).flatten(0, 1))
    return (moved.reshape(len(pose), 4, -1) - mask[:, None]) / steps[:, None]
