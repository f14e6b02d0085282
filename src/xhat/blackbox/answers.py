"""What is known of every candidate, by the real model alone."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xhat.blackbox.model import BlackBox
from xhat.objectives import Measurement
from xhat.objectives.goals import Goal

__all__ = ["DOUBT", "Asked", "Known"]

DOUBT = 1.5
"""What an answer costs of which the model is not sure at all, beside what its changes cost."""


@dataclass(frozen=True)
class Asked:
    """What outputs of the model mean for candidates ``(p,)``.

    Attributes:
        loss: ``(p,)``; infinite where the model gave no number.
        reached: ``(p,)`` booleans.
        doubt: ``(p,)`` in [0, 1], 1 minus the confidence; 0 where the goal knows none.
    """

    loss: Tensor
    reached: Tensor
    doubt: Tensor


class Known:
    """The best answer of each candidate, and every answer of the model.

    Args:
        box: the model.
        goal: what is wanted of it.
        x0: ``(n, *x_shape)``, the starts.
        confidence: from which a class counts as reached; None for the most probable class.

    Attributes:
        x: ``(n, *x_shape)``, the best input of each.
        loss: ``(n,)``, of the model at ``x``.
        reached: ``(n,)`` booleans, likewise.
        cost: ``(n,)``, what ``x`` costs where it is reached, else infinite.
        asked: ``(n,)``, for how many inputs of each the model was asked.
    """

    def __init__(self, box: BlackBox, goal: Goal, x0: Tensor, confidence: float | None) -> None:
        self.box, self.goal, self.x0, self.confidence = box, goal, x0, confidence
        self.said = goal.objective(_itself)
        n = len(x0)
        self.x = x0.clone()
        self.loss = torch.full((n,), torch.inf)
        self.cost = torch.full((n,), torch.inf)
        self.reached = torch.zeros(n, dtype=torch.bool)
        self.asked = torch.zeros(n, dtype=torch.long)
        self.new_x: list[Tensor] = []
        self.new_y: list[Tensor] = []

    def measure(self, y: Tensor, rows: Tensor) -> Measurement:
        """Return what outputs ``(p, ...)`` mean for the candidates ``rows``, ``(p,)``."""
        with torch.no_grad():
            return self.said.select(rows).measure(y, y)

    def meaning(self, y: Tensor, rows: Tensor) -> Asked:
        """Return loss and whether the goal is reached, of outputs ``(p, ...)``."""
        found = self.measure(y, rows)
        fine = y.reshape(len(y), -1).isfinite().all(dim=1) & found.loss.isfinite()
        reached = fine.clone() if found.reached is None else found.reached & fine
        if self.confidence is not None and found.confidence is not None:
            reached &= found.confidence >= self.confidence
        sure = found.confidence
        doubt = torch.zeros(len(y)) if sure is None else 1 - sure.float().nan_to_num()
        return Asked(found.loss.float().where(fine, torch.inf), reached, doubt)

    def ask(self, x: Tensor, rows: Tensor, cost: Tensor) -> Tensor:
        """Ask the model of inputs ``(p, *x_shape)`` of candidates ``rows``; keep what is better.

        Args:
            x: the inputs.
            rows: ``(p,)``, whose they are.
            cost: ``(p,)``, what each costs where it is reached.

        Returns:
            Whether each is reached, ``(p,)`` booleans.
        """
        y = self.box(x)
        self.asked += torch.bincount(rows, minlength=len(self.x))
        self.new_x.append(x)
        self.new_y.append(y)
        return self.take(x, y, rows, cost)

    def take(self, x: Tensor, y: Tensor, rows: Tensor, cost: Tensor) -> Tensor:
        """Keep the best of inputs whose outputs are known; as ``ask`` otherwise."""
        found = self.meaning(y, rows)
        if not self.goal.targeted:  # what is lower is better, and nothing is ever reached
            found = replace(found, reached=torch.zeros_like(found.reached))
        cost = cost + DOUBT * found.doubt
        for p, i in enumerate(rows.tolist()):
            better = bool(found.loss[p] < self.loss[i]) and not bool(self.reached[i])
            if bool(found.reached[p]):
                better = bool(cost[p] < self.cost[i])
            if better:
                self.x[i], self.loss[i] = x[p], found.loss[p]
                self.reached[i] = found.reached[p]
                self.cost[i] = cost[p] if bool(found.reached[p]) else torch.inf
        return found.reached

    def news(self) -> tuple[Tensor, Tensor] | None:
        """Return what the model was asked since this was called last, and what it said."""
        if not self.new_x:
            return None
        found = torch.cat(self.new_x), torch.cat(self.new_y)
        self.new_x, self.new_y = [], []
        return found


def _itself(y: Tensor) -> Tensor:
    return y
