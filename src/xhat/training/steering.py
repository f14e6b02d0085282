"""Steering: where a surrogate's gradient leads, said by a judge that the search never saw.

One method searches from every start to other classes. A share is always of pairs of *different*
classes, since leaving a sample as it is proves little. Beside it stands what costs no search: the
nearest real sample of the target, untouched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xhat.constraints import Constraint
from xhat.core import generator
from xhat.domain import Domain
from xhat.door.auditing import audit
from xhat.engine import Result
from xhat.judges import Judge, Outcome, Verdicts
from xhat.methods import Options
from xhat.methods import method as known_method
from xhat.objectives.goals import Class
from xhat.surrogates import ReferenceSamples

__all__ = ["NEAREST", "TABLED", "Steering", "judged", "pairs_of", "steered"]

NEAREST = "nearest real sample"
"""What stands beside the methods."""
TABLED = (Outcome.GENUINE, Outcome.ADVERSARIAL, Outcome.OFF_MANIFOLD)
"""Outcomes whose share is told for every start and target."""
_EVEN = 0.5
_COUNTED = (*TABLED, Outcome.OUT_OF_DISTRIBUTION, Outcome.UNREACHED)


@dataclass(frozen=True, kw_only=True)
class Steering:
    """One method's results and verdicts over pairs of starts and targets.

    Attributes:
        start: ``(n,)``, the class of each start.
        target: ``(n,)``, the class that was wanted.
        classes: how many there are.
        result: what was found.
        verdicts: what the judge says of it.
        seconds: that the search took.
        unit: that distances are counted in; it broadcasts to samples.
    """

    start: Tensor
    target: Tensor
    classes: int
    result: Result
    verdicts: Verdicts
    seconds: float = 0.0
    unit: Tensor | float = 1.0

    @property
    def crossing(self) -> Tensor:
        """Return which pairs are of different classes, ``(n,)`` booleans."""
        return self.start != self.target

    @property
    def genuine(self) -> Tensor:
        """Return which results are genuine, ``(n,)`` booleans."""
        return torch.tensor([outcome == Outcome.GENUINE for outcome in self.verdicts.outcomes])

    def numbers(self, which: Tensor | None = None) -> dict[str, Any]:
        """Return counts and means over ``which``, ``(n,)`` booleans; None for crossing pairs."""
        which = self.crossing if which is None else which
        n, counts, result = int(which.sum()), self.verdicts.counts(which), self.result
        moved = ((result.x - result.x0) / self.unit).flatten(1).norm(dim=1)
        return {
            "n": n,
            "verdicts": {str(k): v for k, v in counts.items()},
            "genuine": counts[Outcome.GENUINE] / n,
            "reached": float(result.reached[which].float().mean()),
            "surrogate_confidence": float(result.confidence[which].mean()),
            "judge_confidence": float(self.verdicts.confidence[which].mean()),
            "evaluations": float(result.evaluations[which].float().mean()),
            "moved": float(moved[which].median()),
        }

    def table(self, outcome: Outcome = Outcome.GENUINE) -> Tensor:
        """Return the share with this outcome by start and target, ``(classes, classes)``."""
        hit = torch.tensor([found == outcome for found in self.verdicts.outcomes]).double()
        place = self.start * self.classes + self.target
        sums, counts = (
            torch.zeros(self.classes**2, dtype=torch.double).index_add(0, place, value)
            for value in (hit, torch.ones_like(hit))
        )
        return (sums / counts).reshape(self.classes, self.classes)

    def metrics(self, name: str) -> dict[str, float]:
        """Return the shares of outcomes and a few means, by names that end in the method's."""
        numbers = self.numbers()
        shares = {
            f"{outcome} {name}": numbers["verdicts"][str(outcome)] / numbers["n"]
            for outcome in _COUNTED
        }
        return shares | {
            f"judges' confidence {name}": numbers["judge_confidence"],
            f"reached {name}": numbers["reached"],
            f"moved {name}": numbers["moved"],
        }


def pairs_of(labels: Tensor, classes: int, most: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return about ``most`` pairs of a start and another class: ``(n,)`` places and targets.

    Every ordered pair of classes is asked about equally often, from starts that are drawn by
    chance; where there are more pairs than ``most``, some are drawn.

    Example:
        >>> rows, target = pairs_of(torch.tensor([0, 1, 1]), 2, 4, 0)
        >>> torch.tensor([0, 1, 1])[rows].tolist(), target.tolist()
        ([0, 1, 1], [1, 0, 0])
    """
    draws = generator(seed, "steering", "pairs")
    kinds = [(a, b) for a in labels.unique().tolist() for b in range(classes) if a != b]
    order = torch.randperm(len(kinds), generator=draws)[:most].sort().values.tolist()
    share = max(1, most // len(kinds))
    rows, target = [], []
    for a, b in (kinds[k] for k in order):
        of_class = (labels == a).nonzero()[:, 0]
        some = of_class[torch.randperm(len(of_class), generator=draws)[:share]]
        rows.append(some)
        target.append(torch.full_like(some, b))
    return torch.cat(rows), torch.cat(target)


def steered(
    model: nn.Module,
    domain: Domain,
    starts: tuple[Tensor, Tensor],
    target: Tensor,
    known: ReferenceSamples,
    *,
    method: str = "proximal",
    confidence: float = 0.95,
    max_steps: int | None = None,
    seed: int = 0,
) -> Steering:
    """Search by one method from every start to its target, and let the domain's judge say.

    Args:
        model: the surrogate, samples → logits.
        domain: whose judge it is.
        starts: ``(n, *x_shape)`` samples that neither the surrogate nor the judge was fitted on,
            and their classes ``(n,)``.
        target: ``(n,)``, the wanted classes.
        known: real samples that the judge does not know, for ``NEAREST``.
        method: the name of a method, or ``NEAREST``.
        confidence: at which a search ends, in (0, 1).
        max_steps: the step budget; None for the method's own.
        seed: of the search.
    """
    x, labels = starts
    if method == NEAREST:
        found: Result = audit(model, known.nearest(x, target), target, domain=domain, x0=x)
    else:
        how, goal = known_method(method), Class(target)
        if (why := how.missing(domain, goal)) is not None:
            raise ValueError(why)
        how.prepare(domain)
        options = Options(confidence=confidence, max_steps=max_steps, seed=seed)
        found = how.search(model, goal, x, domain, (), options)
    return Steering(
        start=labels,
        target=target,
        classes=len(domain.classes),
        result=found,
        verdicts=judged(domain.judge(), found, target, searched=(model,)),
        seconds=found.seconds,
        unit=domain.scale,
    )


def judged(
    judge: Judge,
    found: Result,
    target: Tensor,
    *,
    searched: Sequence[nn.Module],
    constraints: Sequence[Constraint] = (),
) -> Verdicts:
    """Return verdicts on what a search found.

    A result is unreached if the surrogate gives the target less than even odds, whatever
    confidence was asked for.
    """
    return judge.judge(
        found.x,
        target,
        reached=found.reached | (found.confidence > _EVEN),
        constraints=constraints,
        searched=searched,
    )
