"""What judges said of ``n`` samples: the record that the page of a judgement is drawn from.

Every sample has an outcome, the rule that decided it and the evidence in plain sentences. The
numbers behind them are the p-value of every axis (small is unusual among real samples) and the
distribution over the classes that every judge saw. Pictures are there where samples are pictures.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xhat.judges.outcomes import Outcome
from xhat.report.checks import SLACK, as_outcome, as_pixels, check_shape
from xhat.report.palette import ORDER, label

__all__ = ["Chosen", "ChosenRow", "JudgedRecord", "select_evenly"]


@dataclass(frozen=True)
class ChosenRow:
    """One sample that may be believed, or should be simulated next.

    Attributes:
        index: its number.
        verified: whether the truth was asked of it.
        p: the p-value by which it was selected or not; NaN if it was verified.
        low: the least gap of the surrogate; NaN if nothing is known of it.
        high: the largest.
    """

    index: int
    verified: bool
    p: float
    low: float
    high: float

    @property
    def unbounded(self) -> bool:
        """Whether too few were verified to bound the gap."""
        return bool(np.isinf(self.high))


@dataclass(frozen=True)
class Chosen:
    """Which samples may be believed together, and which to simulate next.

    Attributes:
        summary: how many of each, in a sentence.
        promise: what is guaranteed, and what is not.
        trusted: those that may be believed.
        next: those to simulate next, the most promising first; None where there is no truth that
            could be asked.
    """

    summary: str
    promise: str
    trusted: Sequence[ChosenRow]
    next: Sequence[ChosenRow] | None

    @property
    def gaps(self) -> bool:
        """Whether anything is known of the gap between truth and surrogate."""
        return any(row.low == row.low for row in (*self.trusted, *(self.next or ())))


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgedRecord:
    """What judges said of ``n`` samples.

    Args:
        outcomes: ``n`` outcomes or their names.
        rules: ``n`` sentences of one line, each says which rule decided.
        evidence: ``n`` plain texts, a fact a line.
        axes: the names of ``k`` axes; there may be none.
        p_values: ``(n, k)`` in [0, 1], the conformal p-value of every axis.
        alpha: the probability, in (0, 1), with which a real sample may be flagged on any axis.
        level: the p-value in [0, 1] below which a sample is unusual on an axis; one number, or
            ``k``.
        targets: ``n`` texts, what each sample is meant to be; None without labels.
        members: the names of ``m`` judges; may be empty.
        classes: ``c + 1`` names of what they tell apart, the last is "none"; may be empty.
        votes: ``(n, m, c + 1)``, each judge's distribution (all 0 where it saw nothing), or None.
        pictures: ``(n, h, w)`` in [0, 1], 0 is black; None if samples are no pictures.
        nearest: ``(n, q, h, w)`` in [0, 1], the nearest real samples, the nearest first, or None.
        nearest_names: ``(n, q)`` texts beside them; empty for none.
        starts: ``(n, h, w)`` in [0, 1], where the search began, or None.
        changed: ``n`` texts, what differs from the start in words; empty for none.
        worth: what the verdicts are worth on these data, in a line, or nothing.
        meanings: what outcomes mean for these samples, by outcome, where that is more than what
            they mean in general.
        doubt: why ``genuine`` is unproven on these data, a sentence; the page then does not say it.

    Raises:
        TypeError: pictures that are not floating point.
        ValueError: shapes that do not fit together; values that are not finite or out of range; a
            word that is no outcome; pictures beside samples that are none.

    Example:
        >>> samples = JudgedRecord(
        ...     outcomes=["genuine", "off_manifold"], rules=["no rule applies", "likelihood"],
        ...     evidence=["the judges see a 3", "likelihood: unusual"], targets=["3", "3"],
        ...     axes=["likelihood"], p_values=np.array([[0.4], [0.001]]), alpha=0.01, level=0.01,
        ... )
        >>> len(samples), samples.unusual.tolist()
        (2, [[False], [True]])
    """

    outcomes: Sequence[str]
    rules: Sequence[str]
    evidence: Sequence[str]
    axes: Sequence[str]
    p_values: NDArray[Any]
    alpha: float
    level: float | Sequence[float]
    targets: Sequence[str] | None = None
    members: Sequence[str] = ()
    classes: Sequence[str] = ()
    votes: NDArray[Any] | None = None
    pictures: NDArray[Any] | None = None
    nearest: NDArray[Any] | None = None
    nearest_names: Sequence[Sequence[str]] = ()
    starts: NDArray[Any] | None = None
    changed: Sequence[str] = ()
    worth: str = ""
    meanings: Mapping[Outcome, str] = field(default_factory=dict[Outcome, str])
    doubt: str = ""
    levels: tuple[float, ...] = field(init=False)  # of every axis

    def __post_init__(self) -> None:
        outcomes = tuple(as_outcome("outcomes of the samples", word) for word in self.outcomes)
        if not outcomes:
            raise ValueError("outcomes is empty; pass those of at least one sample.")
        n, axes = len(outcomes), tuple(map(str, self.axes))
        clean = {
            "outcomes": outcomes,
            "rules": _texts("rules", self.rules, n),
            "evidence": _texts("evidence", self.evidence, n),
            "targets": None if self.targets is None else _texts("targets", self.targets, n),
            "changed": _texts("changed", self.changed, n) if self.changed else (),
            "axes": axes,
            "p_values": _shares("p_values", self.p_values, (n, len(axes))),
            "alpha": _alpha(self.alpha),
            "levels": _levels(self.level, len(axes)),
            "members": tuple(map(str, self.members)),
            "classes": _classes(self.classes),
            "votes": self._clean_votes(n),
            **self._clean_pictures(n),
        }
        for attribute, value in clean.items():
            object.__setattr__(self, attribute, value)  # the record is frozen

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.outcomes)

    @property
    def unusual(self) -> NDArray[np.bool_]:
        """Whether a p-value is below its axis' level, ``(n, k)``."""
        return self.p_values < np.asarray(self.levels)

    def counts(self) -> dict[Outcome, int]:
        """Return how often each outcome occurs, the best outcome first."""
        found = Counter(self.outcomes)
        return {outcome: found[outcome] for outcome in ORDER if found[outcome]}

    def word(self, outcome: str) -> str:
        """Return an outcome as this page calls it."""
        doubted = self.doubt and outcome == Outcome.GENUINE
        return f"{label(outcome)}, unproven" if doubted else label(outcome)

    def changes(self) -> NDArray[np.float32] | None:
        """Return what differs from the start, else from the nearest real sample, ``(n, h, w)``.

        In [-1, 1], positive where the sample has more; None if there is nothing to compare with.
        """
        if self.pictures is None:
            return None
        if self.starts is not None:
            return self.pictures - self.starts
        return None if self.nearest is None else self.pictures - self.nearest[:, 0]

    def _clean_votes(self, n: int) -> NDArray[np.float64] | None:
        if self.votes is None:
            return None
        wanted = n, len(self.members), len(self.classes)
        votes = _shares("votes", self.votes, wanted)
        if votes.size == 0:
            raise ValueError("votes need the names of members and classes; pass both.")
        total = votes.sum(axis=2)
        if (np.abs(total - total.round()).max() > 1e-3) or total.max() > 1.5:
            raise ValueError(
                "votes must be distributions over the classes that sum to 1 (or are all 0), but "
                f"their sums reach from {total.min():g} to {total.max():g}."
            )
        return votes

    def _clean_pictures(self, n: int) -> dict[str, Any]:
        if self.pictures is None:
            if self.nearest is not None or self.starts is not None:
                raise ValueError("nearest and starts need the samples' own pictures; pass those.")
            return {"nearest_names": _rows("nearest_names", self.nearest_names, n, None)}
        pictures = as_pixels("pictures of the samples", self.pictures, ndim=3)
        _, h, w = pictures.shape
        check_shape("pictures of the samples", pictures.shape, (n, h, w))
        starts, nearest, q = self.starts, self.nearest, None
        if starts is not None:
            starts = as_pixels("starts of the samples", starts, ndim=3)
            check_shape("starts of the samples", starts.shape, (n, h, w))
        if nearest is not None:
            nearest = as_pixels("nearest of the samples", nearest, ndim=4)
            q = nearest.shape[1]
            check_shape("nearest of the samples", nearest.shape, (n, q, h, w))
        names = _rows("nearest_names", self.nearest_names, n, q)
        return {"pictures": pictures, "starts": starts, "nearest": nearest, "nearest_names": names}


