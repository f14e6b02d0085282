"""Steering by the methods of digits: where a surrogate's gradient leads, by the digits' judges.

One method searches from every start to every target; a share is always of pairs of *different*
digits, since leaving a digit as it is proves little.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from xhat import training
from xhat.engine import Compute, Progress
from xhat.judges import Judge, Penultimate
from xhat.metrics import Features, Table, measure
from xhat.training.steering import judged
from xhat_zoo import digits
from xhat_zoo.digits.methods import Method

__all__ = ["Steering", "steer"]


@dataclass(frozen=True, kw_only=True)
class Steering(training.Steering):
    """One method's results and verdicts over pairs of digits.

    Attributes:
        method: how was searched.
        pairs: from where to what.
    """

    method: Method
    pairs: digits.Pairs

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
    verdicts = judged(
        judge,
        result,
        pairs.target,
        constraints=problem.constraints,
        searched=tuple(problem.modules()),
    )
    return Steering(
        start=pairs.start_label,
        target=pairs.target,
        classes=digits.CLASSES,
        result=result,
        verdicts=verdicts,
        seconds=seconds,
        method=method,
        pairs=pairs,
    )
