"""How rare natural inputs are: the density ``D = |M| / |X|`` of a declared search region.

``X`` is a region from which one can draw uniformly, ``M`` the part of it that a judge accepts. So
``D`` is the probability that the judge accepts a uniform draw, and ``D^(1/d)`` the share per
dimension. A density belongs to its region: those of two regions cannot be compared.

- ``density`` counts accepted draws: an exact interval, where ``D`` is not far below ``1 / n``.
- ``rare_density`` (in ``xhat.metrics.rare``) goes there by steps, where ``D`` is far smaller.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from xhat.core import check_count, check_fraction, generator
from xhat.metrics.regions import Region

__all__ = ["Density", "DensityRatio", "binomial_interval", "density", "ratio"]

_PART = 4096  # draws that are decoded and judged at once


@dataclass(frozen=True)
class Density:
    """The estimated density of a region.

    Attributes:
        value: ``D``, in [0, 1].
        low: the lower end of its interval.
        high: the upper end.
        confidence: of the interval.
        method: how it was estimated.
        n: how many draws were judged.
        region: what ``D`` is a share of.
        note: a remark on the estimate, a sentence; empty for none.
    """

    value: float
    low: float
    high: float
    confidence: float
    method: str
    n: int
    region: Region
    note: str = ""

    @property
    def log10(self) -> float:
        """The decimal logarithm of ``D``; minus infinity where nothing was accepted."""
        return math.log10(self.value) if self.value > 0 else -math.inf

    @property
    def per_dimension(self) -> float:
        """``D^(1/d)``: the share of every dimension that a box of that density would fill."""
        return self.value ** (1 / self.region.dimensions)

    def __truediv__(self, other: "Density") -> "DensityRatio":
        return ratio(self, other)


@dataclass(frozen=True)
class DensityRatio:
    """How many times as dense one set is as another in the same region.

    Attributes:
        value: infinite or NaN where the other set was not met at all.
        low: the lower end of a conservative interval.
        high: the upper end.
    """

    value: float
    low: float
    high: float


def density(
    accepts: Callable[[Tensor], Tensor],
    region: Region,
    n: int,
    *,
    seed: int,
    sensitivity: tuple[int, int] | None = None,
    false_acceptance: tuple[int, int] | None = None,
    confidence: float = 0.95,
) -> Density:
    """Judge ``n`` uniform draws, and give the share of natural ones with an exact interval.

    A judge errs. If it accepts natural inputs with probability ``s`` and others with ``f``, it
    accepts draws with ``q = D s + (1 - D) f``, so ``D = (q - f) / (s - f)``. Each of the measured
    shares has an exact binomial interval, at a level of ``(1 - confidence)`` divided by their
    number; the interval of ``D`` reaches from the least to the greatest that they allow. If ``D``
    is smaller than the uncertainty of ``f``, the interval reaches down to 0.

    Source: Clopper, Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of
    the Binomial", 1934; Rogan, Gladen, "Estimating Prevalence from the Results of a Screening
    Test", 1978.

    Args:
        accepts: ``(n, *x_shape) -> (n,)`` booleans.
        region: where to draw.
        n: how many draws; with none accepted, ``D`` is below ``3.7 / n``.
        seed: of the draws.
        sensitivity: ``(k, n)``: ``accepts`` accepted ``k`` of ``n`` natural samples; None for a
            judge that accepts all of them.
        false_acceptance: ``(k, n)`` likewise, for draws from the region that are not natural; None
            for a judge that accepts none of them.
        confidence: of the interval, in (0, 1).

    Raises:
        TypeError: ``accepts`` gives no booleans.
        ValueError: numbers out of range, or a judge that does not tell natural inputs from others.

    Example:
        >>> square = Region.box("the unit square", 0.0, 1.0, (2,))
        >>> quarter = density(lambda x: x.amax(dim=1) < 0.5, square, 4000, seed=0)
        >>> quarter.low < 0.25 < quarter.high, round(quarter.per_dimension, 1)
        (True, 0.5)
    """
    check_count("n", n)
    level = 1 - check_fraction("confidence", confidence)
    shares = [
        _checked("sensitivity", sensitivity) if sensitivity else None,
        _checked("false_acceptance", false_acceptance) if false_acceptance else None,
    ]
    level /= 1 + sum(share is not None for share in shares)
    s, f = (
        (ideal, ideal, ideal) if share is None else binomial_interval(*share, 1 - level)
        for share, ideal in zip(shares, (1.0, 0.0), strict=True)
    )
    if s[0] <= f[0]:
        raise ValueError(
            f"the judge must accept natural inputs more often than others, but accepted "
            f"{s[0]:.3g} of those and {f[0]:.3g} of these; no density follows from it."
        )
    accepted = _count(accepts, region, n, seed)
    q = binomial_interval(accepted, n, 1 - level)
    value, low, high = (
        _corrected(q[0], s[0], f[0]),
        _corrected(q[1], s[2], f[2]),
        _corrected(q[2], s[1], f[1]),
    )
    note = "" if accepted >= 10 else f"only {accepted} draws were accepted; draw more, or by steps."
    return Density(value, low, high, confidence, "uniform draws", n, region, note)


def binomial_interval(k: int, n: int, confidence: float) -> tuple[float, float, float]:
    """Return the share ``k / n`` and the ends of its exact (Clopper–Pearson) interval.

    Example:
        >>> share, low, high = binomial_interval(0, 100, 0.95)
        >>> share, low, round(high, 4)
        (0.0, 0.0, 0.0362)
    """
    found = stats.binomtest(k, n).proportion_ci(confidence, method="exact")
    return k / n, float(found.low), float(found.high)


def ratio(a: Density, b: Density) -> DensityRatio:
    """Return how many times as dense ``a`` is as ``b``; also written ``a / b``.

    The interval combines the ends of both, so it holds with at least ``1 - 2 (1 - confidence)``.

    Raises:
        ValueError: they are shares of different regions.
    """
    if a.region.sha256 != b.region.sha256:
        raise ValueError(
            f"densities are shares of their own region, so that of {a.region.name!r} cannot be "
            f"compared with that of {b.region.name!r}, which is another region (or another "
            f"decoder); estimate both in one region."
        )
    return DensityRatio(
        _divided(a.value, b.value), _divided(a.low, b.high), _divided(a.high, b.low)
    )


def _divided(a: float, b: float) -> float:
    if b > 0:
        return a / b
    return math.inf if a > 0 else math.nan


def _corrected(q: float, s: float, f: float) -> float:
    """Return ``(q - f) / (s - f)`` within [0, 1]; all is possible where the judge is blind."""
    if q <= f:
        return 0.0
    return min(1.0, (q - f) / (s - f)) if s > f else 1.0


def _count(accepts: Callable[[Tensor], Tensor], region: Region, n: int, seed: int) -> int:
    source, accepted = generator(seed, "density"), 0
    for first in range(0, n, _PART):
        x = region.sample(min(_PART, n - first), source)
        with torch.no_grad():
            answer = accepts(x)
        if not isinstance(answer, Tensor) or answer.dtype != torch.bool:
            kind = answer.dtype if isinstance(answer, Tensor) else type(answer).__name__
            raise TypeError(f"accepts must return a boolean tensor, but returns {kind}.")
        if answer.shape != (len(x),):
            raise ValueError(
                f"accepts must return one boolean for each of {len(x)} inputs, but returns shape "
                f"{tuple(answer.shape)}."
            )
        accepted += int(answer.sum())
    return accepted


def _checked(name: str, share: tuple[int, int]) -> tuple[int, int]:
    k, n = share
    check_count(f"the number of samples in {name}", n)
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= n:
        raise ValueError(f"{name} must be (how many were accepted, of how many), but is {share!r}.")
    return k, n
