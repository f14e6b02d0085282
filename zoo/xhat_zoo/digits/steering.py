"""Steering by the methods of digits: where a surrogate's gradient leads, by the digits' judges.

One method searches from every start to every target; a share is always of pairs of *different*
digits, since leaving a digit as it is proves little.
"""

import time
from dataclasses import dataclass

from torch import nn

from xhat import training
from xhat.domain import Domain
from xhat.judges import Judge, Penultimate
from xhat.methods import Method, Options
from xhat.metrics import Features, Table, measure
from xhat.objectives.goals import Class
from xhat.training.steering import judged
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain

__all__ = ["METHODS", "Steering", "searched_through", "steer"]

METHODS = (
    *("flow", "nearest", "retrieval"),
    *("plain", "pgd", "proximal", "robust", "latent", "latent-robust"),
)
"""The methods that are compared: from the start along the data, beside the nearest real sample,
untouched and bent; then those of which one differs from another in one thing at a time."""
_THROUGH_ROBUST = ("robust", "latent-robust")


def searched_through(method: str) -> nn.Module:
    """Return the shipped surrogate that a method is compared with."""
    return digits.surrogate("robust" if method in _THROUGH_ROBUST else "plain")


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
    domain: Domain | None = None,
    options: Options | None = None,
) -> Steering:
    """Search by one method from every start to every target, and judge what was found.

    Args:
        method: how to search.
        model: the surrogate that is differentiated, images → logits.
        pairs: from where to what.
        judge: of digits; the search never sees it.
        domain: of digits, for the search; None for ``digits_domain()``.
        options: of the search; what this method does not use is left out.

    Returns:
        A ``Steering``. A result is unreached if the surrogate gives the target less than even odds,
        whatever confidence was asked for.
    """
    domain = digits_domain() if domain is None else domain
    method.prepare(domain)
    given = vars(options or Options())
    used = Options(**{name: told for name, told in given.items() if name in method.options})
    goal, began = Class(pairs.target), time.process_time()
    result = method.search(model, goal, pairs.starts, domain, options=used).finished()
    seconds = time.process_time() - began
    problem = method.plan(model, goal, pairs.starts, domain).problem
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
