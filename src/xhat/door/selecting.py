"""Which of many samples may be believed together: by their verdicts, or by a truth asked of some.

A truth that is dear is asked of a random part of the samples. These calibrate which of the others
may be believed, and how far the surrogate is off there; see ``xhat.judges.selection``. The score of
a sample is how far inside the goal the surrogate sees it, in units of how difficult it is: of its
distance to real samples, where there are some. Where enough are verified, a third of them, which
then calibrates nothing, teaches where the surrogate errs (``xhat.judges.gap_process``), and the
score is the margin that is left after that, in standard deviations.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_count, generator
from xhat.door.judged import Judged
from xhat.door.judging import as_truth, asked_again, at_rest, failures
from xhat.door.part_verified import with_truth
from xhat.judges import Judge, Outcome, Truth, TruthEvidence, ask
from xhat.judges.conformal import samples_needed
from xhat.judges.gap_process import GapProcess
from xhat.judges.selection import (
    Selection,
    benjamini_hochberg,
    fewest_selected,
    gap_bounds,
    selection_p_values,
)
from xhat.objectives.goals import Goal

__all__ = ["check_budget", "select_by_truth", "select_by_verdicts"]

Model = Callable[[Tensor], Tensor]
_PART = 512
_NEAREST = 3  # real samples, whose distance says how difficult a sample is
_TAUGHT, _FEWEST = 3, 10  # one of so many verified samples teaches, where these are enough


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
    """Trust those of the genuine samples among which few are of another class or value.

    A sample that is not genuine gets the p-value 1; else its p-value is that of the test for
    meaning, with which a real sample of another class (or value) looks as much like the target.
    """
    verdicts: Any = checked.verdicts
    if (others := verdicts.p_of_others) is None or verdicts.truth is not None:
        return checked
    genuine, p = checked.trusted, others.double()
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
            f"discovery rate of {100 * fdr:g} %: real samples of another kind would have to look "
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
    pool = (checked.feasible & (checked.reached if model is not None else True)).nonzero()[:, 0]
    rows = pool[torch.randperm(len(pool), generator=generator(seed, "verified"))[:budget]]
    notes = checked.notes
    if len(pool) < len(checked):
        notes = (
            *notes,
            f"{len(checked) - len(pool)} of {len(checked)} samples break a constraint or do not "
            f"reach the goal by the model itself, so the truth is not asked of them",
        )
    asked, labels = as_truth(truth, goal, checked.layout), goal.labels_for(len(checked))
    choice = _Choice(checked, model, goal, pool, rows, fdr)
    if not len(rows):
        return replace(checked, selection=choice.select(None, ours=False), notes=notes)
    with asked_again(model):
        evidence = ask(
            asked if asked is truth else _of_rows(asked, goal, rows, len(checked)),
            checked.x[rows],
            0.0 if labels is None else labels[rows],
            model,
        )
    selection = choice.select(evidence, ours=asked is not truth)
    notes = (*notes, *failures(asked, evidence, rows), *choice.too_few(selection))
    verdicts = with_truth(checked, judge, labels, rows, evidence, asked_model=model is not None)
    return replace(checked, selection=selection, verdicts=verdicts, notes=notes)


class _Choice:
    """What is known before the truth is asked of ``rows``, a random part of the ``pool``."""

    def __init__(
        self,
        checked: Judged,
        model: Model | None,
        goal: Goal,
        pool: Tensor,
        rows: Tensor,
        fdr: float,
    ) -> None:
        self.n, self.goal, self.pool, self.rows, self.fdr = len(checked), goal, pool, rows, fdr
        self.y = None if model is None else _outputs(model, checked.x).double().cpu()
        self.margin = torch.ones(self.n).double() if self.y is None else goal.inside(self.y)
        self.difficulty = _difficulty(checked)
        self.x = checked.x.detach().flatten(1).double().cpu()
        few, needed = len(rows) // _TAUGHT, samples_needed(fdr)
        enough = few >= _FEWEST and len(rows) - few >= 2 * needed
        self.taught = few if enough and self.y is not None and not goal.by_class else 0

    def select(self, evidence: TruthEvidence | None, *, ours: bool) -> Selection:
        """Return the selection, by what the truth said of ``rows``; None where there are none.

        Args:
            evidence: what it said.
            ours: whether the goal itself decides by the outputs of the truth.
        """
        if not ours:
            self.taught = 0
        no, nothing = torch.zeros(self.n, dtype=torch.bool), torch.full((self.n,), torch.nan)
        verified, meets, chosen = no.clone(), no.clone(), no.clone()
        low, high, p = (nothing.double() for _ in range(3))
        verified[self.rows] = True
        others, score, signed = self.pool[~verified[self.pool]], self.margin / self.difficulty, True
        if evidence is not None:
            meets[self.rows] = evidence.holds
            if self.taught:
                gained, unit = self._expected(self._gained(evidence))
                score = (self.margin + gained) / unit
            known = self.rows[self.taught :]
            p[others] = selection_p_values(score[others], score[known], meets[known])
            chosen[others] = benjamini_hochberg(p[others], self.fdr)
            signed = self._bound(evidence, others, low, high)
        left = others[~chosen[others]]
        order = left[score[left].argsort(descending=True, stable=True)]
        return Selection(
            chosen | meets, p, self.fdr, True, verified, meets, low, high, order, signed
        )

    def too_few(self, selection: Selection) -> tuple[str, ...]:
        """Return why nothing was selected, where more evaluations of the truth would help."""
        known = len(self.rows) - self.taught
        others, rate = len(self.pool) - len(self.rows), f"{100 * self.fdr:g} %"
        if others == 0 or bool(selection.selected.any()):
            return ()
        if known < (needed := samples_needed(self.fdr)):
            return (
                f"nothing can be selected at a false discovery rate of {rate} with {known} "
                f"verified samples; it takes at least {needed}",
            )
        fewest = fewest_selected(known, others, self.fdr)
        return (
            f"nothing was selected: with {len(self.rows)} verified samples a selection at a false "
            f"discovery rate of {rate} holds at least {fewest} of the {others} others, and those "
            f"that look best miss the goal too often; a larger budget, a lower goal or a better "
            f"surrogate would help",
        )

    def _gained(self, evidence: TruthEvidence) -> Tensor:
        """Return by how much the truth is farther inside the goal than the surrogate, ``(b,)``."""
        gained = self.goal.inside(_spread(evidence.y, self.rows, self.n))[self.rows]
        gained = gained - self.margin[self.rows]
        worst = gained[~evidence.failed].amin() if bool((~evidence.failed).any()) else -1.0
        return torch.where(evidence.failed, worst, gained)  # a failure is as bad as can be

    def _expected(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation at all samples, from the values at those that teach."""
        taught = self.rows[: self.taught]
        known = ~(given := values[: self.taught]).isnan()
        if int(known.sum()) < 2:
            return torch.zeros(self.n).double(), self.difficulty
        middle, spread = self.x[self.pool].mean(dim=0), self.x[self.pool].std(dim=0)
        features = (self.x - middle) / spread.clamp_min(1e-12)
        return GapProcess.fit(features[taught[known]], given[known])(features)

    def _bound(self, evidence: TruthEvidence, others: Tensor, low: Tensor, high: Tensor) -> bool:
        """Fill in the gaps of all samples; return whether they have a sign."""
        if self.y is None or self.goal.by_class or evidence.gap is None:
            return True
        said, true = self.y.flatten(1) if self.y.ndim > 1 else self.y[:, None], evidence.y
        true = true.double().reshape(len(true), -1)
        gaps, signed = evidence.gap, said.shape[1] == true.shape[1] == 1
        middle, unit = torch.zeros(self.n).double(), self.difficulty
        if signed:
            gaps = torch.where(evidence.failed, torch.nan, true[:, 0] - said[self.rows, 0])
            middle, unit = self._expected(gaps) if self.taught else (middle, unit)
        known = self.rows[self.taught :]
        ends = gap_bounds(
            gaps[self.taught :] - middle[known],
            (unit[known], unit[others]),
            self.fdr,
            signed=signed,
        )
        low[others], high[others] = (middle[others] + end for end in ends)
        low[self.rows] = high[self.rows] = gaps.double()
        return signed


def _difficulty(checked: Judged) -> Tensor:
    """Return by how much the surrogate may be more off at each sample than at others, 1 or more.

    Beside real samples, 1 and its distance to the nearest of them in units of the typical one.
    """
    near = getattr(checked.verdicts, "near", None)
    if near is None:
        return torch.ones(len(checked), dtype=torch.double)
    away = near.distance[:, :_NEAREST].double().mean(dim=1)
    return 1 + away / away.median().clamp_min(1e-12)


def _outputs(model: Model, x: Tensor) -> Tensor:
    with at_rest(model, warn=False), torch.no_grad():
        return torch.cat([model(part) for part in x.split(_PART)])


def _of_rows(truth: Truth, goal: Goal, rows: Tensor, n: int) -> Truth:
    """Return a truth that is asked of some of ``n`` samples, each of which has its own goal."""
    return replace(truth, error=lambda y, _: goal.off(_spread(y, rows, n))[rows])


def _spread(y: Any, rows: Tensor, n: int) -> Tensor:
    """Return outputs of ``n`` samples, NaN where they are not known."""
    said = torch.as_tensor(y).double()
    return said.new_full((n, *said.shape[1:]), torch.nan).index_put((rows,), said)
