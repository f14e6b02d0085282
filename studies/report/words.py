"""How the numbers and answers of a study are printed, the same in figures, pages and documents."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

from studies.report.records import ANSWERS, ClaimRow, StudyPage
from xhat.report import Estimate

__all__ = ["Scale", "answer_line", "claim_line", "scale_of", "size_line"]

_MOST_DIGITS = 6


@dataclass(frozen=True)
class Scale:
    """How one measurement is printed.

    Args:
        percent: whether it is a share that is printed a hundred times as large.
        digits: behind the point.

    Example:
        >>> scale = Scale(percent=True, digits=1)
        >>> scale.number(0.8734), scale.number(-0.02, signed=True), scale.gap(0.0612)
        ('87.3', '−2.0', '+6.1 points')
    """

    percent: bool
    digits: int

    def number(self, value: float, *, signed: bool = False) -> str:
        """Return a value, with a sign also where it is positive if ``signed``."""
        words = f"{value * (100 if self.percent else 1):{'+' if signed else ''},.{self.digits}f}"
        if not words.strip("+-0.,"):
            words = words.lstrip("+-")  # nothing that is printed as zero has a sign
        return words.replace("-", "−")

    def range(self, estimate: Estimate, *, signed: bool = False) -> str:
        """Return the two ends of an interval; nothing if there is none."""
        if not estimate.bounded:
            return ""
        ends = (self.number(end, signed=signed) for end in (estimate.low, estimate.high))
        return " to ".join(ends)

    def gap(self, value: float) -> str:
        """Return a difference with its sign and unit."""
        return self.number(value, signed=True) + (" points" if self.percent else "")

    def margin(self, value: float) -> str:
        """Return a margin as it was asked for, without zeros at its end."""
        words = f"{value * (100 if self.percent else 1):,.6g}"
        unit = (" point" if words == "1" else " points") if self.percent else ""
        return words + unit


def scale_of(page: StudyPage, metric: str) -> Scale:
    """Return how a measurement is printed, so that its largest mean shows three figures.

    Percentages have one digit behind the point, and more only if all are below one percent.
    """
    means = [arm.estimates[metric].mean for arm in page.arms if metric in arm.estimates]
    if not means:
        means = [claim.difference.mean for claim in page.claims if claim.metric == metric]
    percent = page.is_percent(metric)
    largest = _largest(means) * (100 if percent else 1)
    if percent and largest >= 1:
        return Scale(percent, 1)
    digits = 2 - floor(log10(largest) + 1e-9) if largest > 0 else 1
    return Scale(percent, min(_MOST_DIGITS, max(0, digits)))


def answer_line(page: StudyPage) -> str:
    """Return in one sentence how many claims are supported; nothing without claims.

    Example: ``"2 of 3 claims are supported, 1 is undecided."``
    """
    if not page.claims:
        return ""
    counts = Counter(claim.answer for claim in page.claims)
    supported, n = counts["supported"], len(page.claims)
    if n == 1:
        return f"The one claim is {page.claims[0].answer}."
    if supported in (0, n):
        first = f"{'All' if supported else 'None'} of the {n} claims {_are(n)} supported"
    else:
        first = f"{supported} of {n} claims {_are(supported)} supported"
    rest = [f"{counts[w]} {_are(counts[w])} {w}" for w in ANSWERS if w != "supported" and counts[w]]
    return f"{first}{': ' if not supported else ', '}{', '.join(rest)}." if rest else f"{first}."


def claim_line(page: StudyPage, claim: ClaimRow) -> str:
    """Return what a claim compares, in one line."""
    direction = ", less is better" if claim.lower else ""
    against = "above 0" if claim.baseline is None else f"against {claim.baseline}"
    return f"{claim.arm} {against}: {page.heading(claim.metric)}{direction}"


def size_line(page: StudyPage) -> str:
    """Return how large the study is, in one sentence."""
    n = len(page.arms)
    arms = f"{n} arm{'s' if n > 1 else ''}"
    return f"Study “{page.name}”: {arms}, {page.seeds}{' each' if n > 1 else ''}."


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _largest(values: Iterable[float]) -> float:
    return max((abs(value) for value in values if isfinite(value)), default=0.0)
