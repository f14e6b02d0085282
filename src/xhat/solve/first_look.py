"""The first look at a problem: what cannot work is refused, what is unusual is noticed.

A model that answers differently each time must not be believed by its luckiest answer, and one that
lets a candidate change another must be asked about one at a time.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import InputWarning
from xhat.objectives import Measurement
from xhat.problem import Problem
from xhat.solve.batch import Setup, snapshot

__all__ = ["Nature", "look_first"]

_FEW = 4  # starts that are looked at
_CLOSE = {"rtol": 1e-3, "atol": 1e-5}  # what batches of different size may differ by


@dataclass(frozen=True)
class Nature:
    """What the first passes showed.

    Attributes:
        random: whether two passes over the same inputs differ.
        mixes: whether a candidate's answer depends on who else is in the batch.
    """

    random: bool = False
    mixes: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each, as warnings and results tell it."""
        return tuple(text for says, text in ((self.random, _RANDOM), (self.mixes, _MIXES)) if says)


_RANDOM = (
    "the model answers differently each time it is asked; what is claimed are means over new "
    "evaluations"
)
_MIXES = (
    "the model lets one candidate change another (its answer for a start alone differs from that "
    "in a batch); every candidate is searched and judged alone"
)


def look_first(setup: Setup, x0: Tensor, most: int) -> Nature:
    """Try the problem on the first starts, at most ``most`` at once; warn of what is unusual.

    Raises:
        TypeError: something cannot be differentiated.
        ValueError: shapes, ranges or stop rules do not fit together.
    """
    x0 = x0[: min(_FEW, most)].to(setup.device, setup.dtype)
    problem = setup.problem.to(setup.device, setup.dtype)
    _check_one(problem, x0)
    nature = _seen(setup, problem, x0)
    for note in nature.notes:
        warnings.warn(f"{note}.", InputWarning, stacklevel=4)
    return nature


def _check_one(problem: Problem, x0: Tensor) -> None:
    """Check the problem on the first start that its model can take."""
    refused: Exception | None = None
    for number in range(len(x0)):
        one = problem.select(torch.tensor([number]))
        try:
            if number == 0:
                problem.check(x0[:1])
            else:
                one.check(x0[number : number + 1])
        except (TypeError, ValueError) as error:
            if error.__cause__ is None:  # our own, true of every start
                raise
            refused = refused or error  # of the model; another start may do
        else:
            return
    if refused is not None:
        raise refused


def _seen(setup: Setup, problem: Problem, x0: Tensor) -> Nature:
    count = len(x0)
    some = problem.select(torch.arange(count))
    with torch.no_grad():
        try:
            z = some.project(some.space.begin(x0))
            first, again = _measure(some, z), _measure(some, z)
        except Exception:  # noqa: BLE001 - a start that the model cannot take: its own status says so
            return Nature()
        _check_losses(first, count)
        none = torch.zeros(count, dtype=torch.long, device=setup.device)
        for rule in setup.rules:
            rule.fired(snapshot(first, none, none, 0.0), rule.init(count, setup.device))
        if not _same(first.loss, again.loss):
            return Nature(random=True)
        one = problem.select(torch.tensor([0]))
        try:
            alone = _measure(one, one.project(one.space.begin(x0[:1])))
        except Exception:  # noqa: BLE001
            return Nature()
    return Nature(mixes=not _same(first.loss[:1], alone.loss))


def _measure(problem: Problem, z: Tensor) -> Measurement:
    return problem.objective.measure(problem.space.decode(z).to(z.dtype), z)


def _check_losses(found: Measurement, count: int) -> None:
    if found.loss.shape != (count,):
        raise ValueError(
            f"the objective must return one loss per candidate, shape ({count},) for {count}, but "
            f"returned {tuple(found.loss.shape)}; do not average over candidates."
        )


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.double(), other.double(), equal_nan=True, **_CLOSE)
