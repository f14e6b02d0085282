"""Points around a shape, with what the truth says of them: to train on, and to measure on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_count, check_fraction, generator
from xhat_zoo.shapes.base import Shape

__all__ = ["Samples", "region_of", "samples_around", "surface_points"]

_SHELL = 0.01  # of the region's diagonal: half the thickness in which surface points are drawn
_TRIES = 1000  # draws of a surface, until it is too thin to be found
_AT_ONCE = 20_000
_DRAWS = 50  # of as many points as are wanted inside, for solids that fill 2 % of their region


@dataclass(frozen=True)
class Samples:
    """Points and what the truth says of them.

    Attributes:
        points: ``(n, 3)`` float64.
        distances: ``(n,)``, signed.
        normals: ``(n, 3)``, the distance's gradient.
    """

    points: Tensor
    distances: Tensor
    normals: Tensor

    def __len__(self) -> int:
        return len(self.points)


def region_of(shape: Shape, margin: float = 0.25) -> tuple[Tensor, Tensor]:
    """Return the corners, ``(3,)`` each, of the box around a shape that a surrogate learns.

    Args:
        shape: whose surface lies inside.
        margin: what is added on every side, as a share of the longest one, in (0, 1).

    Example:
        >>> from xhat_zoo.shapes import Sphere
        >>> region_of(Sphere(1.0))[1]
        tensor([1.5000, 1.5000, 1.5000], dtype=torch.float64)
    """
    low, high = shape.bounds()
    more = check_fraction("margin", margin) * (high - low).max()
    return low - more, high + more


def samples_around(
    shape: Shape,
    n: int,
    *,
    seed: int,
    region: tuple[Tensor, Tensor] | None = None,
    near: float = 2 / 3,
    deep: float = 0.0,
    spread: float = 0.02,
) -> Samples:
    """Return points of a region, most of them near the surface.

    Args:
        shape: the truth.
        n: how many.
        seed: of the draws; a training and its measurement take different ones.
        region: two corners; by default that of ``region_of``.
        near: the share that is drawn near the surface.
        deep: the share that is drawn evenly inside; the rest fills the region evenly.
        spread: how far from the surface those lie: the standard deviation of three shifts, as a
            share of the region's diagonal.

    Example:
        >>> from xhat_zoo.shapes import Sphere
        >>> found = samples_around(Sphere(1.0), 1000, seed=0)
        >>> len(found), bool(found.distances.abs().median() < 0.2)
        (1000, True)
    """
    check_count("n", n)
    low, high = region_of(shape) if region is None else region
    draws = generator(seed, "around")
    x = low + (high - low) * torch.rand(n, 3, generator=draws, dtype=torch.float64)
    count = round(near * n)
    moved = x[:count] - shape(x[:count])[:, None] * shape.normal(x[:count])
    shift = torch.randn(count, 3, generator=draws, dtype=torch.float64)
    moved = moved + spread * float(torch.linalg.vector_norm(high - low)) * shift
    rest = x[count:]
    if more := round(deep * n):
        rest[:more] = _inside(shape, more, low, high, draws, rest[:more])
    points = torch.cat([moved.clamp(low, high), rest])
    return Samples(points, shape(points), shape.normal(points))


def _inside(
    shape: Shape, n: int, low: Tensor, high: Tensor, draws: torch.Generator, instead: Tensor
) -> Tensor:
    """Return points inside, ``(n, 3)``; those that were not found are others."""
    parts: list[Tensor] = []
    for _ in range(_DRAWS):
        x = low + (high - low) * torch.rand(n, 3, generator=draws, dtype=torch.float64)
        parts.append(x[shape(x) < 0])
        if sum(map(len, parts)) >= n:
            break
    return torch.cat([*parts, instead])[:n]


def surface_points(shape: Shape, n: int, *, seed: int) -> Samples:
    """Return points on the surface, spread evenly by area.

    Points of a thin shell around the surface are moved onto it; where the surface is curved, the
    two sides of the shell balance.

    Raises:
        ValueError: the surface could not be found.

    Example:
        >>> from xhat_zoo.shapes import Sphere
        >>> found = surface_points(Sphere(1.0), 100, seed=0)
        >>> bool(found.distances.abs().max() < 1e-9)
        True
    """
    check_count("n", n)
    low, high = region_of(shape)
    thin = _SHELL * float(torch.linalg.vector_norm(high - low))
    draws, found = generator(seed, "surface"), 0
    parts: list[Tensor] = []
    for _ in range(_TRIES):
        x = low + (high - low) * torch.rand(_AT_ONCE, 3, generator=draws, dtype=torch.float64)
        d = shape(x)
        close = (d.abs() < thin).nonzero()[:, 0]
        x, d = x[close], d[close]
        for _ in range(3):  # one step where the distance is exact, more where it is a bound
            x = x - d[:, None] * shape.normal(x)
            d = shape(x)
        parts.append(x[d.abs() < 1e-9])
        found += len(parts[-1])
        if found >= n:
            points = torch.cat(parts)[:n]
            return Samples(points, shape(points), shape.normal(points))
    raise ValueError(
        f"only {found} of {n} surface points were found; the shape is too thin, or its distance "
        f"is not one."
    )
