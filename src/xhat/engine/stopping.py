"""Stop rules: when a candidate leaves the batch, and the sentence that says why.

Rules look at one ``Snapshot`` per step and answer per candidate. A candidate leaves as soon as
any rule fires. Rules that claim success (``certain``) are confirmed in full precision before they
count.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_count, check_fraction, check_positive
from xhat.engine.status import Ending, Status

__all__ = [
    "LossBelow",
    "MaxEvaluations",
    "MaxSeconds",
    "MaxSteps",
    "Plateau",
    "Snapshot",
    "StopRule",
    "TargetReached",
    "target_reached",
]

Memory = dict[str, Tensor]


@dataclass(frozen=True)
class Snapshot:
    """What rules may look at: ``n`` live candidates at one step.

    Attributes:
        loss: ``(n,)``.
        merit: ``(n,)``, what the search descends: the loss, unless constraints are kept by
            multipliers.
        reached: ``(n,)`` booleans, or None without a target.
        confidence: ``(n,)``, or None where the target is not a distribution.
        steps: ``(n,)``, steps taken.
        evaluations: ``(n,)``, passes through the objective.
        seconds: since the search began.
    """

    loss: Tensor
    merit: Tensor
    reached: Tensor | None
    confidence: Tensor | None
    steps: Tensor
    evaluations: Tensor
    seconds: float


class StopRule(ABC):
    """A condition under which a candidate's search ends.

    Attributes:
        status: what ``Result.status`` says when the rule fired.
        sentence: what a rule of one's own says; ours are said by their status.
        certain: whether it claims success, and so must hold in full precision.
        aims: whether it words what counts as reaching the target.
        ends_rounds: whether, under multipliers, it ends a round of them and not the search.
        deadline: seconds after which nobody begins any more; it ends the search of all.
        budget: passes through the objective, over all rounds of multipliers together.
        most_steps: that a candidate may take.
        replays: whether it asks nothing but tensors, so that its operations can be played again.
    """

    status: ClassVar[Status] = Status.STOPPED
    sentence: ClassVar[str] = ""
    certain: ClassVar[bool] = False
    aims: ClassVar[bool] = False
    ends_rounds: ClassVar[bool] = False
    replays: ClassVar[bool] = False

    @property
    def most_steps(self) -> float:
        """Infinity, but for a rule about steps."""
        return inf

    @property
    def deadline(self) -> float:
        """Infinity, but for a rule about time."""
        return inf

    @property
    def budget(self) -> float:
        """Infinity, but for a rule about passes."""
        return inf

    @property
    def ending(self) -> Ending:
        """What is said of a candidate whose search it ends."""
        if self.status is not Status.STOPPED:
            return Ending(self.status)
        return Ending(self.status, self.sentence or f"stopped by {type(self).__name__}")

    def init(self, n: int, device: torch.device) -> Memory:  # noqa: ARG002 - most have none
        """Return the rule's memory for ``n`` candidates: tensors with one row each."""
        return {}

    @abstractmethod
    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Return ``(n,)`` booleans, and the next memory."""


@dataclass(frozen=True)
class TargetReached(StopRule):
    """The model gives the target, with at least the wanted confidence.

    Args:
        confidence: between 0 and 1; None stops at the decision boundary (or, for ``Match``, within
            the tolerance). Of several labels, or positions, the least of their probabilities
            counts.
    """

    confidence: float | None = None
    status: ClassVar[Status] = Status.TARGET_REACHED
    replays: ClassVar[bool] = True
    certain: ClassVar[bool] = True
    aims: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the confidence."""
        if self.confidence is not None:
            check_fraction("confidence", self.confidence)

    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Compare decision and confidence."""
        if now.reached is None:
            raise ValueError(
                "TargetReached needs an objective with a target (CrossEntropy, BinaryCrossEntropy, "
                "Interval, Match with a tolerance, or Custom(function, reached=…)); use LossBelow "
                "or Plateau instead."
            )
        if self.confidence is None:
            return now.reached, memory
        if now.confidence is None:
            raise ValueError(
                "TargetReached(confidence=...) needs a model with class probabilities or labels "
                "(CrossEntropy, BinaryCrossEntropy); for Match, Interval and Custom use "
                "TargetReached(): their tolerance, ends or reached= say what is near enough."
            )
        return now.reached & (now.confidence >= self.confidence), memory


def target_reached(rules: Sequence[StopRule], now: Snapshot) -> Tensor | None:
    """Return who has reached the target: as a rule words it, else as the objective does."""
    aims = [rule.fired(now, {})[0] for rule in rules if rule.aims]
    return torch.stack(aims).any(dim=0) if aims else now.reached


@dataclass(frozen=True)
class LossBelow(StopRule):
    """The loss is below a value."""

    value: float
    status: ClassVar[Status] = Status.LOSS_BELOW
    replays: ClassVar[bool] = True
    certain: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the value; losses may be negative."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise TypeError(f"the wanted loss must be a number, not {type(self.value).__name__}.")
        if not isfinite(self.value):
            raise ValueError(f"the wanted loss must be finite, but is {self.value}.")

    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Compare the loss."""
        return now.loss < self.value, memory


@dataclass(frozen=True)
class Plateau(StopRule):
    """The best loss has not fallen by ``tolerance`` within the last ``patience`` steps."""

    patience: int = 20
    tolerance: float = 1e-4
    status: ClassVar[Status] = Status.NO_PROGRESS
    replays: ClassVar[bool] = True
    ends_rounds: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_count("patience", self.patience)
        check_positive("tolerance", self.tolerance, zero=True)

    def init(self, n: int, device: torch.device) -> Memory:
        """Return the loss to beat and how long it has stood."""
        best = torch.full((n,), torch.inf, dtype=torch.float64, device=device)
        return {"best": best, "since": torch.zeros(n, dtype=torch.long, device=device)}

    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Count the steps since the last real progress."""
        better = now.loss < memory["best"] - self.tolerance
        best = torch.where(better, now.loss.double(), memory["best"])
        since = torch.where(better, 0, memory["since"] + 1)
        return since >= self.patience, {"best": best, "since": since}


@dataclass(frozen=True)
class MaxSteps(StopRule):
    """The candidate has taken ``count`` steps."""

    count: int
    status: ClassVar[Status] = Status.STEPS_SPENT
    replays: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the count."""
        check_count("the step budget", self.count)

    @property
    def most_steps(self) -> float:
        """The count."""
        return self.count

    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Compare the steps."""
        return now.steps >= self.count, memory


@dataclass(frozen=True)
class MaxEvaluations(StopRule):
    """The candidate has cost ``count`` passes through the objective."""

    count: int
    status: ClassVar[Status] = Status.EVALUATIONS_SPENT
    replays: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the count."""
        check_count("the evaluation budget", self.count)

    @property
    def budget(self) -> float:
        """The count."""
        return self.count

    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Compare the evaluations."""
        return now.evaluations >= self.count, memory


@dataclass(frozen=True)
class MaxSeconds(StopRule):
    """The whole search has taken this long; candidates still waiting keep their start."""

    seconds: float
    status: ClassVar[Status] = Status.TIME_SPENT

    def __post_init__(self) -> None:
        """Check the time."""
        check_positive("the time budget", self.seconds)

    @property
    def deadline(self) -> float:
        """The seconds."""
        return self.seconds

    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Compare the clock."""
        return torch.full_like(now.steps, now.seconds >= self.seconds, dtype=torch.bool), memory
