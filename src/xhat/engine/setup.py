"""What stays the same over a whole search, and how a problem is asked about candidates."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import inf
from threading import Event

import torch
from torch import Tensor

from xhat.engine.noticed import Noticed
from xhat.engine.problem import Problem
from xhat.engine.steppers import Stepper
from xhat.engine.stopping import Snapshot, StopRule
from xhat.objectives import Measurement

__all__ = ["Setup", "measured", "snapshot"]


@dataclass(frozen=True)
class Setup:
    """What stays the same over a whole search.

    Attributes:
        problem: for all candidates.
        stepper: how to step.
        rules: those that claim success first, so that success wins over a spent budget.
        device: where to compute.
        dtype: of ``z`` and ``x``.
        autocast: whether the model runs in bfloat16.
        clock: seconds since the search began.
        passes: over which an answer is averaged before it counts; more than 1 for a random model.
        rounding: of the models' weights, relative; 0 for single precision or better.
        every: steps that are taken before somebody looks who is done, at most.
        weight: bytes that one pass of a candidate through the objective makes; infinity if unknown.
        plain: whether models are free of hooks, which a step that is played again would not call.
        stopped: set when the user has interrupted the search.
        noticed: what is noticed on the way.
    """

    problem: Problem
    stepper: Stepper
    rules: tuple[StopRule, ...]
    device: torch.device
    dtype: torch.dtype
    autocast: bool
    clock: Callable[[], float]
    passes: int = 1
    rounding: float = 0.0
    every: int = 1
    weight: float = inf
    plain: bool = True
    stopped: Event = field(default_factory=Event)
    noticed: Noticed = field(default_factory=Noticed)

    @property
    def aims(self) -> bool:
        """Whether a stop rule says what counts as reaching the target."""
        return any(rule.aims for rule in self.rules)

    @property
    def replays(self) -> bool:
        """Whether a step may be written down and played again."""
        return self.plain and all(rule.replays for rule in self.rules)

    def narrowed(self, ids: Tensor) -> Problem:
        """Return the problem of some candidates, on the device."""
        return self.problem.select(ids).to(self.device, self.dtype)


def measured(
    problem: Problem, z: Tensor, *, autocast: bool = False, passes: int = 1
) -> tuple[Tensor, Measurement]:
    """Return the inputs decoded from ``z``, and what the objective says of them.

    Args:
        problem: of the candidates.
        z: ``(n, *z_shape)``.
        autocast: whether to run models in bfloat16.
        passes: over which losses and confidences are averaged, and targets voted upon.
    """
    casting = torch.autocast(z.device.type, torch.bfloat16) if autocast else nullcontext()
    with casting:
        x = problem.space.decode(z).to(z.dtype)
        found = [problem.objective.measure(x, z) for _ in range(passes)]
    return x, found[0] if passes == 1 else _mean(found)


def _mean(found: list[Measurement]) -> Measurement:
    def over(name: str) -> Tensor | None:
        values = [value for one in found if (value := getattr(one, name)) is not None]
        return torch.stack(values).to(found[0].loss.dtype).mean(dim=0) if values else None

    loss = torch.stack([one.loss for one in found]).mean(dim=0)
    reached = over("reached")
    most = None if reached is None else reached > 0.5
    return Measurement(loss, most, over("confidence"), over("merit"))


def snapshot(found: Measurement, steps: Tensor, evaluations: Tensor, seconds: float) -> Snapshot:
    """Return what stop rules may look at."""
    return Snapshot(
        loss=found.loss.detach(),
        merit=found.descended.detach(),
        reached=found.reached,
        confidence=found.confidence,
        steps=steps,
        evaluations=evaluations,
        seconds=seconds,
    )
