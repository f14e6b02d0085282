"""How the results cover the real samples, and the real samples the results.

A set of samples is taken for a manifold: the union of balls around them, each as large as the
distance to the ``k``-th nearest other sample of the set. Then

- *precision*: the share of results within the real manifold;
- *recall*: the share of real samples within the manifold of the results;
- *density*: the number of real balls that hold a result, on average, divided by ``k``; about 1 for
  real samples, and above where results crowd where real samples are dense;
- *coverage*: the share of real balls that hold a result.

Density and coverage trust the real samples only: one outlier among the results widens their own
manifold, and so raises recall. All four depend on ``n``, ``m`` and ``k``: compare them with what
real samples have at the same numbers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_count
from xhat.metrics.distances import as_features, check_alike

__all__ = ["Coverage", "NeighbourManifold", "coverage"]

_PART = 512  # rows of a block: 512 x 10,000 distances are 40 MB


@dataclass(frozen=True)
class Coverage:
    """The four shares of one comparison.

    Attributes:
        precision: in [0, 1].
        recall: in [0, 1].
        density: 0 or more.
        coverage: in [0, 1].
    """

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class NeighbourManifold:
    """The manifold of a set: a ball around each sample; build it by ``fit``.

    Attributes:
        centres: ``(m, d)`` float64.
        squared: ``(m,)``, the squared radii.
        k: the radius reaches to the ``k``-th nearest other sample.
    """

    centres: Tensor
    squared: Tensor
    k: int

    @classmethod
    def fit(cls, features: Tensor, k: int = 5) -> "NeighbourManifold":
        """Measure the radii of features ``(m, d)``; there must be more than ``k`` of them.

        Raises:
            TypeError: not floating point.
            ValueError: too few samples, not two axes, or values not finite.

        Example:
            >>> line = torch.tensor([[0.0], [1.0], [3.0]])
            >>> NeighbourManifold.fit(line, k=1).squared.sqrt().tolist()
            [1.0, 1.0, 2.0]
        """
        x = as_features("the features", features, least=check_count("k", k) + 1)
        return cls(x, _nearest_squared(x, x, k + 1)[:, k], k)  # the nearest is the sample itself

    def look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return how many balls hold each of ``x``, ``(n,)``, and which balls hold any, ``(m,)``.

        Raises:
            TypeError: not floating point.
            ValueError: another number of features, not two axes, or values not finite.
        """
        x = as_features("the features", x)
        check_alike(x, self.centres)
        limit = self.squared + _rounding(self.centres)
        counts, reached = [], torch.zeros(len(self.centres), dtype=torch.bool)
        for part in x.split(_PART):
            inside = _squared(part, self.centres) <= limit
            counts.append(inside.sum(dim=1))
            reached |= inside.any(dim=0)
        return torch.cat(counts), reached


def coverage(
    found: Tensor | NeighbourManifold, reference: Tensor | NeighbourManifold, k: int = 5
) -> Coverage:
    """Return precision, recall, density and coverage of results among real samples.

    Source: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative
    Models", NeurIPS 2019; Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative
    Models", ICML 2020, whose ``k = 5`` is the default.

    Args:
        found: features of the results ``(n, d)``, or their balls.
        reference: features of real samples ``(m, d)``, or their balls, made once for many calls.
        k: which neighbour gives the radius; below ``n`` and ``m``. Balls have their own.

    Raises:
        TypeError: not floating point.
        ValueError: too few samples, shapes that do not fit, or values not finite.

    Example:
        >>> from xhat.core import generator
        >>> real = torch.randn(400, 2, generator=generator(0))
        >>> one_corner = real[real[:, 0] > 1] + 0.001
        >>> shares = coverage(one_corner, real)
        >>> shares.precision > 0.9 > 0.4 > shares.coverage
        True
    """
    own = found if isinstance(found, NeighbourManifold) else NeighbourManifold.fit(found, k)
    real = (
        reference
        if isinstance(reference, NeighbourManifold)
        else NeighbourManifold.fit(reference, k)
    )
    counts, reached = real.look(own.centres)
    held, _ = own.look(real.centres)
    return Coverage(
        precision=_share(counts > 0),
        recall=_share(held > 0),
        density=float(counts.double().mean()) / real.k,
        coverage=_share(reached),
    )


def _nearest_squared(queries: Tensor, reference: Tensor, k: int) -> Tensor:
    """Return the squared distances to the nearest ``k`` of the reference, ``(n, k)``, ascending."""
    parts = queries.split(_PART)
    return torch.cat(
        [_squared(part, reference).topk(k, dim=1, largest=False).values for part in parts]
    )


def _squared(a: Tensor, b: Tensor) -> Tensor:
    squared = torch.addmm(b.square().sum(dim=1), a, b.T, alpha=-2)
    return squared.add_(a.square().sum(dim=1, keepdim=True)).clamp_min_(0)


def _rounding(x: Tensor) -> float:
    """The error of a squared distance: equal samples must not fall out of each other's balls."""
    return 1e-14 * float(x.square().sum(dim=1).max())


def _share(which: Tensor) -> float:
    return float(which.double().mean())
