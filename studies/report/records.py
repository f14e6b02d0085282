"""What the page of a study is drawn from: the question, what was compared, and what came of it.

Concept: every *arm* is one way of doing it, run once per seed; an :class:`Estimate` is one
measurement over those seeds, a mean with its 95 % interval. A *claim* was fixed before the run: by
how much, at least, one arm should be ahead of another in one measurement. Its difference is taken
within each seed, and is positive where the claim's arm is ahead; where less is better, that means
that it has less. Shares are kept in [0, 1]; a measurement whose heading ends in ``%`` is printed
and drawn a hundred times as large.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from types import MappingProxyType

from xhat.report import Estimate

__all__ = ["ANSWERS", "Answer", "ArmRow", "ClaimRow", "StudyPage"]


@dataclass(frozen=True)
class Answer:
    """One of the three answers, as it is drawn, named and explained."""

    word: str
    mark: str
    colour: str
    meaning: str


ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        answer.word: answer
        for answer in (
            Answer(
                "supported",
                "✓",
                "#007d73",
                "The whole 95 % interval of the difference lies above 0, and its middle reaches "
                "the margin.",
            ),
            Answer(
                "not supported",
                "✗",
                "#b84a00",
                "The whole 95 % interval of the difference lies below the margin.",
            ),
            Answer("undecided", "?", "#696c70", "Neither: more seeds are needed to tell."),
        )
    }
)
"""The answers by their word. Teal and orange stay apart for colour-blind eyes."""


@dataclass(frozen=True)
class ArmRow:
    """One way of doing it, and what was measured of it.

    Args:
        name: of the row.
        caption: what it is, in one line.
        estimates: by the name of the measurement; what was not measured is left out.

    Raises:
        TypeError: something that is no ``Estimate``.
        ValueError: no name.
    """

    name: str
    caption: str
    estimates: Mapping[str, Estimate]

    def __post_init__(self) -> None:
        _check_words("the name of an arm", self.name)
        for metric, estimate in self.estimates.items():
            _check_estimate(f"{metric} of {self.name!r}", estimate)
        object.__setattr__(self, "estimates", dict(self.estimates))  # the record is frozen


@dataclass(frozen=True)
class ClaimRow:
    """What was claimed before the run, and what the run says of it.

    Args:
        says: the claim, in one sentence.
        arm: the arm that should be ahead.
        baseline: the arm that it should be ahead of; None where it should be above 0.
        metric: the measurement in which.
        margin: by how much at least, 0 or more.
        difference: by how much it is ahead, one value a seed; positive where it is.
        answer: ``"supported"``, ``"not supported"`` or ``"undecided"``.
        lower: whether being ahead means to have less.

    Raises:
        TypeError: a difference that is no ``Estimate``.
        ValueError: an empty claim, an arm against itself, a negative margin, or another answer.

    Example:
        >>> gap = Estimate(0.07, 0.05, 0.09, (0.06, 0.07, 0.08))
        >>> ClaimRow("It helps.", "robust", "plain", "genuine", 0.02, gap, "supported").lower
        False
    """

    says: str
    arm: str
    baseline: str | None
    metric: str
    margin: float
    difference: Estimate
    answer: str
    lower: bool = False

    def __post_init__(self) -> None:
        _check_words("what a claim says", self.says)
        _check_estimate(f"the difference of {self.says!r}", self.difference)
        if self.arm == self.baseline:
            raise ValueError(f"{self.says!r} compares {self.arm!r} with itself; name two arms.")
        if not (isfinite(self.margin) and self.margin >= 0):
            raise ValueError(
                f"the margin of {self.says!r} must be 0 or more, but is {self.margin:g}."
            )
        _check_answer(f"the answer to {self.says!r}", self.answer)


@dataclass(frozen=True)
class StudyPage:
    """A study as its page tells it.

    Args:
        name: as on the command line.
        question: that is answered; the headline.
        protocol: what was done and what would be read, in sentences, fixed before the run.
        arms: what was compared, in the order of every table and figure.
        claims: what was claimed; may be empty.
        answer: to the question, one of the words of a claim's answer.
        shown: the heading of every measurement that is shown, in order; measurements whose heading
            ends in ``%`` are shares and printed a hundred times as large.
        remarks: sentences that only the numbers could fill.
        facts: of the run, such as seeds, commit, versions and hours, in the order of reading.
        pictures: PNG files, or a GIF that moves, each with its caption; the first is the main
            figure, a PNG.

    Raises:
        TypeError: arms or claims of another type, or one sentence in place of several.
        ValueError: no question, arms or measurements; two arms of one name; a claim about an arm
            that is not there; a measurement that no arm has; another answer.

    Example:
        >>> arm = ArmRow("plain", "no regularisation", {"genuine": Estimate.of_one(0.4)})
        >>> page = StudyPage("why", "Why?", (), (arm,), (), "undecided", {"genuine": "genuine, %"})
        >>> page.is_percent("genuine"), page.seeds
        (True, '1 seed')
    """

    name: str
    question: str
    protocol: tuple[str, ...]
    arms: tuple[ArmRow, ...]
    claims: tuple[ClaimRow, ...]
    answer: str
    shown: Mapping[str, str]
    remarks: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[tuple[Path, str], ...] = ()

    def __post_init__(self) -> None:
        _check_words("the name of a study", self.name)
        _check_words(f"the question of {self.name!r}", self.question)
        _check_answer(f"the answer to {self.name!r}", self.answer)
        for name, wanted in {"arms": ArmRow, "claims": ClaimRow}.items():
            for row in getattr(self, name):
                if not isinstance(row, wanted):
                    raise TypeError(
                        f"{name} of {self.name!r} must be {wanted.__name__} records, "
                        f"not {type(row).__name__}."
                    )
        for name in ("protocol", "remarks"):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} of {self.name!r} must be a tuple of sentences, not one.")
        _check_arms(self)
        if not self.shown:
            raise ValueError(f"shown of {self.name!r} is empty; name a measurement to show.")
        for metric in self.shown:
            if not any(metric in arm.estimates for arm in self.arms):
                raise ValueError(f"{self.name!r} shows {metric!r}, but no arm has it.")

    def heading(self, metric: str) -> str:
        """Return how a measurement is headed; its name if it is not shown."""
        return self.shown.get(metric, metric)

    def is_percent(self, metric: str) -> bool:
        """Return whether a measurement is a share that is printed in percent."""
        return self.heading(metric).rstrip().endswith("%")

    def baseline(self, metric: str) -> str | None:
        """Return the arm that others are compared with in a measurement, by the first claim of it.

        Where no claim is of that measurement it is the baseline of the first claim that has one;
        None without any.
        """
        compared = [claim for claim in self.claims if claim.baseline is not None]
        own = [claim.baseline for claim in compared if claim.metric == metric]
        return next(iter([*own, *(claim.baseline for claim in compared)]), None)

    @property
    def seeds(self) -> str:
        """How many seeds there are, in words."""
        counts = {len(e.values) for arm in self.arms for e in arm.estimates.values()}
        least, most = min(counts), max(counts)
        return f"{most} seed{'s' if most > 1 else ''}" if least == most else f"{least}–{most} seeds"


def _check_arms(page: StudyPage) -> None:
    names = [arm.name for arm in page.arms]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"arms of {page.name!r} must have different names, at least one, but are {names}."
        )
    for claim in page.claims:
        for name in (claim.arm, claim.baseline):
            if name is not None and name not in names:
                raise ValueError(
                    f"the claim {claim.says!r} is of {name!r}, but the arms of {page.name!r} "
                    f"are {', '.join(names)}."
                )


def _check_words(name: str, words: str) -> None:
    if not words.strip():
        raise ValueError(f"{name} is empty; say it in words.")


def _check_estimate(name: str, estimate: object) -> None:
    if not isinstance(estimate, Estimate):
        raise TypeError(f"{name} must be an Estimate, not {type(estimate).__name__}.")


def _check_answer(name: str, answer: str) -> None:
    if answer not in ANSWERS:
        raise ValueError(f"{name} must be one of {', '.join(ANSWERS)}, but is {answer!r}.")
