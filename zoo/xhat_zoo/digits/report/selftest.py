"""What a self-test of the judges found for one kind of sample.

Of every kind it is known what judges should say: real samples are to pass, attacks are not. A row
counts what they did say, and holds the share that came out as wanted with its interval, beside the
share that was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from xhat.judges.outcomes import Outcome
from xhat.report.checks import SLACK, as_outcome, as_pixels
from xhat.report.palette import ORDER

__all__ = ["SelfTestRow"]

_ROUNDING = 0.005  # how far a share may be rounded from that of the counts


@dataclass(frozen=True, eq=False)
class SelfTestRow:
    """What judges said of ``n`` samples of one kind.

    Args:
        kind: what the samples are, such as ``"FGSM, 0.3"``.
        group: the heading it stands under, such as ``"attacks on the surrogate"``.
        n: the number of samples, 1 or more.
        counts: how many had each outcome; outcomes that did not occur may be left out.
        wanted: what judges should say, such as ``"genuine"``, ``"not genuine"`` or a sentence.
        asked: the share in [0, 1] that should come out as wanted, or None if none is asked.
        share: the share in [0, 1] that did.
        interval: its confidence interval, ``(low, high)`` around the share.
        pictures: ``(q, h, w)`` in [0, 1], a few of the samples, or None.

    Raises:
        TypeError: pictures that are not floating point.
        ValueError: counts that do not sum to ``n`` or name no outcome; shares outside [0, 1], or an
            interval without the share; a share that is not that of the counts, where ``wanted``
            is an outcome or "not" and an outcome.

    Example:
        >>> row = SelfTestRow(
        ...     "FGSM, 0.3", "attacks on the surrogate", 200, {"adversarial": 198, "genuine": 2},
        ...     wanted="not genuine", asked=0.95, share=0.99, interval=(0.964, 0.997),
        ... )
        >>> row.met
        True
    """

    kind: str
    group: str
    n: int
    counts: Mapping[Any, int]
    wanted: str
    asked: float | None
    share: float
    interval: tuple[float, float]
    pictures: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        name = f"{self.kind!r}"
        given = {as_outcome(f"counts of {name}", k): int(v) for k, v in self.counts.items()}
        if self.n < 1 or min(given.values(), default=0) < 0 or sum(given.values()) != self.n:
            raise ValueError(
                f"counts of {name} must be 0 or more and sum to n = {self.n}, which is at least 1, "
                f"but are {list(given.values())}."
            )
        low, high = self.interval
        for what, value in {"share": self.share, "asked": self.asked}.items():
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{what} of {name} must lie in [0, 1], but is {value}.")
        if not 0 <= low <= self.share + SLACK or not self.share - SLACK <= high <= 1 + SLACK:
            raise ValueError(
                f"the interval of {name} must lie in [0, 1] around the share {self.share:g}, "
                f"but is ({low:g}, {high:g})."
            )
        _check_share(name, self.wanted, given, self.n, self.share)
        pictures = self.pictures
        if pictures is not None:
            pictures = as_pixels(f"pictures of {name}", pictures, ndim=3)
        clean = {
            "counts": {outcome: given[outcome] for outcome in ORDER if given.get(outcome)},
            "interval": (float(low), min(1.0, float(high))),
            "pictures": pictures,
        }
        for attribute, value in clean.items():
            object.__setattr__(self, attribute, value)  # the record is frozen

    @property
    def met(self) -> bool | None:
        """Whether the share is at least what was asked; None if nothing was."""
        return None if self.asked is None else self.share >= self.asked

    @property
    def undecided(self) -> bool:
        """Whether what was asked lies within the interval, so that more samples may turn it."""
        return self.asked is not None and self.interval[0] < self.asked <= self.interval[1]


def _check_share(
    name: str, wanted: str, counts: Mapping[Outcome, int], n: int, share: float
) -> None:
    """Refuse a share that differs from the counts, where it is plain which of them are wanted."""
    word = wanted.strip().replace(" ", "_")
    outcome, negated = word.removeprefix("not_"), word.startswith("not_")
    if outcome not in set(Outcome):
        return
    own = counts.get(Outcome(outcome), 0) / n
    own = 1 - own if negated else own
    if abs(own - share) > _ROUNDING:
        raise ValueError(
            f"share of {name} is {share:g}, but by its counts {own:g} are {wanted}; "
            f"if something else is wanted, say it in a sentence."
        )