def select_evenly(outcomes: Sequence[str], most: int) -> list[int]:
    """Return the places of at most ``most`` samples, ascending, that are even over outcomes.

    Rare outcomes are kept whole, and the others share what is left; within an outcome the places
    are equally far apart, so that nothing is chosen by eye.

    Example:
        >>> select_evenly(["genuine"] * 8 + ["adversarial"], 4)
        [0, 4, 7, 8]
    """
    places = {o: [k for k, word in enumerate(outcomes) if word == o] for o in ORDER}
    left, chosen = min(most, len(outcomes)), []
    waiting = sorted((p for p in places.values() if p), key=len)
    for number, own in enumerate(waiting):
        take = min(len(own), left // (len(waiting) - number))
        left -= take
        chosen += [own[k] for k in np.linspace(0, len(own) - 1, take).round().astype(int)]
    return sorted(chosen)


def _texts(name: str, value: Sequence[str], n: int) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else tuple(map(str, value))
    if len(texts) != n:
        raise ValueError(
            f"{name} must hold one text for each of {n} samples, but has {len(texts)}."
        )
    return texts


def _rows(
    name: str, value: Sequence[Sequence[str]], n: int, q: int | None
) -> tuple[tuple[str, ...], ...]:
    """Return ``n`` rows of ``q`` texts (of any number if None); none at all become empty rows."""
    rows = [tuple(map(str, [row] if isinstance(row, str) else row)) for row in value]
    if not rows:
        return ((),) * n
    widths = sorted({len(row) for row in rows})
    if len(rows) != n or (q is not None and widths != [q]):
        raise ValueError(
            f"{name} must have {n} rows{'' if q is None else f' of {q}'}, but have {len(rows)} "
            f"rows of {' or '.join(map(str, widths))}."
        )
    return tuple(rows)


def _shares(name: str, value: Any, wanted: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != wanted:
        raise ValueError(
            f"{name} must have shape {wanted} to fit the samples and names, but have {array.shape}."
        )
    if array.size and not (array.min() >= -SLACK and array.max() <= 1 + SLACK):  # NaN fails both
        raise ValueError(
            f"{name} must lie in [0, 1], but reach from {array.min():g} to {array.max():g}."
        )
    return array.clip(0, 1)


def _alpha(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"alpha must lie between 0 and 1, but is {value}.")
    return float(value)


def _levels(value: float | Sequence[float], k: int) -> tuple[float, ...]:
    levels = np.asarray(value, dtype=np.float64)
    if levels.shape not in ((), (k,)):
        raise ValueError(f"level must be one number or {k}, but has shape {levels.shape}.")
    if levels.size and not (levels.min() >= 0 and levels.max() <= 1):  # NaN fails both
        raise ValueError(f"level must lie in [0, 1], but is {value}.")
    return tuple(map(float, np.broadcast_to(levels, (k,))))


def _classes(value: Sequence[str]) -> tuple[str, ...]:
    classes = tuple(map(str, value))
    if classes and classes[-1] != "none":
        raise ValueError(f'the last of the classes must be "none", but is {classes[-1]!r}.')
    return classes
