"""Warped exemplars: what real images become when they are bent smoothly."""

import functools
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.core import check_fraction, check_tensor
from xhat.spaces.base import Space

__all__ = ["Warped"]

_TRY = 0.01  # pixels, over which a change is measured
_FOLDS = 0.4887  # of the spacing; below it a cubic B-spline map cannot fold (Choi, Lee, 2000)


class Warped(Space):
    """A real image for each candidate, bent by a smooth map of the plane that never folds.

    Every pixel ``p`` of the result is read at ``φ1(φ2(... p))`` of the exemplar, coarse maps last.
    Each map moves the points of a square lattice, given by its level, and interpolates between
    them by cubic B-splines; ``z`` holds the moves in pixels, ``(n, sum 2 g^2)``. Strokes can move,
    turn, grow and shrink, but cannot tear, fork or vanish: what is bent little is still a real
    sample. ``z = 0`` is the exemplar itself. A search begins a first step from there towards the
    start; add ``Proximity`` to go on.

    Source: Rueckert et al., "Diffeomorphic Registration Using B-Splines", MICCAI 2006; the bound
    below which a map cannot fold: Choi, Lee, "Injectivity Conditions of 2D and 3D Uniform Cubic
    B-Spline Functions", Graphical Models 2000.

    Args:
        exemplars: ``(n, channels, h, w)``, one for each candidate, or ``(1, ...)`` for all.
        levels: how many lattice points along an axis, 4 or more, for each map; coarse to fine.
        limit: how far a lattice point may move along an axis, as a share of their spacing, below
            0.4887.

    Raises:
        ValueError: exemplars that are no images, a level below 4, or a limit out of its range.

    Example:
        >>> space = Warped(torch.rand(2, 1, 28, 28), levels=(7,))
        >>> z = space.begin(space.exemplars)
        >>> z.shape, torch.allclose(space.decode(z), space.exemplars, atol=1e-5)
        (torch.Size([2, 98]), True)
    """

    exact: ClassVar[bool] = False
    per_candidate: ClassVar[tuple[str, ...]] = ("exemplars",)

    def __init__(
        self, exemplars: Tensor, levels: tuple[int, ...] = (7, 16), limit: float = 0.48
    ) -> None:
        self.exemplars = exemplars = check_tensor("the exemplars", exemplars)
        if exemplars.ndim != 4:
            raise ValueError(
                f"the exemplars must be images (n, channels, h, w), but have shape "
                f"{tuple(exemplars.shape)}."
            )
        whole = isinstance(levels, tuple | list) and all(type(level) is int for level in levels)
        if not whole or not levels or min(levels) < 4:
            raise ValueError(
                f"levels must be numbers of lattice points, 4 or more, but are {levels}."
            )
        if check_fraction("limit", limit) >= _FOLDS:
            raise ValueError(
                f"limit must be below {_FOLDS}, where a map may begin to fold, but is {limit:g}."
            )
        self.levels, self.limit = levels, limit

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.exemplars.shape[1:])

    def encode(self, x: Tensor) -> Tensor:
        """Return displacements towards ``x``: the first step of a registration.

        One step along the gradient of the squared distance, of at most a pixel, to where its
        linearisation is least. An exemplar that cannot be bent into ``x`` stays far from it; add
        ``Proximity`` to come nearer.
        """
        with torch.inference_mode(False), torch.enable_grad():
            rest = x.new_zeros(len(x), sum(2 * points**2 for points in self.levels))
            z = rest.clone().requires_grad_(True)
            away = (x.detach() - self.decode(z)).flatten(1)
            (gradient,) = torch.autograd.grad(away.square().sum(), z)
        with torch.no_grad():
            size = gradient.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
            direction = -gradient / size
            change = (self.decode(_TRY * direction) - self.decode(rest)).flatten(1) / _TRY
            along = (away * change).sum(1) / change.square().sum(1).clamp(min=1e-12)
            return self.project(along.clamp(0, 1)[:, None] * direction)

    def decode(self, z: Tensor) -> Tensor:
        """Return the bent exemplars."""
        h, w = self.exemplars.shape[-2:]
        here = _identity(h, w, z.device, z.dtype)
        places = here
        for level, (points, moves) in enumerate(reversed(list(self._maps(z)))):
            down, across = _splines(h, points, z), _splines(w, points, z)
            field = torch.einsum("hi,ncij,wj->nchw", down, moves, across)
            if level:
                field = _read(field, places, "border")
            places = places + field.permute(0, 2, 3, 1) * z.new_tensor((2 / (w - 1), 2 / (h - 1)))
        return _read(self.exemplars.expand(len(z), -1, -1, -1), places, "zeros")

    def project(self, z: Tensor) -> Tensor:
        """Clip every move to the limit of its level."""
        h, w = self.exemplars.shape[-2:]
        parts = []
        for points, moves in self._maps(z):
            far = self.limit / (points - 3) * z.new_tensor((w - 1, h - 1)).reshape(1, 2, 1, 1)
            parts.append(torch.clamp(moves, -far, far).flatten(1))
        return torch.cat(parts, dim=1)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts have the shape of the exemplars."""
        if x.shape[1:] != self.exemplars.shape[1:]:
            raise ValueError(
                f"the exemplars have shape {tuple(self.exemplars.shape[1:])}, but the starts "
                f"{tuple(x.shape[1:])}."
            )

    def bending(self, z: Tensor) -> Tensor:
        """Return the bending energy, ``(n,)``, in square pixels.

        The sum over all levels of squared differences between the displacements of neighbouring
        lattice points (a membrane energy); 0 if the whole image moves as one. Use it with
        ``InLatent``.

        Example:
            >>> space = Warped(torch.zeros(1, 1, 28, 28), levels=(7,))
            >>> float(space.bending(torch.full((1, 98), 0.5)))
            0.0
        """
        energy = z.new_zeros(len(z))
        for _, moves in self._maps(z):
            for axis in (2, 3):
                energy = energy + moves.diff(dim=axis).square().sum((1, 2, 3))
        return energy

    def _maps(self, z: Tensor) -> list[tuple[int, Tensor]]:
        parts = z.split([2 * points**2 for points in self.levels], dim=1)
        shaped = (
            part.reshape(len(z), 2, points, points)
            for part, points in zip(parts, self.levels, strict=True)
        )
        return list(zip(self.levels, shaped, strict=True))


def _read(x: Tensor, places: Tensor, outside: str) -> Tensor:
    places = places.expand(len(x), -1, -1, -1)
    return F.grid_sample(x, places, mode="bilinear", padding_mode=outside, align_corners=True)


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept for searches, whatever the mode in which it is first wanted
def _identity(h: int, w: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    down = torch.linspace(-1, 1, h, device=device, dtype=dtype)
    across = torch.linspace(-1, 1, w, device=device, dtype=dtype)
    return torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)[None]


def _splines(side: int, points: int, like: Tensor) -> Tensor:
    return _basis(side, points, like.device, like.dtype)


@functools.lru_cache(maxsize=32)
@torch.inference_mode(False)
def _basis(side: int, points: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the weights of lattice points at every pixel, ``(side, points)``; rows sum to 1."""
    at = torch.arange(side, device=device, dtype=torch.float64) * ((points - 3) / (side - 1))
    first = at.floor().clamp(max=points - 4).long()
    u = at - first
    weights = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, 1 + 3 * (u + u**2 - u**3), u**3)
    basis = torch.zeros(side, points, dtype=torch.float64, device=device)
    for offset, weight in enumerate(weights):
        basis[torch.arange(side, device=device), first + offset] = weight / 6
    return basis.to(dtype)
