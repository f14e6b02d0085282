"""Densities far below one in ten thousand, by subset simulation.

``D`` is written as a product of shares that are easy to measure: of uniform draws, the best tenth
by their score ``s``; of draws with at least such a score, again the best tenth; and so on, until
the limit is reached. The draws within one level come from Markov chains that start at the level's
own members and keep the uniform distribution within it.

The chains walk in normal coordinates ``v`` with ``u = Phi(v)`` in the unit cube. A step
``v' = r v + sqrt(1 - r^2) e``, with normal noise ``e``, keeps the normal distribution, so it is
refused only where it leaves the level, in any dimension. ``r`` adapts so that 44 % are kept.

Source: Au, Beck, "Estimation of small failure probabilities in high dimensions by subset
simulation", 2001; the chains: Papaioannou, Betz, Zwirglmaier, Straub, "MCMC algorithms for Subset
Simulation", 2015.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from scipy import stats
from torch import Tensor

from xhat.core import check_count, check_finite, check_fraction, generator
from xhat.metrics.density import Density
from xhat.metrics.regions import Region

__all__ = ["rare_density"]

_SHARE = 0.1  # of a level that founds the next; Zuev et al. (2012): 0.1 to 0.3 serve equally
_KEPT = 0.44  # the share of steps that moves fastest
_FLAT = (
    "the score is the same for all draws of a level, so no step leads on; pass a score that "
    "varies everywhere in the region."
)


def rare_density(
    score: Callable[[Tensor], Tensor],
    limit: float,
    region: Region,
    *,
    seed: int,
    n: int = 4000,
    levels: int = 30,
    confidence: float = 0.95,
) -> Density:
    """Return the share of a region whose score is at most ``limit``.

    It costs about ``n`` draws for every factor of ten. The estimate is biased upwards, by a share
    that falls as ``1 / n`` and grows with the number of dimensions and levels; for balls and
    corners it is well within the interval. That is log-normal; its coefficient of variation is the
    sum of those of all levels, the upper of the bounds of Au and Beck, since chains that mix
    slowly carry an error from level to level. It does not include a judge's error: of no judge is
    it known that it accepts less than one wrong input in a million.

    Args:
        score: ``(n, *x_shape) -> (n,)``, continuous, smaller is more natural, such as a distance
            from real samples; NaN is never natural.
        limit: the judge accepts where ``score <= limit``.
        region: where to draw.
        seed: of draws and chains.
        n: draws of a level, at least 100.
        levels: how often the best tenth is taken at most, so that ``D`` reaches to
            ``10^-levels``.
        confidence: of the interval, in (0, 1).

    Returns:
        The density. Where the limit is not reached, its value is 0, its upper end what is left,
        and its note says why.

    Raises:
        TypeError: the score is not floating point.
        ValueError: numbers out of range, or not one score for each draw.

    Example:
        >>> cube = Region.box("the unit cube", 0.0, 1.0, (4,))
        >>> corner = rare_density(lambda x: x.amax(dim=1), 0.03, cube, seed=0)  # D = 0.03^4
        >>> corner.low < 0.03**4 < corner.high
        True
    """
    if check_count("n", n) < 100:
        raise ValueError(f"n must be at least 100 draws a level, but is {n}.")
    check_count("levels", levels)
    check_fraction("confidence", confidence)
    check_finite("limit", torch.tensor(float(limit)))
    climb = _Climb(score, region, generator(seed, "rare"))
    level = climb.start(n)
    for _ in range(levels):
        if level.share(limit) >= _SHARE:
            return _reached(level.counted(limit), climb.judged, region, confidence)
        bound = float(level.scores.kthvalue(round(_SHARE * n)).values)
        if not bound < float(level.scores.max()):
            return _stopped(math.exp(level.log_share), climb.judged, region, confidence, _FLAT)
        level = climb.next(level, bound)
    if level.share(limit) >= _SHARE:
        return _reached(level.counted(limit), climb.judged, region, confidence)
    why = (
        f"the limit was not reached in {levels} levels; allow more levels, or check that anything "
        f"in the region reaches it."
    )
    return _stopped(math.exp(level.log_share), climb.judged, region, confidence, why)


@dataclass(frozen=True)
class _Level:
    """Draws of one level, as ``c`` chains of ``t`` steps, and how the levels before it went."""

    places: Tensor  # (t, c, d), normal coordinates
    scores: Tensor  # (t * c,), step by step
    chains: int
    log_share: float = 0.0
    variation: tuple[float, ...] = ()
    step: float = 0.6

    def share(self, bound: float) -> float:
        return float((self.scores <= bound).double().mean())

    def counted(self, bound: float) -> "_Level":
        """Multiply the share of this level in, and note its coefficient of variation."""
        p = self.share(bound)
        n = len(self.scores)
        inside = (self.scores <= bound).double().reshape(-1, self.chains)
        variance = (1 - p) / (p * n) * (1 + _correlation(inside, p))
        return replace(
            self,
            log_share=self.log_share + math.log(p),
            variation=(*self.variation, math.sqrt(max(0.0, variance))),
        )


@dataclass
class _Climb:
    """What all levels share; counts how many draws were judged."""

    score: Callable[[Tensor], Tensor]
    region: Region
    source: torch.Generator
    judged: int = field(default=0)

    def start(self, n: int) -> _Level:
        places = self._noise(n)
        return _Level(places[None], self._scores(places), n)

    def next(self, level: _Level, bound: float) -> _Level:
        """Let chains of equal length start at the members of the level within ``bound``."""
        n = len(level.scores)
        level = level.counted(bound)
        members = (level.scores <= bound).nonzero()[:, 0]
        order = torch.randperm(len(members), generator=self.source)[: round(_SHARE * n)]
        founders = members[order]
        place, score = level.places.flatten(0, 1)[founders], level.scores[founders]
        spread = place.std(dim=0).clamp(1e-3, 1.0)
        places, scores, step = [place], [score], level.step
        for t in range(1, -(-n // len(founders))):
            width = (step * spread).clamp(max=1.0)
            moved = (1 - width.square()).sqrt() * place + width * self._noise(len(place))
            reached = self._scores(moved)
            kept = reached <= bound
            place = torch.where(kept[:, None], moved, place)
            score = torch.where(kept, reached, score)
            places.append(place)
            scores.append(score)
            step *= math.exp((float(kept.double().mean()) - _KEPT) / math.sqrt(t))
        return _Level(
            torch.stack(places),
            torch.cat(scores),
            len(founders),
            level.log_share,
            level.variation,
            step,
        )

    def _noise(self, n: int) -> Tensor:
        shape = (n, self.region.dimensions)
        return torch.randn(shape, generator=self.source, dtype=torch.float64)

    def _scores(self, places: Tensor) -> Tensor:
        self.judged += len(places)
        parts = [self._score(part) for part in torch.special.ndtr(places).split(4096)]
        return torch.cat(parts).nan_to_num(nan=math.inf, posinf=math.inf, neginf=-math.inf)

    def _score(self, unit: Tensor) -> Tensor:
        with torch.no_grad():
            score = self.score(self.region.at(unit))
        if not isinstance(score, Tensor) or not score.dtype.is_floating_point:
            kind = score.dtype if isinstance(score, Tensor) else type(score).__name__
            raise TypeError(f"the score must be a floating point tensor, but is {kind}.")
        if score.shape != (len(unit),):
            raise ValueError(
                f"the score must be one number for each of {len(unit)} draws, but has shape "
                f"{tuple(score.shape)}."
            )
        return score.detach().to("cpu", torch.float64)


def _correlation(inside: Tensor, p: float) -> float:
    """Return Au and Beck's ``gamma`` of chains ``(t, c)``: 0 where draws are independent."""
    length = len(inside)
    if length == 1 or p >= 1:
        return 0.0
    centred = inside - p
    gamma = 0.0
    for lag in range(1, length):
        together = float((centred[:-lag] * centred[lag:]).mean())
        gamma += 2 * (1 - lag / length) * together / (p * (1 - p))
    return max(0.0, gamma)


def _reached(level: _Level, judged: int, region: Region, confidence: float) -> Density:
    value = math.exp(level.log_share)
    variation = sum(level.variation)  # as if all levels erred together
    width = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt(math.log1p(variation**2))
    low, high = value * math.exp(-width), min(1.0, value * math.exp(width))
    note = f"the coefficient of variation is at most {variation:.2f}."
    return Density(value, low, high, confidence, "subset simulation", judged, region, note)


def _stopped(left: float, judged: int, region: Region, confidence: float, why: str) -> Density:
    return Density(0.0, 0.0, left, confidence, "subset simulation", judged, region, why)
