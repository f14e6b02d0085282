"""The judge: several axes of evidence, calibrated on real data, one outcome per candidate.

Axes come in three groups. *Jury* and *members*: how little probability the jury as a whole, and
each held-out classifier in it, gives to the target. *Manifold*: how far from real data the sample
is, seen in several ways. Every axis and all of them together give conformal p-values
(``xhat.judges.conformal``); a candidate is *flagged* on an axis whose adjusted p-value is at most
``alpha``. So a real sample is flagged with probability at most ``alpha``. Of ten such real samples,
six are flagged because of the jury, one because of a member and three because of the manifold,
about. What is not flagged is genuine only if the jury besides sees the target more surely than in
real samples of other classes (``xhat.judges.meaning``), which happens to a real sample of another
class with probability at most ``beta``. Where a *value* is wanted instead of a class, held-out
regressors take the place of the jury (``xhat.judges.values``).

The outcome of what is flagged follows in this order (see ``Outcome``):

1. a constraint is violated, certified in float64 → infeasible; the surrogate does not give the
   target → unreached
2. flagged, and the jury gives "none of the classes" more than it gives to 99 in 100 real samples,
   or sees no class clearly in what is farther from all real samples than another class typically
   is, also when the sample is put where real ones lie (``Place``), and the jury, pressed for a
   class, does not name that of the search's start (``Jury.pressed``) → out of distribution
3. flagged on the manifold: the jury (or the truth) sees the target → off manifold; else →
   adversarial
4. flagged by meaning alone: the majority goes to another class, or the truth says no → mistaken, if
   the surrogate keeps its answer under small noise (``share_kept``), or is not known, and the class
   is not that of the search's start; else → adversarial. The target is seen, but for some
   probability of no class → off manifold. The judges are split between classes → ambiguous
5. nothing is flagged: too few real samples to notice; or the target is not what the jury sees
   first, or not seen more surely than in real samples of other classes; or nobody was asked
   whether the goal is met → undecided; else → genuine
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from xhat.constraints import Constraint, certify
from xhat.core import check_fraction, check_rows
from xhat.executors import Workers
from xhat.judges.axes import ManifoldAxis
from xhat.judges.conformal import Calibration, Weighed, samples_needed
from xhat.judges.deciding import Evidence, decide
from xhat.judges.families import State
from xhat.judges.fitting import (
    crossed_scores,
    default_axes,
    default_jury,
    learnt,
    lesson_of,
    split_reference,
)
from xhat.judges.independence import check_independent
from xhat.judges.inputs import (
    check_labelled,
    check_reached,
    check_samples,
    check_target,
)
from xhat.judges.juries import crossed_votes
from xhat.judges.jury import Jury
from xhat.judges.meaning import asked_for_others, compare_with_others
from xhat.judges.neighbours import Neighbourhood, Neighbours
from xhat.judges.passes import one_pass
from xhat.judges.placing import Place
from xhat.judges.shift import Shift, rows_alike, shift_of
from xhat.judges.stability import Noise, gives, share_kept
from xhat.judges.statistics import CalibrationStatistics
from xhat.judges.truth import Truth, ask
from xhat.judges.values import MANIFOLD_SHARE, VALUE, ValueJudge, Wanted
from xhat.judges.verdict import JURY, MANIFOLD, MEMBERS, Axis, Verdicts

__all__ = ["Judge"]

_LEAST = 1e-6  # the probability below which a class is as good as not seen
_STILL = 0.9  # of a pressed jury, that the class of the start is still there
_ASKED = 400  # real samples that tell what is far


@dataclass(frozen=True)
class Judge:
    """Held-out classifiers, distances to real samples, and their calibration: it gives verdicts.

    Attributes:
        jury: the held-out classifiers; None without labels.
        manifold: the axes that measure the distance from real data.
        calibration: which scores are typical of real samples, on every axis.
        usual: statistics of the calibration samples.
        reference: ``(m, *x_shape)``, the real samples that distances are measured to.
        labels: ``(m,)``, their classes; None without any.
        alpha: the probability, in (0, 1), with which a real sample may be flagged.
        beta: the probability, in (0, 1), with which a real sample of another class may be taken for
            the target.
        values: held-out regressors, for goals on a value; None where no values are known.
    """

    jury: Jury | None
    manifold: tuple[ManifoldAxis, ...]
    calibration: Calibration
    usual: CalibrationStatistics
    reference: Tensor
    labels: Tensor | None
    alpha: float
    beta: float = 0.05
    values: ValueJudge | None = None

    @classmethod
    def fit(
        cls,
        reference: Tensor,
        labels: Tensor | None = None,
        *,
        values: Tensor | None = None,
        alpha: float = 0.05,
        beta: float = 0.05,
        seed: int = 0,
        on_progress: Callable[[str, int, int], None] | None = None,
        state: State | None = None,
        workers: Workers | int | None = None,
    ) -> "Judge":
        """Build a judge for any data: tabular, signals, images; with classes or without.

        Part of the reference serves to measure distances and to train the classifiers. The rest is
        held out for calibration: it sets the thresholds. Below a thousand samples all serve for
        both, each scored by what was fitted to others. Where there are too few for ``alpha``,
        every outcome that needs them is undecided.

        Args:
            reference: ``(m, *x_shape)`` real samples, floating point, all different.
            labels: ``(m,)`` integer classes from 0; None to judge without classes.
            values: ``(m,)`` or ``(m, *y_shape)`` quantities, floating point; None to judge without.
            alpha: the share of real samples that may be flagged, in (0, 1).
            beta: the share of real samples of other classes that may be taken for the target, in
                (0, 1).
            seed: of the split and the training.
            on_progress: called with a stage's name, and how far it is.
            state: ``state()`` of a judge that was fitted to the same samples with the same seed, to
                save time; None to fit anew.
            workers: where the members of the jury are fitted, several at once: a number of
                processes, or a cluster; None for this process.

        Raises:
            TypeError: samples or values that are not floating point, or labels that are no
                integers.
            ValueError: NaN, duplicates, or fewer than 12 samples, or 6 of a class.

        Example:
            >>> from xhat.core import generator
            >>> real = torch.randn(400, 3, generator=generator(0))
            >>> verdicts = Judge.fit(real).judge(torch.tensor([[0.0, 0.1, 0.2], [4.0, 4.0, -4.0]]))
            >>> [str(outcome) for outcome in verdicts.outcomes]
            ['genuine', 'out_of_distribution']
        """
        parts = split_reference(reference, labels, seed, values)
        jury = (
            None if parts.labels is None else default_jury(parts, seed, on_progress, state, workers)
        )
        axes = default_axes(parts, state)
        known = parts.reference, parts.labels
        held = parts.calibration, parts.calibration_labels
        if state is not None:
            usual = CalibrationStatistics.of(state, axes)
        elif parts.crossed:
            votes = None if jury is None else crossed_votes(jury, lesson_of(parts), seed)
            usual = cls._learn(jury, axes, held, (votes, crossed_scores(parts, axes, seed)))
        else:
            usual = None
        judge = cls.assemble(jury, axes, known, held, alpha, beta=beta, usual=usual)
        return replace(judge, values=ValueJudge.fit(parts, seed, on_progress, state))

    def state(self) -> dict[str, Tensor]:
        """Return the slow part of a fit as tensors by name: the argument ``state`` of ``fit``.

        Raises:
            TypeError: the judge was assembled from parts of one's own.
        """
        values = {} if self.values is None else self.values.learnt()
        return learnt(self.manifold, self.jury) | self.usual.as_tensors() | values

    @classmethod
    def assemble(
        cls,
        jury: Jury | None,
        manifold: Sequence[ManifoldAxis],
        reference: tuple[Tensor, Tensor | None],
        calibration: tuple[Tensor, Tensor | None],
        alpha: float = 0.05,
        *,
        beta: float = 0.05,
        usual: CalibrationStatistics | None = None,
    ) -> "Judge":
        """Build a judge from parts of one's own.

        Args:
            jury: trained on neither the calibration samples nor what the search used.
            manifold: at least one axis, made from the reference.
            reference: real samples ``(m, *x_shape)`` and their classes ``(m,)``.
            calibration: likewise, disjoint from the reference and from all training. Every other
                sample sets the scale of the axes, the rest give the p-values.
            alpha: the share of real samples that may be flagged, in (0, 1).
            beta: the share of real samples of other classes that may be taken for the target, in
                (0, 1).
            usual: the ``usual`` of a judge with the same parts, networks and samples, to save time;
                None to compute it from the calibration samples.

        Raises:
            TypeError: samples that are not floating point.
            ValueError: too few calibration samples for ``alpha``, or shapes, classes or values
                that do not fit.
        """
        if not manifold:
            raise ValueError("a judge needs at least one manifold axis.")
        known = check_labelled("the reference", *reference, jury)
        x, labels = check_labelled("the calibration samples", *calibration, jury)
        check_fraction("alpha", alpha)
        check_fraction("beta", beta)
        if len(x) < 4:
            raise ValueError(f"a judge needs at least 4 calibration samples, but has {len(x)}.")
        if usual is None:
            usual = cls._learn(jury, tuple(manifold), (x, labels))
        if jury is not None:
            jury = replace(jury, weights=usual.weights)
        draft = cls(jury, tuple(manifold), _NOTHING, usual, *known, alpha, beta)
        sided = [False] * len(draft._readers) + [b for a in manifold for b in a.two_sided]
        fitted = Calibration.fit(*usual.halves, draft._groups, sided, _BUDGETS)
        return replace(draft, calibration=fitted)

    @classmethod
    def _learn(
        cls,
        jury: Jury | None,
        manifold: tuple[ManifoldAxis, ...],
        calibration: tuple[Tensor, Tensor | None],
        crossed: tuple[Tensor | None, Tensor] | None = None,
    ) -> CalibrationStatistics:
        """Look at the calibration samples; ``crossed``: what held-out fits have seen of them."""
        x, labels = calibration
        if crossed is not None:
            votes, scores = crossed
        else:
            votes = None if jury is None else jury.probabilities(x)
            scores = torch.cat([axis.scores(x) for axis in manifold], dim=1)
        seen, others = None, None
        if jury is not None and labels is not None and votes is not None:
            jury = jury.weighed(votes[::2], labels[::2])
            seen = jury.together(votes)
            scores = torch.cat((_doubts(seen, votes, labels), scores), dim=1)
            # what the weights were fitted to is seen with weights from the other half
            unfitted = jury.weighed(votes[1::2], labels[1::2]).together(votes)
            unfitted[1::2] = seen[1::2]
            others = asked_for_others(unfitted, labels)
        every = slice(None) if crossed else slice(None, None, 2)
        return CalibrationStatistics(
            weights=() if jury is None else jury.weights,
            scores=scores,
            unread=1.0 if seen is None else float(torch.quantile(seen[every, -1], 0.99)),
            fars={
                each.names[0]: each.far(x[:_ASKED], None if labels is None else labels[:_ASKED])
                for axis in manifold
                if (each := axis.neighbours) is not None
            },
            others=others,
            crossed=crossed is not None,
        )

    def without_jury(self) -> "Judge":
        """Return a judge of the same samples without the jury: it looks at the manifold alone."""
        if self.jury is None:
            return self
        first = len(self._readers)
        scores = self.usual.scores[:, first:]
        usual = replace(self.usual, weights=(), scores=scores, unread=1.0, others=None)
        draft = replace(self, jury=None, usual=usual, calibration=_NOTHING)
        sided = [side for axis in self.manifold for side in axis.two_sided]
        fitted = Calibration.fit(*usual.halves, draft._groups, sided, _BUDGETS)
        return replace(draft, calibration=fitted)

    def judge(
        self,
        x: Tensor,
        target: Tensor | int | None = None,
        *,
        goal: Wanted | None = None,
        alpha: float | None = None,
        reached: Tensor | None = None,
        constraints: Sequence[Constraint] = (),
        truth: Truth | None = None,
        surrogate: Callable[[Tensor], Tensor] | None = None,
        searched: Iterable[nn.Module] | nn.Module = (),
        x0: Tensor | None = None,
    ) -> Verdicts:
        """Return a verdict on every candidate.

        Args:
            x: ``(n, *x_shape)``.
            target: ``(n,)`` wanted classes, or one integer for all. Without a jury: what the
                truth's ``error`` takes, or None.
            goal: what is wanted, of which ``target`` is the class, if one is. Where no class is,
                held-out regressors say whether the value is there; where there are none, and no
                truth, the outcome is undecided.
            alpha: instead of the judge's own ``alpha``.
            reached: ``(n,)``, whether the surrogate gives the target; None if it is not known.
            constraints: what was declared to hold; certified in float64.
            truth: the ground truth, where there is one; it overrules the jury.
            surrogate: the model that stood in for the truth. Where its classes are those of the
                jury, it is asked whether it keeps its answer under small noise; where there is a
                truth, the gap between them is measured.
            searched: the modules that the search used; a judge that shares weights with them is
                refused.
            x0: ``(n, *x_shape)``, from where the samples were searched, if that is known. What
                still shows the class of its start, while the surrogate gives the target, is no
                ordinary error; what is its start was not searched, and does not hang on detail.

        Raises:
            TypeError: samples that are not floating point, or targets that are not integers.
            ValueError: other shapes than the reference's, not finite, no target for a jury,
                a judge that took part, or ``alpha`` outside of (0, 1).
        """
        self.check_independent((searched,) if isinstance(searched, nn.Module) else searched)
        alpha = self.alpha if alpha is None else alpha
        check_fraction("alpha", alpha)
        x = check_samples(x, self.reference)
        if x0 is not None:
            x0 = check_samples(x0, self.reference)
            check_rows("the starts", x0, len(x))
        wanted = None if self.jury is None else check_target(target, self.jury.classes, len(x))
        check_reached(reached, len(x))
        structure = certify(constraints, x) if constraints else None
        asked = ask(truth, x, target, surrogate) if truth is not None else None
        evidence = self._compared(self.look(x, wanted), wanted)
        if goal is not None and wanted is None and goal.targeted:
            evidence = self._asked_for(x, goal, evidence, alpha, known=truth is not None)
        weighed, groups = self.calibration.weigh(evidence.scores), self._groups
        if evidence.value is not None:
            weighed, groups = evidence.value.beside(weighed), (JURY, *groups)
        flagged = weighed.adjusted <= alpha
        copied = self._copied(x, evidence.near)  # what is a real sample is on the manifold
        flagged &= (copied < 0)[:, None] | torch.tensor([group != MANIFOLD for group in groups])
        if x0 is not None and wanted is not None and (surrogate is not None or reached is not None):
            evidence = replace(evidence, start=self._started(x, x0, wanted, surrogate))
        evidence, nowhere = self._placed(x, evidence)
        if surrogate is not None and wanted is not None:
            rows = (flagged.any(dim=1) & ~nowhere & _moved(x, x0)).nonzero()[:, 0]
            kept = torch.full((len(x),), torch.nan, dtype=torch.double)
            kept[rows] = share_kept(surrogate, x[rows], wanted[rows], self._noise).double()
            evidence = replace(evidence, kept=kept)
        share = 1.0 if evidence.value is None else MANIFOLD_SHARE
        few = len(self.calibration.whole) < samples_needed(share * alpha)
        outcomes = decide(
            evidence, wanted, flagged, groups, nowhere, reached, structure, asked, few=few
        )
        near, labels = evidence.near, self.labels
        return Verdicts(
            outcomes=outcomes,
            target=wanted,
            axes=self._axes(evidence, weighed),
            p=weighed.p,
            surprise=weighed.surprise,
            alpha=alpha,
            votes=evidence.votes,
            seen=evidence.seen,
            members=() if self.jury is None else self.jury.names,
            near=near,
            near_labels=None if near is None or labels is None else labels[near.index],
            structure=structure,
            truth=asked,
            meaning_test=evidence.meaning,
            copied=copied,
            kept=evidence.kept,
            placed=evidence.placed,
            start=evidence.start,
            calibrated=len(self.calibration.whole),
            shift=self._shift(x, evidence, wanted),
            value=evidence.value,
            unasked=evidence.unasked,
            beta=self.beta,
        )

    def look(self, x: Tensor, target: Tensor | None) -> Evidence:
        """Return the scores of samples ``(n, *x_shape)`` as samples of their classes ``(n,)``."""
        votes, seen, columns, near = None, None, [], None
        with one_pass():  # features first: who looks at them has the votes of that network, too
            for axis in self.manifold:
                if near is None and (first := axis.neighbours) is not None:
                    near = first.nearest(x, max(first.k, first.k_dimension or 0))
                    columns.append(first.scores_of(near))
                else:
                    columns.append(axis.scores(x))
            if self.jury is not None and target is not None:
                votes = self.jury.probabilities(x)
                seen = self.jury.together(votes)
                columns.insert(0, _doubts(seen, votes, target))
        return Evidence(torch.cat(columns, dim=1), votes, seen, near)

    def check_independent(self, searched: Iterable[nn.Module]) -> None:
        """Raise ``ValueError`` if a judge shares weights with a model that the search used."""
        searched = tuple(searched)
        if self.jury is not None:
            self.jury.check_independent(searched)
        if self.values is not None:
            self.values.regressors.check_independent(searched)
        for axis in self.manifold:
            for module in axis.modules():
                check_independent(f"the representation {axis.names[0]}", module, searched)

    def _compared(self, evidence: Evidence, target: Tensor | None) -> Evidence:
        """Compare how surely the target is seen with real samples of other classes."""
        others, seen = self.usual.others, evidence.seen
        if others is None or seen is None or target is None:
            return evidence
        sure = seen.gather(1, target[:, None])[:, 0]
        return replace(evidence, meaning=compare_with_others(others, sure, target, self.beta))

    def _asked_for(
        self, x: Tensor, goal: Wanted, evidence: Evidence, alpha: float, *, known: bool
    ) -> Evidence:
        """Ask the regressors for a value, or note that nobody could be asked, nor knows it."""
        if self.values is None or goal.by_class:
            return replace(evidence, unasked="" if known else repr(goal))
        return replace(evidence, value=self.values.ask(x, goal, alpha, self.beta))

    def _copied(self, x: Tensor, near: Neighbourhood | None) -> Tensor:
        """Return the row of the reference that each sample is, -1 if none, ``(n,)``."""
        if near is None:
            return torch.full((len(x),), -1)
        own = self.reference[near.copied.clamp_min(0)]  # another sample may look the same
        size = own.flatten(1).abs().amax(dim=1)
        apart = (x - own).flatten(1).abs().amax(dim=1)
        return near.copied.where(apart <= 1e-5 * size, torch.tensor(-1))

    @property
    def _readers(self) -> tuple[str, ...]:
        return () if self.jury is None else ("the jury together", *self.jury.names)

    @property
    def _groups(self) -> tuple[str, ...]:
        count = sum(len(axis.names) for axis in self.manifold)
        readers = (JURY,) + (MEMBERS,) * (len(self._readers) - 1) if self._readers else ()
        return readers + (MANIFOLD,) * count

    def _axes(self, evidence: Evidence, weighed: Weighed) -> tuple[Axis, ...]:
        scores, value = evidence.scores, evidence.value
        axis_p, adjusted = weighed.axis_p, weighed.adjusted
        names = self._readers + tuple(name for axis in self.manifold for name in axis.names)

        def values(k: int, group: str) -> tuple[Tensor, float]:
            found, typical = scores[:, k], float(self.calibration.scales[k].known.median())
            return (found, typical) if group == MANIFOLD else ((-found).exp(), math.exp(-typical))

        own = () if value is None else ((VALUE, JURY, value.miss, value.typical),)
        kinds = zip(names, self._groups, strict=True)
        told = (*own, *((name, group, *values(k, group)) for k, (name, group) in enumerate(kinds)))
        return tuple(Axis(*each, axis_p[:, k], adjusted[:, k]) for k, each in enumerate(told))

    def _shift(self, x: Tensor, evidence: Evidence, target: Tensor | None) -> Shift | None:
        """Compare the samples, as a set, with real ones of the classes asked for, and seen.

        The larger p-value counts: a set of real samples that are asked for a wrong class has not
        moved.
        """
        first = next((axis.neighbours for axis in self.manifold if axis.neighbours), None)
        if first is None:
            return None
        places, scores = first.seen(x), evidence.scores
        found = self._moved(first, places, scores, target)
        if evidence.seen is None or not found.found:
            return found
        seen = evidence.seen[:, :-1].argmax(dim=1)
        return max(found, self._moved(first, places, scores, seen), key=lambda shift: shift.p)

    def _moved(
        self, first: Neighbours, places: Tensor, scores: Tensor, target: Tensor | None
    ) -> Shift:
        known, others, rows = self.usual.halves[1], self.usual.others, None
        if target is not None and others is not None and self.labels is not None:
            labels = others.isnan().int().argmax(dim=1)
            labels = labels if self.usual.crossed else labels[1::2]
            known = known[rows_alike(labels, target)]
            rows = rows_alike(self.labels, target)
        names = [name for axis in self.manifold for name in axis.names]
        along = slice(len(self._readers), None)
        return shift_of(
            (scores[:, along], known[:, along]),
            names,
            (places, first.reference),
            rows,
            trusted=not self.usual.crossed,
        )

    @cached_property
    def _noise(self) -> Noise:
        return Noise.of(self.reference)

    @cached_property
    def _place(self) -> Place:
        return Place.of(self.reference)

    def _placed(self, x: Tensor, evidence: Evidence) -> tuple[Evidence, Tensor]:
        """Return where samples belong to no class, whatever their target, ``(n,)``.

        What is read where real samples lie does belong to a class, and so does what the jury,
        pressed for a class (``Jury.pressed``), still takes for that of its start.
        """
        far = self._far(evidence.scores)
        if evidence.seen is None or self.jury is None:
            return evidence, far
        nowhere = self._unread(evidence.seen, far)
        rows = nowhere.nonzero()[:, 0]
        if x.ndim < 3 or len(rows) == 0:
            return evidence, nowhere
        votes = self.jury.probabilities(self._place.put(x[rows]))
        seen = self.jury.together(votes)
        read = ~self._unread(seen, far[rows])
        if evidence.start is not None:  # what began as a class, and resembles no other, still is it
            pressed = self.jury.pressed(votes)
            first = pressed.max(dim=1)
            still = ~read & (first.indices == evidence.start[rows]) & (first.values > _STILL)
            seen[still], read = pressed[still], read | still
        nowhere[rows] = ~read
        placed = torch.full_like(evidence.seen, torch.nan)
        placed[rows[read]] = seen[read]
        return replace(evidence, placed=placed), nowhere

    def _started(
        self,
        x: Tensor,
        x0: Tensor,
        target: Tensor,
        surrogate: Callable[[Tensor], Tensor] | None,
    ) -> Tensor:
        """Return what the jury sees in the starts, ``(n,)``; -1 where that tells nothing.

        So it is where a sample is its start, or where the start is of no class, or is the target
        already, to the jury or to the surrogate.
        """
        if self.jury is None:
            return torch.full((len(x),), -1)
        seen = self.jury.together(self.jury.probabilities(x0)).max(dim=1)
        told = (seen.values > 0.5) & (seen.indices < self.jury.classes) & (seen.indices != target)
        told &= _moved(x, x0)
        if surrogate is not None:
            said = gives(surrogate, x0.expand_as(x), target)
            told &= torch.zeros_like(told) if said is None else ~said
        return seen.indices.where(told, -1)

    def _unread(self, seen: Tensor, far: Tensor) -> Tensor:
        clear = seen[:, :-1].amax(dim=1) > 0.5
        return (seen[:, -1] > self.usual.unread) | (far & ~clear)

    def _far(self, scores: Tensor) -> Tensor:
        names = [name for axis in self.manifold for name in axis.names]
        first = len(self._readers)
        beyond = [
            scores[:, first + names.index(name)] > far for name, far in self.usual.fars.items()
        ]
        if not beyond:
            return torch.zeros(len(scores), dtype=torch.bool)
        return torch.stack(beyond).float().mean(dim=0) > 0.5


def _moved(x: Tensor, x0: Tensor | None) -> Tensor:
    """Return whether samples are not their starts, ``(n,)``."""
    if x0 is None:
        return torch.ones(len(x), dtype=torch.bool)
    return (x != x0).flatten(1).any(dim=1)


def _doubts(seen: Tensor, votes: Tensor, target: Tensor) -> Tensor:
    """Return how little the jury and its members see of the target, ``(n, 1 + members)``."""
    everyone = torch.cat((seen[:, None], votes), dim=1)
    wanted = target[:, None, None].expand(-1, everyone.shape[1], 1)
    return -everyone.gather(2, wanted)[:, :, 0].clamp_min(_LEAST).log()


_BUDGETS = {JURY: 0.6, MEMBERS: 0.1, MANIFOLD: 0.3}  # of the flagged real samples
_NOTHING = Calibration((), {}, (), {}, torch.empty(0), torch.empty(0))
