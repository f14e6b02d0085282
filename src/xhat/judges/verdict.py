"""Verdicts: an outcome for every candidate, and the evidence that led to it, in sentences."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.constraints import Certificate
from xhat.judges.conformal import samples_needed
from xhat.judges.meaning import MeaningTest
from xhat.judges.neighbours import Neighbourhood
from xhat.judges.outcomes import (
    BY_DISTANCE,
    BY_JURY,
    BY_TRUTH,
    BY_TRUTH_ALONE,
    BY_VALUE,
    FRAGILE_BY_JURY,
    FRAGILE_BY_TRUTH,
    RATHER,
    STILL_BY_JURY,
    STILL_BY_TRUTH,
    UNASKED,
    Outcome,
)
from xhat.judges.shift import Shift
from xhat.judges.stability import STABLE
from xhat.judges.truth import TruthEvidence
from xhat.judges.values import MANIFOLD_SHARE, ValueTest

__all__ = ["JURY", "MANIFOLD", "MEMBERS", "Axis", "Verdict", "Verdicts"]

JURY, MEMBERS, MANIFOLD = "jury", "members", "manifold"
_SHOWN = 3  # nearest real samples and likeliest classes that are named


@dataclass(frozen=True)
class Axis:
    """One measurement of ``n`` candidates.

    Attributes:
        name: for people.
        group: ``"jury"``, ``"members"`` or ``"manifold"``.
        value: ``(n,)``: a probability of the target, or a distance.
        typical: the median of real samples.
        p: ``(n,)``, the share of real samples that are at least as unusual on this axis.
        adjusted: ``(n,)``, the share of real samples that are as unusual on any axis; the axis is
            flagged where this is at most ``alpha``.
    """

    name: str
    group: str
    value: Tensor
    typical: float
    p: Tensor
    adjusted: Tensor


@dataclass(frozen=True)
class Verdicts:
    """What a judge says of ``n`` candidates.

    Attributes:
        outcomes: one per candidate.
        target: ``(n,)`` classes; None where there are no classes.
        axes: the evidence, one axis each.
        p: ``(n,)``, the share of real samples that are as unusual as the candidate on any axis.
        surprise: ``(n,)``, the number behind ``p``; it still ranks samples that are more unusual
            than every real one.
        alpha: the probability with which a real sample may be flagged.
        votes: ``(n, members, classes + 1)``, the members' distributions; the last is "none".
        seen: ``(n, classes + 1)``, the pooled distribution of the jury.
        members: the jury's names.
        near: the nearest reference samples, in the first representation.
        near_labels: ``(n, k)``, their classes, if they have any.
        structure: which constraints hold, if any were declared.
        truth: what the truth says, if there is one.
        meaning_test: whether the target is seen more surely than in real samples of other classes;
            None without a jury.
        copied: ``(n,)``, the row of the reference that a candidate is, -1 if none.
        kept: ``(n,)``, the share of copies with small noise at which the surrogate gives the
            target; NaN where it was not asked, None if it never was.
        placed: ``(n, classes + 1)``, what the jury sees once a sample of no class is put where real
            ones lie, or it is pressed for a class; NaN where nothing, None if it was not asked.
        start: ``(n,)``, the class that the jury sees in what a candidate was searched from; -1
            where that tells nothing, None where it is not known.
        calibrated: how many real samples the p-values rest on.
        shift: whether the candidates, taken together, are like the real samples that the judge was
            calibrated on; None where nobody compared them.
        value: what held-out regressors say of a wanted value; None where they were not asked.
        unasked: the goal, as text, of which nobody was asked whether it is met; empty if none.
        beta: the probability with which a real sample of another class may be taken for the target.
    """

    outcomes: tuple[Outcome, ...]
    target: Tensor | None
    axes: tuple[Axis, ...]
    p: Tensor
    surprise: Tensor
    alpha: float
    votes: Tensor | None = None
    seen: Tensor | None = None
    members: tuple[str, ...] = ()
    near: Neighbourhood | None = None
    near_labels: Tensor | None = None
    structure: Certificate | None = None
    truth: TruthEvidence | None = None
    meaning_test: MeaningTest | None = None
    copied: Tensor | None = None
    kept: Tensor | None = None
    placed: Tensor | None = None
    start: Tensor | None = None
    calibrated: int = 0
    shift: Shift | None = None
    value: ValueTest | None = None
    unasked: str = ""
    beta: float = 0.05

    def __len__(self) -> int:
        return len(self.outcomes)

    def __getitem__(self, index: int) -> "Verdict":
        return Verdict(self, range(len(self))[index])

    def __iter__(self) -> Iterator["Verdict"]:
        return (self[i] for i in range(len(self)))

    @property
    def confidence(self) -> Tensor:
        """The jury's probability of the target, ``(n,)``; NaN without a jury."""
        if self.seen is None or self.target is None:
            return torch.full((len(self),), torch.nan)
        return self.seen.gather(1, self.target[:, None])[:, 0]

    @property
    def read(self) -> Tensor | None:
        """What the jury sees of each candidate, where it sees most, ``(n, classes + 1)``."""
        if self.seen is None or self.placed is None:
            return self.seen
        return torch.where(self.placed.isnan(), self.seen, self.placed)

    @property
    def p_of_others(self) -> Tensor | None:
        """The share of real samples that are not what is wanted and look as much like it, ``(n,)``.

        None where neither a class nor a value was looked for.
        """
        test = self.value if self.meaning_test is None else self.meaning_test
        return None if test is None else test.p

    def group(self, name: str) -> tuple[Axis, ...]:
        """Return the axes of one group."""
        return tuple(axis for axis in self.axes if axis.group == name)

    def counts(self, which: Tensor | None = None) -> dict[Outcome, int]:
        """Return how many candidates (of those at ``which``) have each outcome."""
        chosen = range(len(self)) if which is None else which.nonzero()[:, 0].tolist()
        counted = Counter(self.outcomes[i] for i in chosen)
        return {outcome: counted[outcome] for outcome in Outcome}


