"""Paths from one sample to another: how they are laid, how long they are, and how evenly they go.

A path is a list of *frames*, ``(n, frames, *shape)`` for ``n`` paths: pixels, latents, or what a
network makes of either. Between its ends a path may be laid ``straight``, or along an arc
(``spherical``); any path is laid anew in steps of one length by ``resample_path``. ``path_shape``
says how long it is and how much it wanders.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_count, check_tensor

__all__ = ["PathShape", "path_shape", "resample_path", "spherical", "straight"]

_ALIGNED = 1e-4  # radians; below it an arc is a straight line to float32


@dataclass(frozen=True)
class PathShape:
    """How long ``n`` paths are, and how much they wander.

    Attributes:
        length: ``(n,)``, the sum of the steps between frames.
        distance: ``(n,)``, the straight distance between the ends.
        detour: ``(n,)``, ``length / distance``, 1 or more; infinite for a path that comes back to
            where it began, 1 for one that never left.
        unevenness: ``(n,)``, the largest step over the mean one, from 1 for even steps to the
            number of steps for a single jump.
    """

    length: Tensor
    distance: Tensor
    detour: Tensor
    unevenness: Tensor


def straight(first: Tensor, last: Tensor, frames: int) -> Tensor:
    """Return ``frames`` points in even steps on the lines between two sets of points.

    Args:
        first: ``(n, *shape)``.
        last: likewise.
        frames: how many, the ends included; 2 or more.

    Returns:
        ``(n, frames, *shape)``; the ends are exactly ``first`` and ``last``.

    Raises:
        TypeError: not floating point.
        ValueError: shapes that differ, values not finite, or fewer than two frames.

    Example:
        >>> straight(torch.tensor([[0.0]]), torch.tensor([[4.0]]), 3)
        tensor([[[0.],
                 [2.],
                 [4.]]])
    """
    first, last, share = _ends(first, last, frames)
    return torch.lerp(first[:, None], last[:, None], share)


def spherical(first: Tensor, last: Tensor, frames: int) -> Tensor:
    """Return ``frames`` points on arcs around the origin, whose radius changes evenly.

    In many dimensions nearly all of a standard normal distribution lies in a thin shell; a straight
    line between two of its points leaves it, an arc does not. Where the points lie in opposite
    directions there is no one arc, and the line is taken.

    Source: Shoemake, "Animating Rotation with Quaternion Curves", SIGGRAPH 1985; in latent spaces:
    White, "Sampling Generative Networks", 2016.

    Args:
        first: ``(n, *shape)``.
        last: likewise.
        frames: how many, the ends included; 2 or more.

    Returns:
        ``(n, frames, *shape)``.

    Raises:
        TypeError: not floating point.
        ValueError: shapes that differ, values not finite, or fewer than two frames.

    Example:
        >>> arc = spherical(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), 3)
        >>> arc[0, 1]
        tensor([1.4142, 1.4142])
    """
    first, last, share = _ends(first, last, frames)
    a, b = first.flatten(1), last.flatten(1)
    radii = a.norm(dim=1), b.norm(dim=1)
    cosine = (a * b).sum(1) / (radii[0] * radii[1]).clamp(min=1e-12)
    angle = cosine.clamp(-1, 1).acos()
    bends = (angle > _ALIGNED) & (angle < torch.pi - _ALIGNED)

    def shaped(rows: Tensor) -> Tensor:
        return rows.reshape(-1, *(1 for _ in range(first.ndim)))

    turn = shaped(torch.where(bends, angle, 1.0))
    size = torch.lerp(shaped(radii[0]), shaped(radii[1]), share)
    unit = [
        v[:, None] / shaped(r.clamp(min=1e-12)) for v, r in ((first, radii[0]), (last, radii[1]))
    ]
    arc = (((1 - share) * turn).sin() * unit[0] + (share * turn).sin() * unit[1]) / turn.sin()
    line = torch.lerp(first[:, None], last[:, None], share)
    return torch.where(shaped(bends), size * arc, line)


def resample_path(path: Tensor, frames: int) -> Tensor:
    """Resample every path at ``frames`` points, evenly spaced along its length.

    The points lie on the line segments between the path's own frames, so a path never becomes
    longer. Frames in which it stands still are skipped.

    Args:
        path: ``(n, m, *shape)``, two frames or more.
        frames: how many, the ends included; 2 or more.

    Returns:
        ``(n, frames, *shape)``.

    Raises:
        TypeError: not floating point.
        ValueError: fewer than two frames, or values not finite.

    Example:
        >>> wait_and_run = torch.tensor([[[0.0], [0.0], [1.0], [4.0]]])
        >>> resample_path(wait_and_run, 5)[0, :, 0]
        tensor([0., 1., 2., 3., 4.])
    """
    path, frames = _path(path), _count(frames)
    done = torch.cat((path.new_zeros(len(path), 1), _steps(path).cumsum(dim=1)), dim=1)
    share = torch.linspace(0, 1, frames, dtype=path.dtype, device=path.device)
    wanted = (done[:, -1:] * share).contiguous()
    after = torch.searchsorted(done.contiguous(), wanted).clamp(1, path.shape[1] - 1)
    low, high = done.gather(1, after - 1), done.gather(1, after)
    part = ((wanted - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    row = torch.arange(len(path), device=path.device)[:, None]
    between = part.reshape(*part.shape, *(1 for _ in range(path.ndim - 2)))
    found = torch.lerp(path[row, after - 1], path[row, after], between)
    found[:, -1] = path[:, -1]  # which rounding may miss
    return found


def path_shape(path: Tensor) -> PathShape:
    """Return how long paths are and how much they wander, in the unit of what they are made of.

    Args:
        path: ``(n, frames, *shape)``, two frames or more.

    Raises:
        TypeError: not floating point.
        ValueError: fewer than two frames, or values not finite.

    Example:
        >>> found = path_shape(torch.tensor([[[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]]]))
        >>> found.length.item(), round(found.detour.item(), 3), found.unevenness.item()
        (4.0, 1.265, 1.5)
    """
    path = _path(path)
    steps = _steps(path)
    length = steps.sum(dim=1)
    distance = (path[:, -1] - path[:, 0]).flatten(1).norm(dim=1)
    still = length == 0
    detour = torch.where(still, 1.0, length / distance).clamp(min=1)
    unevenness = torch.where(still, 1.0, steps.amax(dim=1) / steps.mean(dim=1))
    return PathShape(length, distance, detour, unevenness)


def _steps(path: Tensor) -> Tensor:
    return torch.linalg.vector_norm(path.diff(dim=1).flatten(2), dim=2)


def _path(path: Tensor) -> Tensor:
    path = check_tensor("the path", path)
    if path.ndim < 3 or path.shape[1] < 2:
        raise ValueError(
            f"the path must have two frames or more, (n, frames, *shape), but has shape "
            f"{tuple(path.shape)}."
        )
    return path


def _count(frames: int) -> int:
    if check_count("frames", frames) < 2:
        raise ValueError(f"frames must be 2 or more, the two ends, but is {frames}.")
    return frames


def _ends(first: Tensor, last: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return both ends, checked, and the share of the way at every frame."""
    first, last = check_tensor("the first frame", first), check_tensor("the last frame", last)
    if first.shape != last.shape or first.ndim < 2:
        raise ValueError(
            f"both ends must have one shape, (n, *shape), but have {tuple(first.shape)} and "
            f"{tuple(last.shape)}."
        )
    share = torch.linspace(0, 1, _count(frames), dtype=first.dtype, device=first.device)
    return first, last, share.reshape(1, -1, *(1 for _ in range(first.ndim - 1)))
