"""Verdicts of samples of which a truth was asked of some: there it has the last word."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xhat.door.judged import Judged
from xhat.door.judging import outcomes_by_truth
from xhat.judges import Judge, Outcome, Truth, TruthEvidence, Verdict, Verdicts
from xhat.judges.truth import CHUNK

__all__ = ["PartVerified", "with_truth"]


@dataclass(frozen=True)
class PartVerified(Verdicts):
    """Verdicts of samples of which the truth was asked of some.

    Attributes:
        answered: the verdicts of those, in which the truth has its word.
        place: ``(n,)``, where each sample is among those; -1 where the truth was not asked.
    """

    answered: Verdicts | None = None
    place: Tensor | None = None

    def __getitem__(self, index: int) -> Verdict:
        index = range(len(self))[index]
        at = -1 if self.place is None else int(self.place[index])
        if at >= 0 and self.answered is not None:
            return self.answered[at]
        return Verdict(self, index) if self.axes else _Unasked(self, index)


class _Unasked(Verdict):
    """The verdict of a sample of which nobody was asked."""

    @property
    def meaning(self) -> str:
        if self.outcome is Outcome.UNDECIDED:
            return (
                "the truth was not asked of it, and no domain was given, so nobody judges it; a "
                "larger budget would help, or real samples: domain=…"
            )
        return super().meaning


def with_truth(
    checked: Judged,
    judge: Judge | None,
    labels: Tensor | None,
    rows: Tensor,
    evidence: TruthEvidence,
    *,
    asked_model: bool,
) -> "PartVerified":
    """Return verdicts in which the truth overrules the judge where it was asked.

    Args:
        checked: ``n`` samples, with the judge's verdicts, if there is one.
        judge: whose they are.
        labels: ``(n,)`` wanted classes, or None.
        rows: ``(b,)``, of which samples the truth was asked.
        evidence: what it said of them.
        asked_model: whether a model said which samples reach the goal.
    """
    n, structure = len(checked), checked.certificate
    wanted = None if labels is None else labels[rows]
    if judge is None or not isinstance(base := checked.verdicts, Verdicts):
        none, reached = torch.full((n,), torch.nan), checked.reached if asked_model else None
        outcomes = outcomes_by_truth(structure, reached, [Outcome.UNDECIDED] * n)
        base = Verdicts(outcomes, labels, (), none, none, 0.05, structure=structure)
        held = [Outcome.GENUINE if holds else Outcome.MISTAKEN for holds in evidence.holds.tolist()]
        answered = Verdicts(tuple(held), wanted, (), none[rows], none[rows], 0.05, truth=evidence)
    else:
        known = iter(evidence.y.split(CHUNK))  # as it is asked
        told = Truth(lambda _: next(known), lambda *_: evidence.error, evidence.tolerance)
        answered = judge.judge(checked.x[rows], wanted, truth=told)
        answered = replace(answered, truth=evidence)
    if structure is not None:
        answered = replace(
            answered, structure=replace(structure, violation=structure.violation[rows])
        )
    place = torch.full((n,), -1)
    place[rows] = torch.arange(len(rows))
    outcomes = list(base.outcomes)
    for i, outcome in zip(rows.tolist(), answered.outcomes, strict=True):
        outcomes[i] = outcome
    parts: dict[str, Any] = vars(base) | {"outcomes": tuple(outcomes)}
    return PartVerified(**parts, answered=answered, place=place)