@dataclass(frozen=True)
class Verdict:
    """One candidate's outcome and evidence; ``explain()`` says it in sentences."""

    whole: Verdicts
    index: int

    @property
    def outcome(self) -> Outcome:
        """What the candidate turned out to be."""
        return self.whole.outcomes[self.index]

    @property
    def meaning(self) -> str:
        """What the outcome means, in words that say no more than was asked and seen."""
        whole = self.whole
        if self.outcome is Outcome.ADVERSARIAL and not self._off:
            if not self._fragile:
                return STILL_BY_JURY if whole.truth is None else STILL_BY_TRUTH
            return FRAGILE_BY_JURY if whole.truth is None else FRAGILE_BY_TRUTH
        if whole.truth is not None:
            found = BY_TRUTH if whole.axes else BY_TRUTH_ALONE
        elif whole.value is not None:
            found = BY_VALUE
        elif whole.seen is None:
            found = UNASKED if whole.unasked else BY_DISTANCE
        else:
            sees = int(whole.seen[self.index].argmax()) == self._target
            found = BY_JURY if sees else BY_JURY | {Outcome.GENUINE: RATHER}
        return found.get(self.outcome, self.outcome.meaning)

    @property
    def rule(self) -> str:
        """Which rule decided, in one sentence."""
        whole, i = self.whole, self.index
        if self.outcome is Outcome.INFEASIBLE and whole.structure is not None:
            return f"Decided by a constraint: {whole.structure.explain(i)}"
        if self.outcome is Outcome.UNREACHED:
            return "Decided by the surrogate, which does not give the target."
        doubted = whole.truth is not None and not bool(whole.truth.holds[i])
        if doubted and whole.truth is not None:
            return f"Decided by the truth: {whole.truth.explain(i)}"
        if not whole.axes:
            return f"Decided by the truth alone: {self._truth()}"
        axis = self._deciding
        share = _share(float(axis.adjusted[i]))
        if self.outcome in (Outcome.GENUINE, Outcome.UNDECIDED):
            if self._copied >= 0:
                return f"A copy of a real sample is on the manifold. {self._compared()}".strip()
            share_of = 1.0 if whole.value is None else MANIFOLD_SHARE
            if whole.calibrated < (needed := samples_needed(share_of * whole.alpha)):
                return (
                    f"Nothing can be unusual: {whole.calibrated} real samples tell what is usual, "
                    f"and it takes {needed} to say that at most {_share(whole.alpha)} look so. "
                    f"More real samples would help."
                )
            return (
                f"Nothing is unusual: {share} of real samples look as unusual on some axis, "
                f"and it takes {_share(whole.alpha)} or less to be flagged. {self._compared()}"
            ).strip()
        flagged = (
            f"Decided by {axis.name}: only {share} of real samples look as unusual on any axis "
            f"({_share(whole.alpha)} or less is flagged)."
        )
        if self.outcome is Outcome.ADVERSARIAL and not self._off:
            return f"{flagged} {self._stability() if self._fragile else self._began()}"
        return flagged

    def explain(self) -> str:
        """Return the evidence as lines of text: outcome, rule, judges, distances, neighbours."""
        whole, i = self.whole, self.index
        named = str(self.outcome).replace("_", " ")
        lines = [f"{named}: {self.meaning}.", self.rule]
        if whole.votes is not None and whole.target is not None:
            lines += [self._seen(), self._members()]
        sure = (Outcome.GENUINE, Outcome.UNDECIDED)
        if whole.value is not None and (whole.truth is not None or self.outcome not in sure):
            lines.append(f"{whole.value.told(i)}.")
        lines += [self._distance(axis) for axis in whole.group(MANIFOLD)]
        lines += [told for told in (self._stability(), self._began()) if told]
        if whole.placed is not None and not bool(whole.placed[i].isnan().any()):
            seen = self._classes(whole.placed[i])
            lines.append(
                f"Put where real samples lie, or pressed for a class, held-out judges read it: "
                f"they see {seen}."
            )
        if whole.near is not None:
            lines.append(f"Nearest real samples: {', '.join(self.nearest_names())}.")
        if self._copied >= 0:
            lines.append(f"This is reference row {self._copied} itself, so nothing new was found.")
        if whole.structure is not None and self.outcome is not Outcome.INFEASIBLE:
            lines.append(whole.structure.explain(i))
        if whole.truth is not None and bool(whole.truth.holds[i]):
            lines.append(whole.truth.explain(i))
        return "\n".join(lines)

    def _stability(self) -> str:
        kept = torch.nan if self.whole.kept is None else float(self.whole.kept[self.index])
        if math.isnan(kept):
            return ""
        return (
            f"With noise that moves it a quarter as far as real neighbours lie apart, the "
            f"surrogate keeps its answer {_share(kept)} of the time (a natural error: "
            f"{_share(STABLE)} or more)."
        )

    @property
    def _fragile(self) -> bool:
        """Whether the surrogate's answer does not survive small noise."""
        return self.whole.kept is not None and float(self.whole.kept[self.index]) < STABLE

    def _began(self) -> str:
        start = -1 if self.whole.start is None else int(self.whole.start[self.index])
        read = self.whole.read
        if start < 0 or read is None:
            return ""
        same = int(read[self.index].argmax()) == start
        return (
            f"It was searched from what held-out judges see as {start}, and they "
            f"{'still do' if same else 'no longer do'}."
        )

    @property
    def _off(self) -> bool:
        """Whether an axis of the manifold is unusual."""
        if self._copied >= 0:
            return False
        return any(
            float(axis.adjusted[self.index]) <= self.whole.alpha
            for axis in self.whole.group(MANIFOLD)
        )

    @property
    def _target(self) -> int:
        return -1 if self.whole.target is None else int(self.whole.target[self.index])

    @property
    def _copied(self) -> int:
        return -1 if self.whole.copied is None else int(self.whole.copied[self.index])

    def _compared(self) -> str:
        """Say how surely the target is seen, beside real samples of other classes."""
        whole, i = self.whole, self.index
        if whole.truth is not None:
            return ""
        if whole.value is not None:
            return whole.value.explain(i)
        if whole.unasked:
            return _unasked(whole.unasked)
        if whole.seen is None or whole.meaning_test is None:
            return "No class was asked for."
        test, seen = whole.meaning_test, whole.seen[i]
        told = (
            f"The judges give {_share(float(seen[self._target]))} to {self._target}; "
            f"{_share(float(test.p[i]))} of real samples of other classes get as much"
        )
        if self.outcome is Outcome.GENUINE:
            return f"{told}, and {_share(test.beta)} may."
        if (have := int(test.known[i])) < test.needed:
            return (
                f"{told}: only {have} of them were held out, and it takes {test.needed} to say "
                f"that at most {_share(test.beta)} do. More real samples would help."
            )
        first = int(seen.argmax())
        why = (
            "these judges confuse classes too often to tell"
            if first == self._target
            else f"they rather see {_class(first, len(seen))}, which is not rare enough among real "
            f"samples to be called mistaken"
        )
        return (
            f"{told}, and only {_share(test.beta)} may: {why}. Better judges would help, such as "
            f"those trained on more real samples."
        )

    def _truth(self) -> str:
        whole = self.whole
        return "it was not asked." if whole.truth is None else whole.truth.explain(self.index)

    def nearest_names(self) -> list[str]:
        """Return what the nearest real samples are, such as ``"12 (a 3, at 5.10)"``."""
        whole, i = self.whole, self.index
        if whole.near is None:
            return []
        labels = whole.near_labels
        return [
            f"{int(index)} ({'' if labels is None else f'a {int(labels[i, j])}, '}"
            f"at {float(distance):.2f})"
            for j, (index, distance) in enumerate(
                zip(whole.near.index[i, :_SHOWN], whole.near.distance[i, :_SHOWN], strict=True)
            )
        ]

    @property
    def _deciding(self) -> Axis:
        """The most unusual of the axes that the outcome rests on."""
        whole = self.whole
        manifold = whole.group(MANIFOLD)
        readers = (*whole.group(JURY), *whole.group(MEMBERS))
        by_meaning = (Outcome.MISTAKEN, Outcome.AMBIGUOUS, Outcome.ADVERSARIAL)
        if whole.truth is not None or (
            self._off and self.outcome in (Outcome.ADVERSARIAL, Outcome.OFF_MANIFOLD)
        ):
            axes = manifold  # the truth overrules the jury
        elif readers and (self._copied >= 0 or self.outcome in by_meaning):
            axes = readers
        else:
            axes = whole.axes
        return min(axes, key=lambda axis: float(axis.adjusted[self.index]))

    def _seen(self) -> str:
        whole, i = self.whole, self.index
        if whole.seen is None:
            return ""
        seen = self._classes(whole.seen[i])
        return f"Held-out judges, asked for {self._target}, see {seen}."

    @staticmethod
    def _classes(seen: Tensor) -> str:
        best = torch.topk(seen, min(_SHOWN, len(seen)))
        return ", ".join(
            f"{_class(int(k), len(seen))} {_share(float(p))}"
            for p, k in zip(best.values, best.indices, strict=True)
            if float(p) >= 0.005
        )

    def _members(self) -> str:
        whole, i = self.whole, self.index
        if whole.votes is None or whole.target is None:
            return ""
        said = "; ".join(
            f"{name} {_share(float(votes[self._target]))}"
            for name, votes in zip(whole.members, whole.votes[i], strict=True)
        )
        unusual = min(
            (*whole.group(JURY), *whole.group(MEMBERS)), key=lambda axis: float(axis.adjusted[i])
        )
        return (
            f"Their probabilities of {self._target}: {said}. Most unusual is {unusual.name}: "
            f"{_share(float(unusual.p[i]))} of real samples get as little."
        )

    def _distance(self, axis: Axis) -> str:
        i = self.index
        flagged = float(axis.adjusted[i]) <= self.whole.alpha
        return (
            f"{axis.name[:1].upper()}{axis.name[1:]}: {float(axis.value[i]):.2f} (real samples: "
            f"about {axis.typical:.2f}), {'unusual' if flagged else 'usual'}; "
            f"{_share(float(axis.p[i]))} of real samples are as far out."
        )


def _unasked(goal: str) -> str:
    return (
        f"Nobody was asked whether {goal} is met: what is known of real samples (values= of the "
        f"domain, or labels= for a class), or a truth (truth=, with a budget= if it is dear), "
        f"would tell."
    )


def _class(index: int, total: int) -> str:
    return "no class" if index == total - 1 else str(index)


def _share(p: float) -> str:
    if 0 < p < 0.001:
        return f"{100 * p:.2f} %"
    return f"{100 * p:.1f} %" if p < 0.1 else f"{100 * p:.0f} %"
