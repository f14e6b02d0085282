"""Goals without a value: as low, or as high, as can be; and a loss of the user's own."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.objectives.base import Custom, Objective
from xhat.objectives.goals.base import Goal, Model, unasked, written
from xhat.objectives.outputs import Maximize, Score

__all__ = ["Least", "Loss", "Most"]


class Least(Goal):
    """As low an output as possible, or one of several, or a weighted sum. Never called reached.

    Args:
        column: the place of one of several outputs, from 0.
        weight: numbers in the shape of one answer, of either sign: their weighted sum counts.

    Raises:
        TypeError, ValueError: a place that is none, or both.

    Example:
        >>> Least().objective(lambda x: x.sum(dim=1))(torch.ones(1, 2))
        tensor([2.])
        >>> Least(column=1).objective(lambda x: x)(torch.tensor([[3.0, 7.0]]))
        tensor([7.])
    """

    targeted = False

    def __init__(self, column: int | None = None, *, weight: Any = None) -> None:
        self._where = {"column": column, "weight": weight}
        Score(unasked, **self._where)  # says what is wrong with them

    def objective(self, model: Model) -> Objective:
        """Return the output itself."""
        return Score(model, **self._where)

    def off(self, y: Tensor) -> Tensor:
        """Return 0: such a goal has no value that could be missed."""
        return torch.where(y.reshape(len(y), -1).isnan().any(dim=1), torch.nan, 0.0)

    def __repr__(self) -> str:
        return written(type(self).__name__, **self._where)


class Most(Least):
    """As high an output as possible, or one of several, or a weighted sum. Never called reached.

    Args:
        column: as of ``Least``, and likewise ``weight``.
    """

    def objective(self, model: Model) -> Objective:
        """Return the negative output."""
        return Maximize(super().objective(model))


class Loss(Goal):
    """A loss of one's own, of the model's output, as low as can be; met where one says so.

    Args:
        function: differentiable, outputs ``(n, ...)`` to ``(n,)``, lower is better.
        reached: when it is met: at a loss of at most this number, or where this function of the
            outputs says so, ``(n,)`` booleans; None for never, as of ``Least``.

    Raises:
        TypeError: what should be called cannot be.

    Example:
        >>> apart = Loss(lambda y: (y[:, 0] - y[:, 1]).abs(), reached=0.1)
        >>> apart.off(torch.tensor([[1.0, 1.5]])), apart.tolerance
        (tensor([0.5000], dtype=torch.float64), 0.1)
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        reached: Callable[[Tensor], Tensor] | float | None = None,
    ) -> None:
        self._function, self._reached = function, reached
        self._asked = Custom(function, reached=reached)
        self.targeted = reached is not None

    def objective(self, model: Model) -> Objective:
        """Return the loss of the model's output."""
        return Custom(self._function, reached=self._reached, model=model)

    @property
    def tolerance(self) -> float:
        """The loss that is enough; 0 where a function says what is."""
        return 0.0 if self._asked.enough is None else self._asked.enough

    def off(self, y: Tensor) -> Tensor:
        """Return the loss, or where a function says what is enough 0 or 1."""
        found = self._asked.measure(y, y)
        if self._asked.enough is not None:
            return found.loss.detach().double()
        missed = torch.zeros(len(y)) if found.reached is None else (~found.reached).double()
        return missed.double().masked_fill(found.loss.isnan(), torch.nan)

    def __repr__(self) -> str:
        name = getattr(self._function, "__name__", type(self._function).__name__)
        enough = self._asked.enough
        said = "" if enough is None else f", reached={enough:g}"
        return f"Loss({name}{said})"
