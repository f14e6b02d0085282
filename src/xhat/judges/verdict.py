"""Verdicts: an outcome for every candidate, and the evidence that led to it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.judges.outcomes import Outcome

__all__ = ["Axis", "Verdict", "Verdicts"]


@dataclass(frozen=True)
class Axis:
    """One measurement of ``n`` candidates, and the line between usual and unusual.

    Attributes:
        name: for people.
        value: ``(n,)``.
        p: ``(n,)``, the share of real samples that are at least as unusual.
        limit: the value at which a candidate becomes unusual.
    """

    name: str
    value: Tensor
    p: Tensor
    limit: float


@dataclass(frozen=True)
class Verdicts:
    """What a panel says of ``n`` candidates.

    Attributes:
        outcomes: one per candidate.
        target: ``(n,)`` classes.
        meaning: the jury's probability of the target.
        manifold: one axis per representation.
        jury: ``(n, members, classes + 1)``, the members' distributions; the last is "none".
        members: the jury's names.
    """

    outcomes: tuple[Outcome, ...]
    target: Tensor
    meaning: Axis
    manifold: tuple[Axis, ...]
    jury: Tensor
    members: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.outcomes)

    def __getitem__(self, index: int) -> "Verdict":
        return Verdict(self, range(len(self))[index])

    def __iter__(self) -> Iterator["Verdict"]:
        return (self[i] for i in range(len(self)))

    @property
    def confidence(self) -> Tensor:
        """The jury's mean probability of the target, ``(n,)``."""
        return self.meaning.value

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

    def explain(self) -> str:
        """Return the evidence as lines of text: outcome, judges, distances."""
        whole, i = self.whole, self.index
        named = str(self.outcome).replace("_", " ")
        lines = [f"{named}: {self.outcome.meaning}.", self._seen()]
        for axis in whole.manifold:
            side = "within" if float(axis.value[i]) <= axis.limit else "beyond"  # NaN is beyond
            lines.append(
                f"Distance to real samples by {axis.name}: {float(axis.value[i]):.2f}, {side} "
                f"the limit of {axis.limit:.2f}; {_share(float(axis.p[i]))} of real samples lie "
                f"as far out."
            )
        return "\n".join(lines)

    def _seen(self) -> str:
        whole, i = self.whole, self.index
        mean = whole.jury[i].mean(dim=0)
        best = torch.topk(mean, min(3, len(mean)))
        seen = ", ".join(
            f"{_class(int(k), len(mean))} {_share(float(p))}"
            for p, k in zip(best.values, best.indices, strict=True)
            if float(p) >= 0.005
        )
        return (
            f"Held-out judges, asked for {int(whole.target[i])}, see {seen} "
            f"(the target must come first, with at least {_share(whole.meaning.limit)})."
        )


def _class(index: int, total: int) -> str:
    return "no class" if index == total - 1 else str(index)


def _share(p: float) -> str:
    return f"{100 * p:.1f} %" if 0.0005 < p < 0.1 else f"{100 * p:.0f} %"
