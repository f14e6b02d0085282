"""The first look at a problem: what cannot work is refused, what is unusual is noticed.

A model that answers differently each time must not be believed by its luckiest answer, and one that
lets a candidate change another must be asked about one at a time.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from xhat.core import InputWarning, generator
from xhat.engine.claims import same_answers
from xhat.engine.problem import Problem
from xhat.engine.setup import Setup, measured, snapshot
from xhat.engine.slopes import Slopes
from xhat.objectives import Measurement
from xhat.spaces import check_kept

__all__ = ["LOOKS", "Nature", "gains_by_half", "probe_model"]

LOOKS = 4
"""How often the first starts are looked at: dropout of few features may do the same twice."""
_FEW = 4  # starts that are looked at
_TIMED, _LARGE, _FASTER = 32, 1e6, 0.75  # starts; bytes of a pass; share of the time
_SOME = 16  # starts near which a nested space is tried


@dataclass(frozen=True)
class Nature:
    """What the first passes showed.

    Attributes:
        random: whether two passes over the same inputs differ.
        mixes: whether a candidate's answer depends on who else is in the batch.
        remarks: what is to be known of how the model is asked.
        untold: whether they are to be warned of.
        slopes: sentences about gradients that lead nowhere.
        steps: sentences about steps that do; no warning, for they may have been asked for.
        weight: bytes that one pass of a candidate through the objective makes; infinity if unknown.
    """

    random: bool = False
    mixes: bool = False
    remarks: tuple[str, ...] = ()
    untold: bool = False
    slopes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    weight: float = inf

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each, as warnings and results tell it."""
        found = ((self.random, _RANDOM), (self.mixes, _MIXES))
        said = (text for says, text in found if says)
        return (*said, *self.slopes, *self.remarks, *self.steps)

    def warn(self) -> None:
        """Tell the caller of ``solve``."""
        known = (*self.steps, *(() if self.untold else self.remarks))
        for note in self.notes:
            if note in known:
                continue
            warnings.warn(f"{note}.", InputWarning, stacklevel=4)


_RANDOM = (
    "the model answers differently each time it is asked; what is claimed are means over new "
    "evaluations"
)
_MIXES = (
    "the model lets one candidate change another (its answer for a start alone differs from that "
    "in a batch); every candidate is searched and judged alone"
)


def probe_model(setup: Setup, x0: Tensor, chunk: int, steps: int) -> Nature:
    """Try the problem on the first starts; warn of what is unusual.

    Args:
        setup: of the search.
        x0: ``(n, *x_shape)``, all starts.
        chunk: the most candidates at once.
        steps: the step budget.

    Raises:
        TypeError: something cannot be differentiated.
        ValueError: shapes, ranges or stop rules do not fit together.
    """
    some = torch.arange(min(len(x0), chunk, _SOME))
    check_kept(setup.narrowed(some).space, x0[some].to(setup.device, setup.dtype))
    x0 = x0[: min(_FEW, chunk)].to(setup.device, setup.dtype)
    problem = setup.problem.select(torch.arange(len(x0))).to(setup.device, setup.dtype)
    _check_one(setup.problem.to(setup.device, setup.dtype), x0)
    nature = _seen(setup, problem, x0, steps)
    objective = setup.problem.objective
    nature = replace(nature, remarks=objective.remarks, untold=objective.untold)
    nature.warn()
    return nature


def gains_by_half(setup: Setup, x0: Tensor, weight: float) -> bool:
    """Return whether a step with the models in bfloat16 is a quarter faster here, by the clock.

    Of work so small that a clock cannot tell, it is not.

    Args:
        setup: of the search.
        x0: ``(n, *x_shape)``, all starts.
        weight: bytes that one pass of a candidate through the objective makes.
    """
    x0 = x0[:_TIMED].to(setup.device, setup.dtype)
    if not _LARGE <= weight * len(x0) < inf:
        return False
    problem = setup.narrowed(torch.arange(len(x0)))
    with torch.no_grad():
        z = problem.project(problem.space.begin(x0))

    clock = time.process_time if setup.device.type == "cpu" else time.perf_counter

    def step(*, autocast: bool) -> float:
        begun, leaf = clock(), z.detach().requires_grad_(True)
        loss = measured(problem, leaf, autocast=autocast)[1].descended
        float(torch.autograd.grad(loss.sum(), leaf)[0].sum())
        return clock() - begun

    try:
        half, whole = ([step(autocast=cast) for _ in range(3)] for cast in (True, False))
    except Exception:  # noqa: BLE001 - of a model that does not take it
        return False
    return min(half) < _FASTER * min(whole)


