"""Coordinates in which the samples of a domain have a mean of 0 and a variance of 1.

Signals, fields and images are moved and scaled, and their edges repeated until every side is a
multiple of 4. The columns of a table have units and distributions of their own: each becomes
normal, by its quantiles.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_finite

__all__ = ["Coordinates", "Quantiles", "Standard", "coordinates_of"]

_KNOTS = 200
_LEAST = 8  # places along a side
_TAIL = 0.05  # in coordinates, how fast a column leaves what was seen; never flat


class Coordinates(nn.Module):
    """A map ``into`` coordinates, and ``out`` of them; differentiable both ways."""

    def into(self, x: Tensor) -> Tensor:
        """Return samples ``(n, *x_shape)`` in coordinates."""
        raise NotImplementedError

    def out(self, u: Tensor) -> Tensor:
        """Return samples that have these coordinates."""
        raise NotImplementedError


class Standard(Coordinates):
    """For signals, fields and images: all channels are moved and scaled as wholes.

    Args:
        shape: ``(channels, ...)`` of one sample.

    Example:
        >>> signals = 5 + 2 * torch.randn(100, 1, 10, generator=torch.Generator().manual_seed(0))
        >>> coordinates = Standard((1, 10)).fitted(signals)
        >>> u = coordinates.into(signals)
        >>> u.shape, bool(torch.allclose(coordinates.out(u), signals, atol=1e-5))
        (torch.Size([100, 1, 12]), True)
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        ones = torch.ones(shape[0], *(1,) * (len(shape) - 1))
        self.register_buffer("mean", torch.zeros_like(ones))
        self.register_buffer("spread", ones)

    def fitted(self, x: Tensor) -> "Standard":
        """Learn mean and spread from samples ``(m, *shape)``, and return itself."""
        rows = x.transpose(0, 1).flatten(1)
        self.mean.copy_(rows.mean(dim=1).reshape(self.mean.shape))
        self.spread.copy_(rows.std(dim=1).clamp_min(1e-12).reshape(self.mean.shape))
        return self

    def into(self, x: Tensor) -> Tensor:
        """Return samples in coordinates, their edges repeated."""
        return F.pad((x - self.mean) / self.spread, self._edges, mode="replicate")

    def out(self, u: Tensor) -> Tensor:
        """Return samples without the repeated edges."""
        for axis, side in enumerate(self.shape[1:], start=2):
            u = u.narrow(axis, (u.shape[axis] - side) // 2, side)
        return self.mean + self.spread * u

    @property
    def _edges(self) -> list[int]:
        more: list[int] = []
        for side in reversed(self.shape[1:]):
            wide = max(_LEAST, 4 * math.ceil(side / 4)) - side
            more += [wide // 2, wide - wide // 2]
        return more


class Quantiles(Coordinates):
    """For tables: each column becomes normal by its quantiles, which are joined by lines.

    Source: Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021,
    where this is how numbers are prepared.

    Args:
        columns: of the table.
        knots: quantiles that are kept of each.

    Example:
        >>> draws = torch.rand(500, 2, generator=torch.Generator().manual_seed(0)) ** 4
        >>> coordinates = Quantiles(2).fitted(draws)
        >>> u = coordinates.into(draws)
        >>> bool((u.std(dim=0) - 1).abs().max() < 0.05)
        True
        >>> bool(torch.allclose(coordinates.out(u), draws, atol=1e-4))
        True
    """

    values: Tensor
    places: Tensor

    def __init__(self, columns: int, knots: int = _KNOTS) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(columns, knots))
        self.register_buffer("places", torch.zeros(columns, knots))

    def fitted(self, x: Tensor) -> "Quantiles":
        """Learn the quantiles of rows ``(m, columns)``, and return itself."""
        check_finite("the rows", x)
        knots = self.values.shape[1]
        for column, value, place in zip(x.T.double(), self.values, self.places, strict=True):
            ordered = column.sort().values
            # equal values share the middle of their ranks
            first = torch.searchsorted(ordered, ordered)
            last = torch.searchsorted(ordered, ordered, right=True)
            share = ((first + last) / 2 / len(ordered)).clamp(0.5 / len(x), 1 - 0.5 / len(x))
            normal = math.sqrt(2) * torch.erfinv(2 * share - 1)
            kept = torch.linspace(0, len(x) - 1, knots).round().long()
            value.copy_(ordered[kept])
            place.copy_(normal[kept])
        return self

    def into(self, x: Tensor) -> Tensor:
        """Return rows in coordinates."""
        return _joined(x, self.values, self.places)

    def out(self, u: Tensor) -> Tensor:
        """Return rows of these coordinates."""
        return _joined(u, self.places, self.values)


def _joined(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Return, column by column, the lines that join ``values`` at ``at``, and go on beyond."""
    columns = x.T.contiguous()
    upper = torch.searchsorted(at, columns, right=True).clamp(1, at.shape[1] - 1)
    # equal knots: go out until there is a slope
    low, high = at.gather(1, upper - 1), at.gather(1, upper)
    first, last = values.gather(1, upper - 1), values.gather(1, upper)
    wide = (high - low).clamp_min(1e-12)
    share = (columns - low) / wide
    inside = first + (last - first) * share.clamp(0, 1)
    slope = _slopes(at, values)[:, None]
    beyond = (columns - at[:, -1:]).clamp_min(0) - (at[:, :1] - columns).clamp_min(0)
    return (inside + slope * beyond).T


def _slopes(at: Tensor, values: Tensor) -> Tensor:
    """Return how fast each column goes on beyond its ends: as it does on the whole."""
    wide = at[:, -1] - at[:, 0]
    high = values[:, -1] - values[:, 0]
    return torch.where((wide > 0) & (high > 0), high / wide.clamp_min(1e-12), torch.ones_like(wide))


def coordinates_of(x: Tensor) -> Coordinates:
    """Return coordinates for samples ``(m, *x_shape)``, learnt from them."""
    if x.ndim == 2:
        return Quantiles(x.shape[1], min(_KNOTS, len(x))).fitted(x)
    return Standard(tuple(x.shape[1:])).fitted(x)
