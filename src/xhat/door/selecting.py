"""Which of many samples may be believed together: by their verdicts, or by a truth asked of some.

A truth that is dear is asked of a random part of the samples. These calibrate which of the others
may be believed, and how far the surrogate is off there; see ``xhat.judges.selection``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_count, generator
from xhat.door.judged import Judged
from xhat.door.judging import as_truth, at_rest, failures, outcomes_by_truth
from xhat.judges import Judge, Outcome, Truth, TruthEvidence, Verdict, Verdicts, ask
from xhat.judges.conformal import samples_needed
from xhat.judges.selection import (
    Selection,
    benjamini_hochberg,
    fewest_selected,
    gap_bounds,
    selection_p_values,
)
from xhat.judges.truth import CHUNK
from xhat.objectives.goals import Goal

__all__ = ["PartVerified", "check_budget", "select_by_truth", "select_by_verdicts"]

Model = Callable[[Tensor], Tensor]
_PART = 512
_NEAREST = 3  # real samples, whose distance says how difficult a sample is


def check_budget(budget: int, n: int, truth: Any, goal: Goal | None) -> int:
    """Return how many of ``n`` samples the truth may be asked of.

    Raises:
        ValueError: more than there are, or nothing that could be asked.
    """
    if truth is None:
        raise ValueError("a budget counts evaluations of the truth; give truth=, a simulator.")
    if goal is None or not goal.targeted:
        what = "no goal came" if goal is None else f"{goal!r} is never met"
        raise ValueError(
            f"the truth is asked whether a goal is met, but {what}; give one, such as "
            f"xhat.AtLeast(70)."
        )
    if check_count("the budget", budget) > n:
        raise ValueError(
            f"the budget is {budget} evaluations of the truth, but there are only {n} samples; "
            f"leave the budget out to verify all of them."
        )
    return budget


def select_by_verdicts(checked: Judged, fdr: float) -> Judged:
    """Trust those of the genuine samples among which few are of another class.

    A sample that is not genuine gets the p-value 1; else its p-value is that of the test for
    meaning, with which a real sample of another class looks as much like the target.
    """
    verdicts: Any = checked.verdicts
    test = verdicts.meaning_test
    if test is None or verdicts.truth is not None:
        return checked
    genuine, p = checked.trusted, test.p.double()
    chosen = benjamini_hochberg(torch.where(genuine, p, 1.0), fdr)
    doubted = torch.tensor([each is Outcome.UNDECIDED for each in verdicts.outcomes])
    unsure = ((genuine | doubted) & ~chosen).nonzero()[:, 0]
    nothing, no = torch.full_like(p, torch.nan), torch.zeros_like(chosen)
    selection = Selection(
        chosen,
        torch.where(genuine | doubted, p, nothing),
        fdr,
        False,
        no,
        no.clone(),
        nothing,
        nothing.clone(),
        unsure[p[unsure].argsort(stable=True)],
    )
    notes = checked.notes
    if bool(genuine.any()) and not bool(chosen.any()):
        count, least = int(genuine.sum()), fdr * int(genuine.sum()) / len(checked)
        notes = (
            *notes,
            f"of {len(checked)} samples {count} are genuine, too few to trust any at a false "
            f"discovery rate of {100 * fdr:g} %: real samples of another class would have to look "
            f"as much like the target in less than {100 * least:.2g} %, which takes at least "
            f"{samples_needed(least)} held-out ones",
        )
    return replace(checked, selection=selection, notes=notes)


def select_by_truth(
    checked: Judged,
    model: Model | None,
    goal: Goal,
    truth: Any,
    *,
    judge: Judge | None,
    budget: int,
    fdr: float,
    seed: int,
) -> Judged:
    """Verify a random part of the samples, and select among the others.

    Args:
        checked: the samples, with verdicts for which the truth was not asked, if there are any.
        model: the surrogate; without one, no sample is more promising than another.
        goal: what is wanted.
        truth: what is asked.
        judge: whose verdicts these are.
        budget: of how many samples the truth is asked.
        fdr: the expected share of false ones among the selected, at most.
        seed: of the random part; with a larger budget it grows.
    """
    asked = as_truth(truth, goal)
    possible = checked.feasible & (checked.reached if model is not None else True)
    pool = possible.nonzero()[:, 0]
    order = torch.randperm(len(pool), generator=generator(seed, "verified"))
    rows = pool[order[:budget]].sort().values
    notes = checked.notes
    if len(pool) < len(checked):
        notes = (
            *notes,
            f"{len(checked) - len(pool)} of {len(checked)} samples break a constraint or do not "
            f"reach the goal by the model itself, so the truth is not asked of them",
        )
    if not len(rows):
        nothing = _Asked(rows, None, torch.full((len(checked),), torch.nan), None)
        return replace(checked, selection=_selection(checked, pool, nothing, fdr), notes=notes)
    labels = goal.labels_for(len(checked))
    evidence = ask(
        _of_rows(asked, goal, rows, len(checked)) if asked is not truth else asked,
        checked.x[rows],
        0.0 if labels is None else labels[rows],
        model,
    )
    notes = (*notes, *failures(asked, evidence, rows))
    y = None if model is None else _outputs(model, checked.x)
    score = torch.ones(len(checked)) if y is None else goal.inside(y).cpu()
    told = _Asked(rows, evidence, score, None if goal.by_class else y)
    selection = _selection(checked, pool, told, fdr)
    notes = (*notes, *_too_few(selection, len(pool)))
    verdicts = _with_truth(checked, judge, labels, rows, evidence, model)
    return replace(checked, selection=selection, verdicts=verdicts, notes=notes)


@dataclass(frozen=True)
class _Asked:
    """What truth and surrogate say: of the samples at ``rows``, and of all."""

    rows: Tensor
    evidence: TruthEvidence | None
    score: Tensor
    y: Tensor | None

    def gaps(self) -> tuple[Tensor, bool] | None:
        """Return the gaps at ``rows``, and whether they have a sign; None if there are none."""
        if self.y is None or self.evidence is None or self.evidence.gap is None:
            return None
        said, true = (each.reshape(len(each), -1).double().cpu() for each in (self.y, self.truth))
        if true.shape[1] > 1 or said.shape[1] > 1:
            return self.evidence.gap, False
        gap = true[:, 0] - said[self.rows, 0]
        return torch.where(self.evidence.failed, torch.nan, gap), True

    @property
    def truth(self) -> Tensor:
        """What the truth gave."""
        assert self.evidence is not None  # noqa: S101 - asked for only then
        return self.evidence.y


def _selection(checked: Judged, pool: Tensor, told: _Asked, fdr: float) -> Selection:
    n = len(checked)
    difficulty = _difficulty(checked)
    score = told.score.double() / difficulty
    verified, meets = torch.zeros(n, dtype=torch.bool), torch.zeros(n, dtype=torch.bool)
    verified[told.rows] = True
    low, p = torch.full((n,), torch.nan, dtype=torch.double), torch.full((n,), torch.nan).double()
    high, signed = low.clone(), True
    others = pool[~verified[pool]]
    chosen = meets.clone()
    if told.evidence is not None:
        meets[told.rows] = told.evidence.holds
        p[others] = selection_p_values(score[others], score[told.rows], meets[told.rows])
        chosen[others] = benjamini_hochberg(p[others], fdr)
        if (known := told.gaps()) is not None:
            gaps, signed = known
            units = difficulty[told.rows], difficulty[others]
            low[others], high[others] = gap_bounds(gaps, units, fdr, signed=signed)
            low[told.rows] = high[told.rows] = gaps.double()
    left = others[~chosen[others]]
    order = left[score[left].argsort(descending=True, stable=True)]
    return Selection(chosen | meets, p, fdr, True, verified, meets, low, high, order, signed)


def _difficulty(checked: Judged) -> Tensor:
    """Return by how much the surrogate may be more off at each sample than at others, 1 or more.

    Beside real samples, 1 and its distance to the nearest of them in units of the typical one.
    """
    near = getattr(checked.verdicts, "near", None)
    if near is None:
        return torch.ones(len(checked), dtype=torch.double)
    away = near.distance[:, :_NEAREST].double().mean(dim=1)
    return 1 + away / away.median().clamp_min(1e-12)


def _too_few(selection: Selection, pool: int) -> tuple[str, ...]:
    """Return why nothing was selected where more evaluations of the truth would help."""
    asked = int(selection.verified.sum())
    others, rate = pool - asked, f"{100 * selection.fdr:g} %"
    if others == 0 or bool(selection.selected.any()):
        return ()
    needed = samples_needed(selection.fdr)
    if asked < needed:
        return (
            f"nothing can be selected at a false discovery rate of {rate} with {asked} verified "
            f"samples; it takes at least {needed}",
        )
    fewest = fewest_selected(asked, others, selection.fdr)
    return (
        f"nothing was selected: with {asked} verified samples a selection at a false discovery "
        f"rate of {rate} holds at least {fewest} of the {others} others, and those that are "
        f"farthest inside the goal miss it too often; a larger budget, a lower goal or a better "
        f"surrogate would help",
    )


def _outputs(model: Model, x: Tensor) -> Tensor:
    with at_rest(model, warn=False), torch.no_grad():
        return torch.cat([model(part) for part in x.split(_PART)])


def _of_rows(truth: Truth, goal: Goal, rows: Tensor, n: int) -> Truth:
    """Return a truth that is asked of some of ``n`` samples, each of which has its own goal."""

    def error(y: Any, _: Any) -> Tensor:
        said = torch.as_tensor(y).double()
        every = said.new_full((n, *said.shape[1:]), torch.nan)
        every[rows] = said
        return goal.off(every)[rows]

    return replace(truth, error=error)


def _with_truth(
    checked: Judged,
    judge: Judge | None,
    labels: Tensor | None,
    rows: Tensor,
    evidence: TruthEvidence,
    model: Model | None,
) -> "PartVerified":
    """Return verdicts in which the truth overrules the judge where it was asked."""
    n, structure = len(checked), checked.certificate
    wanted = None if labels is None else labels[rows]
    if judge is None or not isinstance(base := checked.verdicts, Verdicts):
        none, reached = torch.full((n,), torch.nan), checked.reached if model is not None else None
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
            return "the truth was not asked, and there is no judge"
        return super().meaning