def _check_one(problem: Problem, x0: Tensor) -> None:
    """Check the problem on the first start that its model can take."""
    refused: Exception | None = None
    for number in range(len(x0)):
        one = problem if number == 0 else problem.select(torch.tensor([number]))
        try:
            one.check(x0[number : number + 1])
        except (TypeError, ValueError) as error:
            if error.__cause__ is None:  # our own, true of every start
                raise
            refused = refused or error  # of the model; another start may do
        else:
            return
    if refused is not None:
        raise refused


def _seen(setup: Setup, problem: Problem, x0: Tensor, steps: int) -> Nature:
    count = len(x0)
    with torch.no_grad():
        try:
            z = problem.project(problem.space.begin(x0))
            slopes = Slopes.at(problem, z, setup.stepper, steps)
            with _Scale() as scale:
                again = [measured(problem, z)[1] for _ in range(LOOKS - 2)]
            first, weight = slopes.found, scale.weighed / ((LOOKS - 2) * count)
            found = measured(problem, _others_moved(problem, z))[1]
        except Exception:  # noqa: BLE001 - a start that the model cannot take has its own status
            return Nature()
        _check_losses(found, count)
        none = torch.zeros(count, dtype=torch.long, device=setup.device)
        for rule in setup.rules:
            rule.fired(snapshot(found, none, none, 0.0), rule.init(count, setup.device))
        same = partial(same_answers, rounding=setup.rounding)
        if not all(same(first, other) for other in again):
            return Nature(random=True, weight=weight)
        try:
            seen = _alone(problem, z, first, found, same)
            return replace(seen, slopes=slopes.warnings, steps=slopes.notes, weight=weight)
        except Exception:  # noqa: BLE001
            return Nature(weight=weight)


class _Scale(TorchDispatchMode):
    """Adds up the bytes of all that operations make."""

    def __init__(self) -> None:
        super().__init__()
        self.weighed = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        given = {id(one) for one in args}
        for one in found if isinstance(found, tuple | list) else (found,):
            if isinstance(one, Tensor) and id(one) not in given and not one._is_view():
                self.weighed += one.numel() * one.element_size()
        return found


def _alone(
    problem: Problem,
    z: Tensor,
    together: Measurement,
    moved: Measurement,
    same: Callable[[Measurement, Measurement], bool],
) -> Nature:
    """Return what it shows if a start alone is answered otherwise than in a batch.

    All that are looked at are asked alone: a loss that is clipped may say the same of one of them,
    whatever the model sees. Dropout that did the same until now may differ here for the first time,
    so that whoever differs is asked alone once more.

    Args:
        problem: of the starts.
        z: ``(n, *z_shape)``, where they begin.
        together: what is said of them.
        moved: what is said where all but the first are somewhere else.
        same: whether two measurements agree.
    """
    for number in range(len(z)):
        one = problem.select(torch.tensor([number]))
        here = z[number : number + 1]
        alone = measured(one, here)[1]
        others = (together, moved) if number == 0 else (together,)
        if all(same(alone, _row(other, number)) for other in others):
            continue
        again = (measured(one, here)[1] for _ in range(LOOKS - 1))
        mixes = len(z) > 1 and all(same(alone, other) for other in again)
        return Nature(random=not mixes, mixes=mixes)
    return Nature()


def _row(found: Measurement, number: int) -> Measurement:
    sure = found.confidence
    row = slice(number, number + 1)
    return Measurement(found.loss[row], confidence=None if sure is None else sure[row])


def _others_moved(problem: Problem, z: Tensor) -> Tensor:
    """Return ``z`` with all but the first candidate moved: starts may be equal."""
    noise = torch.randn(z.shape, generator=generator(0, "others")).to(z)
    noise[0] = 0.0
    return problem.project(z + noise)


def _check_losses(found: Measurement, count: int) -> None:
    if found.loss.shape != (count,):
        raise ValueError(
            f"the objective must return one loss per candidate, shape ({count},) for {count}, but "
            f"returned {tuple(found.loss.shape)}; do not average over candidates."
        )
