"""The nearest of many points, exactly, without computing every distance.

Seen in its main directions, and in how far it lies beside them, a point ``r`` has a short sketch
``s(r) = (B r, |r - B'B r|)``, with orthonormal rows of ``B``. Sketches never lie farther apart than
the points: ``|s(q) - s(r)| <= |q - r|``. So what the shortlist of nearest sketches leaves out is
farther than its last sketch. Where the ``k`` nearest of the shortlist are nearer than that, they
are the nearest of all; for the other queries every distance is computed.

Source: Fukunaga, Narendra, "A Branch and Bound Algorithm for Computing k-Nearest Neighbors", IEEE
Transactions on Computers 1975 (bounds); Halko, Martinsson, Tropp, "Finding Structure with
Randomness", SIAM Review 2011 (main directions).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import generator

__all__ = ["Points"]

_QUERIES = 256  # 256 x 25,000 distances are 26 MB
_SKETCH = 128  # directions
_SHORT = 3  # times k points are on the shortlist
_MANY = 4_000  # points from which a sketch pays
_SOME = 5_000  # points whose main directions are taken
_GROUP = 10  # distances of which the least is looked at first
_AT_ONCE = 1_000_000  # numbers of points that are compared together: they stay in the cache
_ROUNDING = 1e-5  # of the squares that are subtracted


@dataclass(frozen=True)
class Points:
    """Points among which the nearest are looked for; build it by ``of``.

    Attributes:
        places: ``(m, d)``.
        norms: ``(m,)``, their squared norms.
        basis: ``(d, 128)``, orthonormal directions; None where there is nothing to be saved.
        sketches: ``(m, 129)``; None likewise.
    """

    places: Tensor
    norms: Tensor
    basis: Tensor | None = None
    sketches: Tensor | None = None

    @classmethod
    def of(cls, places: Tensor) -> "Points":
        """Prepare points ``(m, d)`` to be searched; best centred, or float32 loses digits.

        Example:
            >>> distance, index = Points.of(torch.arange(9.0)[:, None]).nearest(torch.ones(1, 1), 2)
            >>> distance.tolist(), index[:, 0].tolist()
            ([[0.0, 1.0]], [1])
        """
        norms = places.square().sum(dim=1)
        if places.shape[1] < 2 * _SKETCH or len(places) < _MANY:
            return cls(places, norms)
        some = places[:: max(1, len(places) // _SOME)]
        draws = generator(0, "judge", "main directions")
        basis = torch.randn(places.shape[1], _SKETCH, generator=draws).to(places)
        for _ in range(2):
            basis = torch.linalg.qr(some.T @ (some @ basis)).Q
        return cls(places, norms, basis, _sketched(places, norms, basis))

    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return distances ``(n, k)`` of queries ``(n, d)``, nearest first, and which they are.

        Of fewer points than ``k``, all.
        """
        k = min(k, len(self.places))
        found = [self._nearest(part, k) for part in queries.split(_QUERIES)]
        squared, index = (torch.cat(parts) for parts in zip(*found, strict=True))
        return squared.sqrt(), index

    def _nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        if self.basis is None or self.sketches is None:
            return self._among(queries, _least(self._apart(queries), k)[1], k)
        norms = queries.square().sum(dim=1)
        sketches = _sketched(queries, norms, self.basis)
        apart = torch.addmm(self.norms, sketches, self.sketches.T, alpha=-2)
        bound, short = _least(apart, min(_SHORT * k, len(self.places)))
        squared, index = self._among(queries, short, k)
        left_out = bound[:, -1] + norms - _ROUNDING * (norms + self.norms.max())
        unsure = ~(squared[:, -1] <= left_out)
        if bool(unsure.any()):
            rest = queries[unsure]
            squared[unsure], index[unsure] = self._among(rest, _least(self._apart(rest), k)[1], k)
        return squared, index

    def _apart(self, queries: Tensor) -> Tensor:
        """Return squared distances, ``(n, m)``, up to a constant for each query."""
        return torch.addmm(self.norms, queries, self.places.T, alpha=-2)

    def _among(self, queries: Tensor, short: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return the ``k`` least squared distances to points on a shortlist, and which they are.

        From differences: differences of squares lose the digits of what is near.
        """
        together = max(1, _AT_ONCE // (short.shape[1] * queries.shape[1]))
        squared = torch.cat(
            [
                (self.places[rows] - part[:, None]).square_().sum(dim=2)
                for part, rows in zip(queries.split(together), short.split(together), strict=True)
            ]
        )
        near = squared.topk(k, dim=1, largest=False)
        return near.values, short.gather(1, near.indices)


def _sketched(points: Tensor, norms: Tensor, basis: Tensor) -> Tensor:
    """Return sketches, ``(n, directions + 1)``, of the same norms as the points."""
    along = points @ basis
    beside = (norms - along.square().sum(dim=1)).clamp_min(0).sqrt()
    return torch.cat((along, beside[:, None]), dim=1)


def _least(table: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the ``k`` least numbers of each row, ascending, and their columns.

    They lie in the ``k`` groups of columns with the least minima, which are found sooner.
    """
    width = table.shape[1] // _GROUP
    if width < 2 * _GROUP * k:
        near = table.topk(k, dim=1, largest=False)
        return near.values, near.indices
    least = table[:, : width * _GROUP].unflatten(1, (_GROUP, width)).amin(dim=1)
    groups = least.topk(k, dim=1, largest=False, sorted=False).indices
    inside = (groups[:, None] + width * torch.arange(_GROUP)[:, None]).flatten(1)
    rest = torch.arange(width * _GROUP, table.shape[1]).expand(len(table), -1)
    columns = torch.cat((inside, rest), dim=1)
    near = table.gather(1, columns).topk(k, dim=1, largest=False)
    return near.values, columns.gather(1, near.indices)
