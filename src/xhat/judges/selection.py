"""Which of many samples may be believed, with a bounded share of false ones among them.

A p-value speaks of one sample. Of a thousand false ones a share ``alpha`` passes any test at level
``alpha``, and where true ones are rare these may be most of what passes. Benjamini's and Hochberg's
rule bounds instead the *false discovery rate*: the expected share of false ones among those that
are chosen.

Where a truth can be asked of a few samples, they calibrate the choice among the others (conformal
selection). A random part is verified. Each other sample ``j`` has a score ``s_j``, larger where the
goal is more surely met, and the p-value::

    p_j = (1 + #{verified i that miss the goal: s_i >= s_j}) / (1 + #{verified})

that is, the conformal p-value of a score that is clipped to minus infinity where the goal is met.
Benjamini's and Hochberg's rule on these keeps the false discovery rate at the rate asked, whatever
the score, the surrogate and the samples are, as long as chance alone said which are verified: then
a verified sample and another one may change places. A better score selects more.

Likewise the gap of the surrogate: that of a new sample lies between quantiles of the gaps of the
verified ones (split conformal prediction), in units of how difficult each sample is.

Sources: Jin, Candès, "Selection by Prediction with Conformal p-values", JMLR 24, 2023; Benjamini,
Hochberg, "Controlling the False Discovery Rate", JRSS B 57, 1995; Lei et al., "Distribution-Free
Predictive Inference for Regression", JASA 113, 2018 (residuals scaled by difficulty).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import false_discovery_control
from torch import Tensor

from xhat.core import check_fraction, short
from xhat.judges.conformal import p_value

__all__ = ["Selection", "benjamini_hochberg", "fewest_selected", "gap_bounds", "selection_p_values"]

_ROUNDING = 1 + 1e-9


def benjamini_hochberg(p: Tensor, fdr: float) -> Tensor:
    """Return which hypotheses to reject, so that at most a share ``fdr`` of them is true.

    That is the expected share, for p-values that are independent or positively dependent, as
    conformal ones are.

    Args:
        p: ``(n,)`` p-values in [0, 1].
        fdr: in (0, 1).

    Returns:
        ``(n,)`` booleans.

    Example:
        >>> benjamini_hochberg(torch.tensor([0.01, 0.9, 0.03, 0.2]), 0.1).tolist()
        [True, False, True, False]
    """
    check_fraction("fdr", fdr)
    if not len(p):
        return torch.zeros(0, dtype=torch.bool)
    adjusted = torch.from_numpy(false_discovery_control(p.double().numpy()))
    return adjusted <= fdr * _ROUNDING


def selection_p_values(scores: Tensor, verified: Tensor, meets: Tensor) -> Tensor:
    """Return how far verified samples speak against "it misses the goal", for each other sample.

    Args:
        scores: ``(m,)`` of the samples that were not verified; larger is better.
        verified: ``(b,)`` scores of those that were, a random part of all.
        meets: ``(b,)`` booleans, whether they meet the goal.

    Returns:
        ``(m,)``, no smaller than ``1 / (b + 1)``.

    Example:
        >>> verified, meets = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([False, True, True])
        >>> selection_p_values(torch.tensor([0.5, 1.0, 2.5]), verified, meets).tolist()
        [0.5, 0.5, 0.25]
    """
    clipped = verified.double().masked_fill(meets, -torch.inf)
    return p_value(clipped.sort().values, scores.double())


def fewest_selected(verified: int, others: int, fdr: float) -> int:
    """Return how many samples a selection holds at least, if it holds any.

    With few verified samples no p-value is small, and only a large selection is possible. More than
    ``others`` means that none is, which is so below ``1 / fdr - 1`` verified samples.

    Example:
        >>> fewest_selected(20, 180, 0.1), fewest_selected(8, 9, 0.1)
        (86, 10)
    """
    return math.ceil(others / (fdr * (verified + 1)) / _ROUNDING)


def gap_bounds(
    gaps: Tensor,
    difficulty: tuple[Tensor, Tensor],
    miss: float,
    *,
    signed: bool,
) -> tuple[Tensor, Tensor]:
    """Return between which ends the gap of each new sample lies.

    Args:
        gaps: ``(b,)`` of verified samples, a random part of all; NaN where the truth failed. These
            are left out: the ends are for samples of which the truth gives an answer.
        difficulty: ``(b,)`` and ``(m,)``, above 0, of the verified and of the new samples.
        miss: the probability, in (0, 1), with which a new sample's gap may lie outside.
        signed: whether gaps may be below 0; each end then takes half of ``miss``.

    Returns:
        Both ends, ``(m,)`` each; infinite where the verified samples are too few.

    Example:
        >>> low, high = gap_bounds(torch.arange(-9.0, 10.0), (torch.ones(19), torch.ones(1)), 0.1,
        ...     signed=True)
        >>> low.tolist(), high.tolist()
        ([-9.0], [9.0])
    """
    check_fraction("miss", miss)
    known, new = (each.double() for each in difficulty)
    scaled = (gaps.double() / known)[~gaps.isnan()]
    share = miss / 2 if signed else miss
    high = new * _upper(scaled, share)
    if not signed:
        return torch.zeros_like(high), high
    return -new * _upper(-scaled, share), high


def _upper(values: Tensor, miss: float) -> float:
    """Return what a further value exceeds with probability at most ``miss``."""
    beyond = math.floor(miss * (len(values) + 1) * _ROUNDING)
    return math.inf if beyond < 1 else float(values.sort().values[len(values) - beyond])


@dataclass(frozen=True, eq=False)
class Selection:
    """Which of ``n`` samples may be believed, and which to simulate next.

    Attributes:
        chosen: ``(n,)`` booleans: verified and found to meet the goal, or selected.
        p: ``(n,)``, the p-value of each sample that might be selected; NaN for the others.
        fdr: the expected share of false ones among the selected, at most.
        by_truth: whether the truth was asked of some; else the verdicts alone said who may be
            believed, and *false* means a real sample of another class.
        verified: ``(n,)`` booleans: the truth was asked.
        meets: ``(n,)`` booleans: and it gives the goal.
        low: ``(n,)``, the least gap of each sample, with probability ``1 - fdr`` together with
            ``high``; both are the gap itself where it was verified, and NaN where nothing is known.
        high: ``(n,)``, the largest.
        next: ``(k,)``, which samples to simulate next, the most promising first.
        signed: whether the gap is truth minus surrogate; else its root mean square over outputs.
    """

    chosen: Tensor
    p: Tensor
    fdr: float
    by_truth: bool
    verified: Tensor
    meets: Tensor
    low: Tensor
    high: Tensor
    next: Tensor
    signed: bool = True

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def selected(self) -> Tensor:
        """Which are believed without having been verified, ``(n,)`` booleans."""
        return self.chosen & ~self.verified

    def summary(self) -> str:
        """Return one line: how many are believed, and why."""
        rate, chosen = f"{100 * self.fdr:g} %", int(self.selected.sum())
        if not self.by_truth:
            return f"{chosen} trusted at a false discovery rate of {rate}"
        asked, others = int(self.verified.sum()), int((~self.p.isnan()).sum())
        return (
            f"{asked} verified, of which {int(self.meets.sum())} meet the goal; of the {others} "
            f"others {chosen} selected at a false discovery rate of {rate}"
        )

    def promise(self) -> str:
        """Return what is guaranteed of those that are selected, and what is not."""
        rate = f"{100 * self.fdr:g} %"
        if self.by_truth:
            of_gaps = (
                f" Where the truth answers at all, the interval of the gap misses with a "
                f"probability of {rate}, over all samples alike, not over those alone that were "
                f"selected."
            )
            return (
                f"Those that were selected without being verified are expected to hold at most "
                f"{rate} that miss the goal by the truth. This holds on average over the random "
                f"choice of those that were verified, for whatever model and samples; it is not "
                f"said of each single one, nor of those that look best among them."
                f"{'' if bool(self.low.isnan().all()) else of_gaps}"
            )
        return (
            f"Of the trusted samples at most {rate} are expected to be real samples of another "
            f"class than asked. Nothing is promised of what is no real sample at all, such as what "
            f"was searched against these very judges: how often that is called genuine is measured "
            f"by the self-test."
        )

    def explain(self, i: int) -> str:
        """Return what is said of sample ``i``, in a sentence or two."""
        i = range(len(self))[i]
        p, rate = float(self.p[i]), f"{100 * self.fdr:g} %"
        if bool(self.verified[i]):
            said = "gives" if bool(self.meets[i]) else "does not give"
            return f"Verified: the truth {said} the goal.{self._gap(i)}"
        if bool(self.chosen[i]):
            kind = "selected" if self.by_truth else "trusted"
            count = int(self.selected.sum())
            return f"One of {count} {kind}, of which at most {rate} are expected to be false" + (
                f" (p = {short(p)}).{self._gap(i)}"
            )
        place = (self.next == i).nonzero()
        if not len(place):
            return "It is not considered: a constraint, the model or a judge speaks against it."
        left = f"Not believed at a false discovery rate of {rate} (p = {short(p)})"
        if not self.by_truth:
            return f"{left}."
        return f"{left}; number {int(place[0]) + 1} of those to simulate next.{self._gap(i)}"

    def _gap(self, i: int) -> str:
        low, high = float(self.low[i]), float(self.high[i])
        if low != low or high != high:
            return ""
        gap = "Truth minus surrogate" if self.signed else "The gap of the surrogate"
        if bool(self.verified[i]):
            return f" {gap} is {short(low)}."
        if math.isinf(high) and (math.isinf(low) or not self.signed):
            return " Too few were verified to bound the gap of the surrogate."
        return (
            f" {gap} lies between {short(low)} and {short(high)} with a probability of "
            f"{100 * (1 - self.fdr):g} %."
        )

    def columns(self) -> dict[str, Any]:
        """Return one column for each name, of length ``n``; ``next`` counts from 1, 0 is none."""
        place = torch.zeros(len(self), dtype=torch.long)
        place[self.next] = torch.arange(1, len(self.next) + 1)
        told = {"trusted": self.chosen, "selection_p": self.p, "next": place}
        if self.by_truth:
            told |= {"verified": self.verified, "meets": self.meets}
            told |= {"gap_low": self.low, "gap_high": self.high}
        return {name: column.numpy() for name, column in told.items()}

    @classmethod
    def of_columns(cls, columns: Mapping[str, Any], fdr: float, *, signed: bool) -> "Selection":
        """Return what ``columns`` made columns of."""

        def tensor(name: str) -> Tensor:
            return torch.from_numpy(columns[name].copy())

        chosen, p, place = map(tensor, ("trusted", "selection_p", "next"))
        by_truth, no, nothing = "verified" in columns, chosen & False, torch.full_like(p, torch.nan)
        return cls(
            chosen=chosen,
            p=p,
            fdr=fdr,
            by_truth=by_truth,
            verified=tensor("verified") if by_truth else no,
            meets=tensor("meets") if by_truth else no,
            low=tensor("gap_low") if by_truth else nothing,
            high=tensor("gap_high") if by_truth else nothing,
            next=place.argsort(stable=True)[int((place == 0).sum()) :],
            signed=signed,
        )
