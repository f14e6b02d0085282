"""A prior in closed form: each real sample is the middle of a hill.

The density of a class is a mean of normal distributions, one at each of its samples, as wide as
neighbours lie apart, in the directions in which they lie apart::

    p(u | class) = 1/m Σ_i N(u; u_i, h² S)        S = how neighbours of one class differ

For it, what a sample was before noise is known exactly, and nothing has to be trained. A start
makes the hills near it count more. It is the better prior where samples are few, or rows of a
table; networks generalise further where samples are many.

Source: Parzen, "On Estimation of a Probability Density Function and Mode", 1962; widths along the
data: Vincent, Bengio, "Manifold Parzen Windows", NeurIPS 2002.
"""

import torch
from torch import Tensor

from xhat.core import generator
from xhat.priors.base import Prior, Wanted
from xhat.priors.coordinates import Coordinates
from xhat.priors.pairs import apart, groups_of, squared_distances, typical

__all__ = ["KernelPrior"]

_NEIGHBOURS = 3
_WIDTHS = (0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3)  # of hills, over the distance of neighbours
_ROUND = (0.02, 0.1, 0.3)  # share of S that is the same in every direction
_MOST = 400  # directions
_LEARNT_FROM = 2_000  # samples from which the widths are learnt
_NEAR = 0.5  # of the distance to the nearest target, over which farther ones count less
_ALIKE = 0.1  # of the deviation of values, over which other values count less


class KernelPrior(Prior):
    """Hills at typical real samples, as wide as makes each most likely given the others.

    Args:
        coordinates: in which it computes.
        u: ``(m, *u_shape)`` real samples in coordinates, at least two.
        labels: ``(m,)``; None for none.
        values: ``(m, quantities)``; None for none.
        doubt: ``(m,)``, how unsure a classifier is of each; None for none.

    Example:
        >>> from xhat.priors.coordinates import coordinates_of
        >>> x = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
        >>> prior = KernelPrior(coordinates_of(x), coordinates_of(x).into(x))
        >>> far = prior.coordinates.into(x) + 5
        >>> back = prior.denoised(far, 0.1, None, None)
        >>> bool((back.norm(dim=1) < far.norm(dim=1)).all())
        True
    """

    name = "kernel"
    u: Tensor
    labels: Tensor | None
    values: Tensor | None
    placed: Tensor
    directions: Tensor
    variances: Tensor

    def __init__(
        self,
        coordinates: Coordinates,
        u: Tensor,
        labels: Tensor | None = None,
        values: Tensor | None = None,
        doubt: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        self.classes = 0 if labels is None else int(labels.max()) + 1
        self.quantities = 0 if values is None or labels is not None else values.shape[1]
        flat = u.flatten(1)
        directions, variances = _hills(flat, labels)
        group = groups_of(labels, values, len(u))
        kept = typical(flat, group, doubt)
        far = apart(flat, group, ordered=bool(self.quantities))
        self.register_buffer("apart", torch.tensor(far))
        self.register_buffer("u", flat[kept])
        self.register_buffer("labels", None if labels is None else labels[kept])
        self.register_buffer("values", None if values is None else values[kept])
        self.register_buffer("directions", directions)
        self.register_buffer("variances", variances)
        self.register_buffer("placed", self.u @ directions)

    def denoised(self, u: Tensor, sigma: float, wanted: Wanted, start: Tensor | None) -> Tensor:
        """Return what samples were without noise, exactly; see ``Prior``."""
        flat = u.flatten(1)
        whole = self.variances + sigma**2
        root, inside = whole.sqrt(), flat @ self.directions
        logs = squared_distances(inside / root, self.placed / root) / -2
        allowed = self._allowed(wanted, len(u))
        if start is not None:
            logs = logs - self._far(start.flatten(1), allowed)
        weight = (logs + allowed).softmax(dim=1)
        centre = weight @ self.placed
        # along each direction, back to the hill by the share of the noise
        found = centre + self.variances / whole * (inside - centre)
        rest = weight @ self.u - centre @ self.directions.T
        return (found @ self.directions.T + rest).reshape(u.shape)

    def _allowed(self, wanted: Wanted, n: int) -> Tensor:
        """Return 0 for hills that are wanted, and less for others, ``(n, m)``."""
        none = self.u.new_zeros(n, len(self.u))
        if wanted is None:
            return none
        if self.labels is not None:
            return none.masked_fill(wanted[:, None] != self.labels[None], -torch.inf)
        known = none if self.values is None else self.values
        spread = known.std(dim=0).clamp_min(1e-12)
        apart = (wanted.reshape(n, 1, -1) - known[None]) / (_ALIKE * spread)
        far = apart.square().sum(dim=2) / 2
        return far.amin(dim=1, keepdim=True) - far  # the most alike count whole

    def _far(self, start: Tensor, allowed: Tensor) -> Tensor:
        """Return how much less hills count that are farther from the start than the nearest."""
        apart = squared_distances(start, self.u)
        nearest = apart.masked_fill(allowed < -20, torch.inf).amin(dim=1, keepdim=True)
        width = (_NEAR**2 * nearest).clamp_min(1e-9)
        return (apart - nearest).clamp_min(0) / (2 * width)


def _hills(u: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the directions of the hills, ``(d, r)``, and their variances, ``(r,)``."""
    if len(u) > _LEARNT_FROM:
        some = torch.randperm(len(u), generator=generator(0, "hills"))[:_LEARNT_FROM]
        u, labels = u[some], None if labels is None else labels[some]
    away = u - u.mean(dim=0)
    _, _, directions = torch.linalg.svd(away, full_matrices=False)
    basis = directions[: min(_MOST, len(u) - 1)].T
    apart = squared_distances(u, u).fill_diagonal_(torch.inf)
    if labels is not None:
        apart[labels[:, None] != labels[None]] = torch.inf
    nearest = apart.topk(min(_NEIGHBOURS, len(u) - 1), largest=False)
    ways = (u[nearest.indices] - u[:, None])[nearest.values.isfinite()]
    own = ((ways if len(ways) else away) @ basis).square().mean(dim=0)
    tried = [
        width**2 * ((1 - share) * own + share * own.mean()) for share in _ROUND for width in _WIDTHS
    ]
    likely = [_likelihood(u @ basis, labels, each) for each in tried]
    return basis, tried[max(range(len(tried)), key=likely.__getitem__)].clamp_min(1e-12)


def _likelihood(placed: Tensor, labels: Tensor | None, variances: Tensor) -> float:
    """Return the mean log-density of every sample given the others of its class."""
    placed = placed / variances.sqrt().clamp_min(1e-6)
    logs = (squared_distances(placed, placed) / -2).fill_diagonal_(-torch.inf)
    if labels is not None:
        logs[labels[:, None] != labels[None]] = -torch.inf
    each = logs.logsumexp(dim=1)
    known = each[each.isfinite()]
    if not len(known):
        return -torch.inf
    return float(known.mean() - variances.clamp_min(1e-12).log().sum() / 2)
