"""Steering: where a surrogate's gradient leads, said by judges that the search never saw.

One method searches from every start to every target; a share is always of pairs of *different*
digits, since leaving a digit as it is proves little.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xhat.engine import Compute, Progress, Result
from xhat.judges import Judge, Outcome, Penultimate, Verdicts
from xhat.metrics import Features, Table, measure
from xhat_zoo import digits
from xhat_zoo.digits.methods import Method

__all__ = ["Steering", "steer"]


@dataclass(frozen=True)
class Steering:
    """One method's results and verdicts over pairs of starts and targets.

    Attributes:
        method: how was searched.
        pairs: from where to what.
        result: what was found.
        verdicts: what the judges say of it.
        seconds: of the processor, all cores together, that the search took.
    """

    method: Method
    pairs: digits.Pairs
    result: Result
    verdicts: Verdicts
    seconds: float = 0.0

    @property
    def crossing(self) -> Tensor:
        """Return which pairs are of different digits, ``(n,)`` booleans."""
        return self.pairs.start_label != self.pairs.target

    @property
    def genuine(self) -> Tensor:
        """Return which results are genuine, ``(n,)`` booleans."""
        return torch.tensor([outcome == Outcome.GENUINE for outcome in self.verdicts.outcomes])

    def numbers(self, which: Tensor | None = None) -> dict[str, Any]:
        """Return counts and means over ``which``, ``(n,)`` booleans; None for crossing pairs."""
        which = self.crossing if which is None else which
        n, counts, result = int(which.sum()), self.verdicts.counts(which), self.result
        moved = (result.x - result.x0).flatten(1).norm(dim=1)
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
        """Return the share with this outcome for every start and target, ``(10, 10)``."""
        hit = torch.tensor([found == outcome for found in self.verdicts.outcomes]).double()
        place = self.pairs.start_label * digits.CLASSES + self.pairs.target
        sums, counts = (
            torch.zeros(digits.CLASSES**2, dtype=torch.double).index_add(0, place, value)
            for value in (hit, torch.ones_like(hit))
        )
        return (sums / counts).reshape(digits.CLASSES, digits.CLASSES)

    def measured(
        self, *, reference: int | None = None, seed: int = 0, draws: int = 1, bootstrap: int = 1
    ) -> Table:
        """Return distances and variety of the results of crossing pairs, target by target.

        In features of the judge ``judge-residual``, against the judges' training split.

        Args:
            reference: how many real samples to compare with; None for all.
            seed: as of ``xhat.metrics.measure``.
            draws: likewise.
            bootstrap: likewise.
        """
        which, real = self.crossing, digits.split("judge_train")
        return measure(
            self.result.x[which],
            self.pairs.target[which],
            real.images[:reference],
            real.labels[:reference],
            Features("judge-residual", Penultimate(digits.judge("judge-residual"))),
            starts=self.result.x0[which],
            seed=seed,
            draws=draws,
            bootstrap=bootstrap,
        )


def steer(
    method: Method,
    model: nn.Module,
    pairs: digits.Pairs,
    judge: Judge,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    trace: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Steering:
    """Search by one method from every start to every target, and judge what was found.

    Args:
        method: how to search.
        model: the surrogate, images → logits.
        pairs: from where to what.
        judge: of digits.
        confidence: at which a search ends, in (0, 1).
        seed: of the search.
        trace: as of ``xhat.engine.solve``.
        on_progress: called after every step.

    Returns:
        A ``Steering``. A result is unreached if the surrogate gives the target less than even odds,
        whatever confidence was asked for.
    """
    began = time.process_time()
    space = method.space_for(model, pairs.starts, pairs.target)
    problem = method.problem(model, pairs.starts, pairs.target, space)
    result = method.search(
        model,
        pairs.starts,
        pairs.target,
        space,
        confidence=confidence,
        seed=seed,
        compute=Compute(),
        trace=trace,
        on_progress=on_progress,
    )
    seconds = time.process_time() - began
    verdicts = judge.judge(
        result.x,
        pairs.target,
        reached=result.reached | (result.confidence > 0.5),
        constraints=problem.constraints,
        searched=tuple(problem.modules()),
    )
    return Steering(method, pairs, result, verdicts, seconds)
