"""What a report is drawn from: the grid of one method, and the table of all.

Concept: row ``i`` of a grid is one start, column ``j`` one target; cell ``(i, j)`` is the
candidate that the method found, the outcome of its verdict, and the evidence for it in plain
sentences. A cell lies on the diagonal when its row and its column carry the same label: nothing
had to change there, so shares leave it out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xhat.judges.outcomes import Outcome
from xhat.report.checks import SLACK, as_outcome, as_pixels, check_shape
from xhat.report.palette import ORDER

__all__ = ["MethodGrid", "Summary", "SummaryRow", "check_alike", "typical_pair"]


@dataclass(frozen=True, eq=False)
class MethodGrid:
    """What one method made of ``r`` starts and ``c`` targets, as grey pictures.

    Args:
        method: its name, such as ``"latent-robust"``.
        caption: one line that says what it is.
        starts: ``(r, h, w)`` in [0, 1], 0 is black.
        images: ``(r, c, h, w)`` in [0, 1], what was found.
        outcomes: ``(r, c)`` outcomes or their names.
        evidence: ``(r, c)`` plain sentences, one string a cell; it may have several lines.
        row_labels: ``r`` names of the starts' classes.
        column_labels: ``c`` names of the targets.
        frames: ``(T, r, c, h, w)`` in [0, 1], the grid at ``T`` moments of the search, or None.

    Raises:
        TypeError: pictures that are not floating point.
        ValueError: shapes that do not fit together, pixels that are not finite or outside [0, 1],
            or a word that is no outcome.

    Example:
        >>> grid = MethodGrid(
        ...     "plain", "Adam on pixels", np.zeros((2, 4, 4)), np.ones((2, 2, 4, 4)),
        ...     [["genuine", "adversarial"], ["genuine", "genuine"]], [["", "fooled"], ["", ""]],
        ...     ["0", "1"], ["0", "1"],
        ... )
        >>> grid.shape, grid.share("genuine")
        ((2, 2), 0.5)
    """

    method: str
    caption: str
    starts: NDArray[Any]
    images: NDArray[Any]
    outcomes: NDArray[Any] | Sequence[Sequence[str]]
    evidence: Sequence[Sequence[str]]
    row_labels: Sequence[str]
    column_labels: Sequence[str]
    frames: NDArray[Any] | None = None
    diagonal: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        name = f"the grid of {self.method!r}"
        images = as_pixels(f"images of {name}", self.images, ndim=4)
        r, c, h, w = images.shape
        starts = as_pixels(f"starts of {name}", self.starts, ndim=3)
        check_shape(f"starts of {name}", starts.shape, (r, h, w))
        frames = self.frames
        if frames is not None:
            frames = as_pixels(f"frames of {name}", frames, ndim=5)
            check_shape(f"frames of {name}", frames.shape, (frames.shape[0], r, c, h, w))
        rows, columns = tuple(map(str, self.row_labels)), tuple(map(str, self.column_labels))
        check_shape(f"row_labels of {name}", (len(rows),), (r,))
        check_shape(f"column_labels of {name}", (len(columns),), (c,))
        evidence = _table(f"evidence of {name}", self.evidence, (r, c))
        words = _table(f"outcomes of {name}", self.outcomes, (r, c))
        outcomes = tuple(tuple(as_outcome(f"outcomes of {name}", w) for w in row) for row in words)
        clean = {
            "images": images,
            "starts": starts,
            "frames": frames,
            "row_labels": rows,
            "column_labels": columns,
            "evidence": evidence,
            "outcomes": outcomes,
            "diagonal": np.array([[a == b for b in columns] for a in rows]),
        }
        for attribute, value in clean.items():
            object.__setattr__(self, attribute, value)  # the record is frozen

    @property
    def shape(self) -> tuple[int, int]:
        """The number of starts and of targets."""
        return self.images.shape[0], self.images.shape[1]

    def outcome(self, i: int, j: int) -> Outcome:
        """Return the outcome of the cell of start ``i`` and target ``j``."""
        return Outcome(self.outcomes[i][j])

    def counts(self) -> dict[Outcome, int]:
        """Return how often each outcome occurs off the diagonal, the best outcome first."""
        r, c = self.shape
        found = Counter(
            self.outcome(i, j) for i in range(r) for j in range(c) if not self.diagonal[i, j]
        )
        return {outcome: found[outcome] for outcome in ORDER if found[outcome]}

    def share(self, outcome: str) -> float | None:
        """Return the share of an outcome among the cells off the diagonal; None if all are on."""
        counts = self.counts()
        total = sum(counts.values())
        return counts.get(Outcome(outcome), 0) / total if total else None


@dataclass(frozen=True)
class SummaryRow:
    """The numbers of one method over a set of candidates.

    Args:
        method: its name.
        n: the number of candidates.
        counts: how many had each outcome; outcomes that did not occur may be left out.
        reached: share in [0, 1] for which the search met its target, or None if unknown.
        confidence: mean confidence in [0, 1] of the held-out judges in the target, or None.
        moved: median Euclidean distance from the start, or None.
        seconds: wall-clock time of the search of these candidates, or None.
        evaluations: mean number of model evaluations a candidate, or None.

    Raises:
        ValueError: counts that are negative, do not sum to ``n`` or name no outcome; shares outside
            [0, 1]; negative distances, times or evaluations.

    Example:
        >>> row = SummaryRow.tally("plain", ["adversarial", "adversarial", "genuine", "unreached"])
        >>> row.n, row.share("adversarial"), row.share("ambiguous")
        (4, 0.5, 0.0)
    """

    method: str
    n: int
    counts: Mapping[Any, int]
    reached: float | None = None
    confidence: float | None = None
    moved: float | None = None
    seconds: float | None = None
    evaluations: float | None = None

    def __post_init__(self) -> None:
        given = {
            as_outcome(f"counts of {self.method!r}", k): int(v) for k, v in self.counts.items()
        }
        if self.n < 0 or min(given.values(), default=0) < 0 or sum(given.values()) != self.n:
            raise ValueError(
                f"counts of {self.method!r} must be 0 or more and sum to n = {self.n}, "
                f"but are {list(given.values())}."
            )
        for name in ("reached", "confidence", "moved", "seconds", "evaluations"):
            value = getattr(self, name)
            most = 1 + SLACK if name in ("reached", "confidence") else float("inf")
            if value is not None and not 0 <= value <= most:
                wanted = "lie in [0, 1]" if most < 2 else "be 0 or more"
                raise ValueError(f"{name} of {self.method!r} must {wanted}, but is {value}.")
        counts = {outcome: given.get(outcome, 0) for outcome in ORDER}
        object.__setattr__(self, "counts", counts)  # the record is frozen

    @classmethod
    def tally(
        cls,
        method: str,
        outcomes: Iterable[str],
        *,
        reached: float | None = None,
        confidence: float | None = None,
        seconds: float | None = None,
        evaluations: float | None = None,
    ) -> "SummaryRow":
        """Return the row that counts ``outcomes``, one per candidate."""
        counts = Counter(as_outcome(f"outcomes of {method!r}", outcome) for outcome in outcomes)
        return cls(method, counts.total(), counts, reached, confidence, seconds, evaluations)

    def share(self, outcome: str) -> float | None:
        """Return the share of an outcome in [0, 1]; None if there are no candidates."""
        return self.counts[Outcome(outcome)] / self.n if self.n else None


@dataclass(frozen=True)
class Summary:
    """The table of a study.

    Args:
        rows: one per method, over the pairs off the diagonal.
        diagonal: one per method, over the diagonal; may be empty.
        per_target: for each target's label, one row per method, off the diagonal; may be empty.

    Raises:
        ValueError: no rows at all.
    """

    rows: Sequence[SummaryRow]
    diagonal: Sequence[SummaryRow] = ()
    per_target: Mapping[str, Sequence[SummaryRow]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("a summary needs the row of at least one method.")

    def of_target(self, target: str, method: str) -> SummaryRow | None:
        """Return the row of one method and one target, or None."""
        return next((r for r in self.per_target.get(target, ()) if r.method == method), None)


def check_alike(grids: Sequence[MethodGrid]) -> tuple[MethodGrid, ...]:
    """Return ``grids`` if they can stand side by side.

    Raises:
        TypeError: something that is no ``MethodGrid``.
        ValueError: none at all, shapes or labels that differ, or a method that comes twice.
    """
    for grid in grids:
        if not isinstance(grid, MethodGrid):
            raise TypeError(f"grids must be MethodGrid records, not {type(grid).__name__}.")
    if not grids:
        raise ValueError("grids is empty; pass the grid of at least one method.")
    first, names = grids[0], [grid.method for grid in grids]
    for grid in grids[1:]:
        if grid.images.shape != first.images.shape:
            raise ValueError(
                f"grids side by side must have one shape, but {first.method!r} has "
                f"{first.images.shape} and {grid.method!r} has {grid.images.shape}."
            )
        if (grid.row_labels, grid.column_labels) != (first.row_labels, first.column_labels):
            raise ValueError(
                f"grids side by side must have the same labels, but those of {first.method!r} "
                f"and {grid.method!r} differ."
            )
    if len(set(names)) < len(names):
        raise ValueError(f"every method may come once, but the grids are of {', '.join(names)}.")
    return tuple(grids)


def typical_pair(grids: Sequence[MethodGrid]) -> tuple[int, int]:
    """Return the cell ``(i, j)`` that shows best what usually happens.

    It is the pair off the diagonal on which most methods got the verdict that is the most frequent
    of all their verdicts; among equals the one in the middle of the list, so that no choice is
    made by eye. With nothing off the diagonal, the first cell.
    """
    usual = [
        max(counts, key=lambda o: counts[o]) if (counts := g.counts()) else None for g in grids
    ]
    r, c = grids[0].shape
    pairs = [(i, j) for i in range(r) for j in range(c) if not grids[0].diagonal[i, j]]
    if not pairs:
        return 0, 0
    scores = [
        sum(g.outcome(i, j) == u for g, u in zip(grids, usual, strict=True)) for i, j in pairs
    ]
    best = [pair for pair, score in zip(pairs, scores, strict=True) if score == max(scores)]
    return best[len(best) // 2]


def _table(name: str, value: Any, wanted: tuple[int, int]) -> tuple[tuple[str, ...], ...]:
    rows = [[row] if isinstance(row, str) else list(row) for row in value]
    widths = {len(row) for row in rows}
    if len(rows) != wanted[0] or widths != {wanted[1]}:
        raise ValueError(
            f"{name} must have {wanted[0]} rows of {wanted[1]}, but have {len(rows)} rows of "
            f"{' or '.join(map(str, sorted(widths))) or '0'}."
        )
    return tuple(tuple(map(str, row)) for row in rows)
