"""A small constrained program with a known optimum, written as textbooks write it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Expressions = Callable[..., Any]

NO_BOUND = float("inf")


def columns(expressions: Expressions | None, x: Tensor) -> Tensor:
    """Evaluate expressions in ``x1, x2, …`` on the columns of ``x (n, d)``, as ``(n, k)``."""
    if expressions is None:
        return x.new_zeros(len(x), 0)
    return torch.stack(torch.broadcast_tensors(*expressions(*x.unbind(1))), dim=1)


@dataclass(frozen=True)
class Program:
    """Minimise ``cost`` where all of ``positive`` are ``>= 0``, all of ``zero`` ``= 0``.

    The three are functions of the variables ``x1, x2, …`` one by one, with the sign of the source;
    ``objective``, ``inequalities`` and ``equalities`` are batched, with the sign of this library.

    Attributes:
        number: its number in the source, or a name.
        start: where the source starts, often infeasible and sometimes out of bounds.
        optimum: the least feasible cost.
        low: lower bounds, one or one a variable.
        high: upper bounds, likewise.
        local: whether there are feasible local optima above ``optimum``.
        near: a point from which SLSQP reaches ``optimum``, where ``start`` is not one.
        told: what should be said of it, where something must be.
    """

    number: int | str
    start: tuple[float, ...]
    optimum: float
    cost: Expressions
    positive: Expressions | None = None
    zero: Expressions | None = None
    low: float | tuple[float, ...] = -NO_BOUND
    high: float | tuple[float, ...] = NO_BOUND
    local: bool = False
    near: tuple[float, ...] | None = None
    told: str = ""

    @property
    def variables(self) -> int:
        return len(self.start)

    def objective(self, x: Tensor) -> Tensor:
        """Return the cost, ``(n,)``."""
        return self.cost(*x.unbind(1)).expand(len(x))

    def inequalities(self, x: Tensor) -> Tensor:
        """Return ``(n, k)``, feasible where ``<= 0``; ``k`` may be 0."""
        return -columns(self.positive, x)

    def equalities(self, x: Tensor) -> Tensor:
        """Return ``(n, m)``, feasible where ``0``; ``m`` may be 0."""
        return columns(self.zero, x)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return lower and upper bounds, ``(d,)`` each in float64, infinite where there is none."""
        low, high = (torch.tensor(b, dtype=torch.float64) for b in (self.low, self.high))
        return low.expand(self.variables), high.expand(self.variables)

    def violation(self, x: Tensor) -> Tensor:
        """Return the worst violation of constraints and bounds, ``(n,)``, 0 where feasible."""
        low, high = (bound.to(x) for bound in self.bounds())
        parts = (self.inequalities(x), self.equalities(x).abs(), low - x, x - high)
        return torch.cat(parts, dim=1).max(dim=1).values.clamp(min=0)

    def gap(self, x: Tensor) -> Tensor:
        """Return the cost above the optimum, relative to it unless it is 0, ``(n,)``."""
        return (self.objective(x) - self.optimum) / (abs(self.optimum) or 1.0)
