"""One number that was measured several times, with the interval that it lies in."""

from dataclasses import dataclass
from math import inf, isclose, isfinite
from statistics import fmean

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """One number over seeds: its mean, and where it lies with 95 % confidence.

    Args:
        mean: of the values.
        low: the lower end of the interval; ``-inf`` if one seed tells none.
        high: the upper end; ``inf`` if one seed tells none.
        values: one per seed.

    Raises:
        ValueError: no values, or one that is not finite; a mean that is not theirs or lies outside
            the interval; an interval that is open on one side only.

    Example:
        >>> Estimate(0.2, -0.048, 0.448, (0.1, 0.2, 0.3)).bounded
        True
        >>> Estimate.of_one(0.2).bounded
        False
    """

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        values = tuple(float(value) for value in self.values)
        if not values or not all(map(isfinite, values)):
            raise ValueError(f"values must be finite, at least one, but are {list(values)}.")
        if not isclose(self.mean, fmean(values), rel_tol=1e-3, abs_tol=1e-6):
            raise ValueError(
                f"mean must be that of the values, {fmean(values):g}, but is {self.mean:g}."
            )
        if not self.low <= self.mean <= self.high or isfinite(self.low) != isfinite(self.high):
            raise ValueError(
                f"the interval must lie around the mean {self.mean:g}, both ends finite or none, "
                f"but is ({self.low:g}, {self.high:g})."
            )
        object.__setattr__(self, "values", values)  # the record is frozen

    @classmethod
    def of_one(cls, value: float) -> "Estimate":
        """Return the estimate of a single seed, which tells no interval."""
        return cls(value, -inf, inf, (value,))

    @property
    def bounded(self) -> bool:
        """Whether there is an interval to show."""
        return isfinite(self.low)
