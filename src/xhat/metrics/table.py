"""The table of all measures of a set of results: values, intervals, and what real samples score."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

__all__ = ["MEASURES", "Measure", "Row", "Table"]

MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "frechet": "Fréchet distance to real samples; at best that of real samples",
        "kernel": "kernel distance to real samples; at best 0",
        "precision": "share of results within the real manifold; more is better",
        "recall": "share of real samples within the results' manifold; more is better",
        "density": "real balls around a result, over k; that of real samples or more is good",
        "coverage": "share of real balls that hold a result; more is better",
        "mean_distance": "mean distance of two results for one target; less is less variety",
        "vendi": "how many different results for one target, in effect; less is less variety",
        "moved": "mean distance from the start to the result",
        "nearest": "mean distance from the start to the nearest real sample of the target",
        "ratio": "median of moved over nearest; well below 1 there is no way to a real sample",
    }
)


@dataclass(frozen=True)
class Measure:
    """One measure of one row.

    Attributes:
        name: a key of ``MEASURES``.
        value: None where it cannot be taken; ``why`` says so.
        low: the lower end of the 95 % interval; None where there is none.
        high: its upper end.
        floor: what as many real samples score, the mean of several draws; None where the reference
            is too small.
        floor_spread: the standard deviation of those draws.
        why: what is missing and why, a sentence; empty if nothing is.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    floor_spread: float | None
    why: str


@dataclass(frozen=True)
class Row:
    """All measures of the results for one target, or of all results.

    Attributes:
        target: the class; None for all together.
        n: how many results.
        against: how many real samples they are compared with: the reference less the ``n`` that are
            set apart for the floor.
        measures: in the order of ``MEASURES``.
    """

    target: int | None
    n: int
    against: int
    measures: tuple[Measure, ...]

    def __getitem__(self, name: str) -> Measure:
        for measure in self.measures:
            if measure.name == name:
                return measure
        known = ", ".join(measure.name for measure in self.measures)
        raise KeyError(f"there is no measure {name!r} in this row; there are {known}.")


@dataclass(frozen=True)
class Table:
    """What ``measure`` found: one row per target, and one for all.

    Attributes:
        features: the name of the extractor.
        sha256: of its weights; None for a function that has none.
        seed: of the draws.
        bootstrap: how many resamples an interval has.
        draws: how many draws a floor has.
        k: the neighbour that gives the radius of precision, recall, density and coverage.
        rows: by target, ascending, and last the one for all.
    """

    features: str
    sha256: str | None
    seed: int
    bootstrap: int
    draws: int
    k: int
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def overall(self) -> Row:
        """The row for all results together."""
        return self.rows[-1]

    def row(self, target: int) -> Row:
        """Return the row of one target.

        Raises:
            KeyError: no result was for that target.
        """
        for row in self.rows:
            if row.target == target:
                return row
        known = ", ".join(str(row.target) for row in self.rows[:-1])
        raise KeyError(f"no results are for the target {target}; there are {known}.")

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one flat dict for each measure of each row, for JSON or a data frame.

        ``target`` is None for all results together; so is every number that could not be taken.
        """
        common = {"features": self.features, "sha256": self.sha256, "seed": self.seed}
        return [
            {"target": row.target, "n": row.n, "against": row.against}
            | {("measure" if key == "name" else key): value for key, value in vars(m).items()}
            | common
            for row in self.rows
            for m in row.measures
        ]
