"""What a walk asks about inputs, and what it is told."""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor

from xhat.engine.status import Ending

__all__ = ["ROWS", "Answered", "Ask", "Kind", "Told"]

_LESS = 1e-6  # relative decrease of the loss that counts
ROWS = ("x", "z", "excess", "loss", "reached", "confidence", "slope", "pull")
"""What is told of every input, one row each."""


class Kind(Enum):
    """What a walk wants to know of some inputs."""

    HOLDS = auto()  # whether the constraints hold
    VALUES = auto()  # the loss too
    SLOPES = auto()  # the gradients, of the loss and of what is broken
    REFINED = auto()  # what a search of the continuous features makes of them


@dataclass(frozen=True)
class Ask:
    """A question about ``m`` inputs of ``d`` features; ``free`` features are searched."""

    kind: Kind
    x: Tensor
    free: Tensor | None = None


@dataclass(frozen=True)
class Told:
    """What is known of ``m`` inputs, one row each; an input as the space makes it.

    Attributes:
        x: ``(m, d)``.
        z: ``(m, *z_shape)``.
        excess: ``(m,)``, the sum of what is broken; 0 where all holds.
        loss: ``(m,)``.
        reached: ``(m,)`` booleans.
        confidence: ``(m,)``.
        endings: of a stop rule that claims success, where one does.
        slope: ``(m, d)``, the gradient of the loss.
        pull: ``(m, d)``, the gradient of what is broken.
    """

    x: Tensor
    z: Tensor
    excess: Tensor
    loss: Tensor
    reached: Tensor
    confidence: Tensor
    endings: list[Ending | None]
    slope: Tensor
    pull: Tensor

    @property
    def ended(self) -> bool:
        """Whether the first input is all that was wanted."""
        return self.endings[0] is not None and float(self.excess[0]) == 0.0

    def row(self, i: int) -> "Told":
        """Return what is known of one of the inputs."""
        rows = {name: getattr(self, name)[i : i + 1] for name in ROWS}
        return Told(**rows, endings=self.endings[i : i + 1])

    def better(self, other: "Told", margin: float = _LESS) -> bool:
        """Whether the one input is better than another: feasible, reached, of lower loss."""
        if float(self.excess) != float(other.excess):
            return float(self.excess) < float(other.excess)
        if bool(self.reached) != bool(other.reached):
            return bool(self.reached)
        least = float(other.loss.nan_to_num(torch.inf))
        slack = margin * (1 + abs(least)) if least < float("inf") else 0.0
        return float(self.loss.nan_to_num(torch.inf)) < least - slack

    def least(self) -> "Told":
        """Return the best of the inputs."""
        keys = zip(
            self.excess.tolist(),
            (~self.reached).tolist(),
            self.loss.nan_to_num(torch.inf).tolist(),
            range(len(self.x)),
            strict=True,
        )
        return self.row(min(keys)[3])


Answered = Generator[Ask, Told, Any]
