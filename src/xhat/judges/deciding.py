"""From evidence to outcomes: the rules of ``xhat.judges.judge``, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.constraints import Certificate
from xhat.judges.meaning import MeaningTest
from xhat.judges.neighbours import Neighbourhood
from xhat.judges.outcomes import Outcome
from xhat.judges.stability import STABLE
from xhat.judges.truth import TruthEvidence
from xhat.judges.values import ValueTest
from xhat.judges.verdict import MANIFOLD

__all__ = ["Evidence", "decide"]


@dataclass(frozen=True)
class Evidence:
    """What was measured of ``n`` samples.

    Attributes:
        scores: ``(n, axes)``.
        votes: ``(n, members, classes + 1)``; None without a jury.
        seen: ``(n, classes + 1)``, the pooled distribution of the jury; None without one.
        near: the nearest reference samples in the first representation; None if there is no
            ``Neighbours`` axis.
        meaning: whether the target is seen more surely than in real samples of other classes; None
            where that was not compared.
        placed: ``(n, classes + 1)``, what the jury sees in samples of no class once they are put
            where real ones lie, or it is pressed for a class; NaN where nothing, or where it was
            not asked; None if it never was.
        kept: ``(n,)``, the share of noisy copies at which the surrogate gives the target; NaN where
            it was not asked, None if it never was.
        start: ``(n,)``, the class of what the sample was searched from; -1 where that tells
            nothing, None where it is not known.
        value: whether held-out regressors see a wanted value; None where they were not asked.
        unasked: the goal, as text, of which nobody was asked whether it is met; empty if there is
            none.
    """

    scores: Tensor
    votes: Tensor | None
    seen: Tensor | None
    near: Neighbourhood | None
    meaning: MeaningTest | None = None
    placed: Tensor | None = None
    kept: Tensor | None = None
    start: Tensor | None = None
    value: ValueTest | None = None
    unasked: str = ""

    @property
    def read(self) -> Tensor | None:
        """What the jury sees of each sample, where it sees most; ``(n, classes + 1)``."""
        if self.seen is None or self.placed is None:
            return self.seen
        return torch.where(self.placed.isnan(), self.seen, self.placed)


def decide(
    evidence: Evidence,
    target: Tensor | None,
    flagged: Tensor,
    groups: Sequence[str],
    nowhere: Tensor,
    reached: Tensor | None,
    structure: Certificate | None,
    truth: TruthEvidence | None,
    *,
    few: bool = False,
) -> tuple[Outcome, ...]:
    """Return the outcome of each of ``n`` samples.

    Args:
        evidence: what was measured.
        target: ``(n,)`` classes; None without a jury.
        flagged: ``(n, axes)``, which axes are unusual.
        groups: of the axes.
        nowhere: ``(n,)``, whether the sample belongs to no class or region of the real data.
        reached: ``(n,)``, whether the surrogate gives the target; None if it is not known.
        structure: which constraints hold, if any were declared.
        truth: what the truth says, if there is one; it overrules the jury.
        few: whether there were too few real samples for any axis to be unusual.
    """
    yes = torch.ones(len(flagged), dtype=torch.bool)
    meaning = torch.tensor([group != MANIFOLD for group in groups])
    off = flagged[:, ~meaning].any(dim=1)
    doubted, sees = flagged[:, meaning].any(dim=1), yes
    odd, still = ~yes, ~yes
    another, unsure = ~yes, ~yes if evidence.meaning is None else ~evidence.meaning.seen
    if evidence.read is not None and target is not None:
        most = evidence.read.max(dim=1)
        sees = (most.indices == target) & (most.values > 0.5)
        another = ~sees & (most.values > 0.5)
        # what is missing goes to no class: the judges are not split, it only looks odd
        odd = evidence.read.topk(2, dim=1).indices[:, 1] == evidence.read.shape[1] - 1
        unsure |= most.indices != target
        if evidence.placed is not None:
            odd |= ~evidence.placed[:, 0].isnan()
        if evidence.start is not None:
            still = most.indices == evidence.start
    if evidence.value is not None:
        another, sees, unsure = doubted, ~doubted, ~evidence.value.seen
    if evidence.unasked:
        unsure = yes
    if truth is not None:
        doubted, sees = ~truth.holds, truth.holds
        another, nowhere, unsure = ~truth.holds, nowhere & ~truth.holds, ~yes
    fragile = ~yes if evidence.kept is None else evidence.kept < STABLE
    rules = [
        (Outcome.INFEASIBLE, ~yes if structure is None else ~structure.feasible),
        (Outcome.UNREACHED, ~yes if reached is None else ~reached.cpu()),
        (Outcome.OUT_OF_DISTRIBUTION, (off | doubted) & nowhere),
        (Outcome.ADVERSARIAL, (off & ~sees) | (doubted & another & (fragile | still))),
        (Outcome.OFF_MANIFOLD, off | (doubted & sees & odd)),
        (Outcome.MISTAKEN, doubted & another),
        (Outcome.AMBIGUOUS, doubted),
        (Outcome.UNDECIDED, unsure | few),
        (Outcome.GENUINE, yes),
    ]
    chosen = torch.stack([rule for _, rule in rules]).int().argmax(dim=0)
    return tuple(rules[i][0] for i in chosen.tolist())
