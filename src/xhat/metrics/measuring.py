"""All measures of a set of results, with intervals and floors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xhat.core import check_count, generator
from xhat.metrics.coverage import NeighbourManifold
from xhat.metrics.distances import GaussianFit, KernelMean
from xhat.metrics.features import Features
from xhat.metrics.samples import (
    Samples,
    as_samples,
    check_fit,
    matched_real,
    others,
    resample,
)
from xhat.metrics.spread import mean_distance, vendi_score
from xhat.metrics.table import MEASURES, Measure, Row, Table

__all__ = ["measure"]

_FEW = 8  # results; fewer have no interval, since most resamples repeat the same ones


def measure(
    found: Tensor,
    target: Tensor | int,
    reference: Tensor,
    reference_labels: Tensor,
    features: Features,
    *,
    starts: Tensor | None = None,
    seed: int,
    bootstrap: int = 100,
    draws: int = 10,
    k: int = 5,
) -> Table:
    """Measure results against real samples, for each target and for all.

    *Floor*: the score of real samples in the place of the results. Each draw sets apart as many
    samples of the reference as there are results, of the same classes, and compares them with the
    rest. The results are compared with the same rest, so that both have the bias of ``n`` samples.
    For ``moved`` and ``ratio`` the floor is a jump to a random real sample of the target.

    *Interval*: of the value at this ``n``; results are drawn again with replacement within their
    targets (bootstrap; Efron, 1979), and the real samples stay. Repeated samples move most
    measures, so the 95 % interval of the resamples is shifted to have its mean at the value. An
    interval of width 0, at 0 or 1, means that all resamples agree, not that the value is certain.

    Results for one target are compared with real samples of that class only, all results with
    those of all their targets. In the row of all, variety (``mean_distance``, ``vendi``) is still
    that within a target, averaged over them.

    Args:
        found: results ``(n, *x_shape)``.
        target: the class of each, ``(n,)``; an integer for all.
        reference: real samples ``(m, *x_shape)``, used in no training and no search.
        reference_labels: their classes, ``(m,)``.
        features: what they are compared by; distances moved are those of ``x`` itself.
        starts: where each result started, ``(n, *x_shape)``; None leaves out ``moved``,
            ``nearest`` and ``ratio``.
        seed: of all draws.
        bootstrap: how many resamples an interval has.
        draws: how many draws a floor has.
        k: the neighbour that gives the radius of precision, recall, density and coverage.

    Raises:
        TypeError: samples not floating point, or classes not integers.
        ValueError: shapes that do not fit, values not finite, or a target without real samples.

    Example:
        >>> from xhat.core import generator
        >>> labels = torch.arange(400) % 2
        >>> real = torch.randn(400, 2, generator=generator(0)) + 5 * labels[:, None]
        >>> shifted = real[:40] + 2
        >>> points = Features("points", lambda x: x)
        >>> table = measure(shifted, labels[:40], real, labels, points, seed=0)
        >>> frechet = table.row(1)["frechet"]
        >>> frechet.low > 1 > frechet.floor
        True
        >>> table.overall.n, table.overall.against
        (40, 360)
    """
    for name, count in (("bootstrap", bootstrap), ("draws", draws), ("k", k)):
        check_count(name, count)
    results = as_samples("found", found, target, features, starts)
    real = as_samples("the reference", reference, reference_labels, features, None)
    check_fit(results, real)
    real = real.at(torch.isin(real.labels, results.labels).nonzero()[:, 0])
    plan = _Plan(seed, bootstrap, draws, k)
    classes = results.labels.unique().tolist()
    rows = [
        plan.row(results.of(label), real.of(label), label)
        for label in (*classes, None)
    ]  # fmt: skip
    return Table(features.name, features.sha256, seed, bootstrap, draws, k, tuple(rows))


@dataclass(frozen=True)
class _Against:
    """Real samples, prepared for many comparisons; None where they are too few."""

    real: Samples
    gaussian: GaussianFit | None
    kernel: KernelMean | None
    balls: NeighbourManifold | None

    @classmethod
    def fit(cls, real: Samples, k: int) -> "_Against":
        pair, x = len(real) >= 2, real.features
        return cls(
            real,
            GaussianFit.fit(x) if pair else None,
            KernelMean.fit(x) if pair else None,
            NeighbourManifold.fit(x, k) if len(real) > k else None,
        )

    def values(self, found: Samples) -> dict[str, float]:
        """Return every measure that can be taken."""
        x, values = found.features, {}
        if self.gaussian and self.kernel and len(x) >= 2:
            values["frechet"] = GaussianFit.fit(x).distance(self.gaussian)
            values["kernel"] = KernelMean.fit(x).distance(self.kernel)
        if self.balls:
            counts, reached = self.balls.look(x)
            values["precision"] = float((counts > 0).double().mean())
            values["density"] = float(counts.double().mean()) / self.balls.k
            values["coverage"] = float(reached.double().mean())
            if len(x) > self.balls.k:
                held, _ = NeighbourManifold.fit(x, self.balls.k).look(self.real.features)
                values["recall"] = float((held > 0).double().mean())
        within = [x[found.labels == label] for label in found.labels.unique()]
        within = [part for part in within if len(part) >= 2]
        if within:
            values["mean_distance"] = _mean([mean_distance(part) for part in within])
            values["vendi"] = _mean([vendi_score(part) for part in within])
        if found.moved is not None and found.nearest is not None and found.ratio is not None:
            values["moved"] = float(found.moved.mean())
            values["nearest"] = float(found.nearest.mean())
            values["ratio"] = float(found.ratio.median())
        return {name: value for name, value in values.items() if math.isfinite(value)}


@dataclass(frozen=True)
class _Plan:
    """How rows are made."""

    seed: int
    bootstrap: int
    draws: int
    k: int

    def row(self, found: Samples, real: Samples, label: int | None) -> Row:
        """Measure results and floors against the same rests, and resample against the first."""
        source = generator(self.seed, "measure", "all" if label is None else label)
        taken = [matched_real(found.labels, real.labels, source) for _ in range(self.draws)]
        values, floors, first = [], [], None
        for index in taken:
            rest = real if index is None else real.at(others(index, len(real)))
            against = _Against.fit(rest, self.k)
            values.append(against.values(found.travelled(rest)))
            first = first or against
            if index is None:
                break
            in_place = replace(real.at(index), starts=found.starts)
            floors.append(against.values(in_place.travelled(rest)))
        if first is None:
            raise RuntimeError("a floor has at least one draw.")
        resampled = self._resampled(found.travelled(first.real), first, source)
        names = [name for name in MEASURES if found.starts is not None or name not in _OF_STARTS]
        measures = (self._measure(name, found, real, values, floors, resampled) for name in names)
        return Row(label, len(found), len(first.real), tuple(measures))

    def _resampled(
        self, found: Samples, against: _Against, source: torch.Generator
    ) -> list[dict[str, float]]:
        if len(found) < _FEW:
            return []
        return [
            against.values(found.at(resample(found.labels, source)))
            for _ in range(self.bootstrap)
        ]  # fmt: skip

    def _measure(
        self,
        name: str,
        found: Samples,
        real: Samples,
        values: list[dict[str, float]],
        floors: list[dict[str, float]],
        resampled: list[dict[str, float]],
    ) -> Measure:
        taken = [value[name] for value in values if name in value]
        if len(taken) < len(values):
            return Measure(name, None, None, None, None, None, self._missing(name, found, real))
        value, why = _mean(taken), []
        again = [sample[name] for sample in resampled if name in sample]
        low, high = _interval(name, value, again) if len(again) > 1 else (None, None)
        if len(found) < _FEW:
            why.append(f"an interval needs at least {_FEW} results, but there are {len(found)}.")
        real_ones = [floor[name] for floor in floors if name in floor]
        floor = _mean(real_ones) if real_ones else None
        spread = float(torch.tensor(real_ones).double().std()) if len(real_ones) > 1 else None
        if floor is None:
            why.append(
                f"a floor needs more real samples of each class than results, but there are "
                f"{len(real)} for {len(found)}."
            )
        return Measure(name, value, low, high, floor, spread, " ".join(why))

    def _missing(self, name: str, found: Samples, real: Samples) -> str:
        if name in _OF_STARTS:
            return "most starts are real samples of the target, so there is no distance to cover."
        k = self.k
        results, needed = {
            "recall": (k + 1, k + 1),
            "precision": (1, k + 1),
            "density": (1, k + 1),
            "coverage": (1, k + 1),
        }.get(name, (2, 2))
        return (
            f"it needs at least {results} results and {needed} real samples beside them, but there "
            f"are {len(found)} and {len(real)}."
        )


_OF_STARTS = ("moved", "nearest", "ratio")
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "precision": (0, 1), "recall": (0, 1), "coverage": (0, 1), "vendi": (1, math.inf),
    "kernel": (-math.inf, math.inf),
}  # fmt: skip


def _interval(name: str, value: float, again: list[float]) -> tuple[float, float]:
    drawn = torch.tensor(again, dtype=torch.float64)
    ends = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=torch.float64))
    low, high = (float(end) for end in value + ends - drawn.mean())
    least, most = _BOUNDS.get(name, (0.0, math.inf))
    return max(low, least), min(high, most)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
