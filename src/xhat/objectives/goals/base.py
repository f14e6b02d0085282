"""The noun of this room: what is wanted of an output."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.objectives.base import Objective

__all__ = ["Goal", "Model", "shown", "unasked", "written"]

Model = Callable[[Tensor], Tensor]
_SHOWN = 12  # numbers that are written out


class Goal(ABC):
    """What is wanted of a model's output.

    Attributes:
        labels: ``(n,)`` or ``(1,)`` wanted classes, for judges; None where no class of the whole
            input is wanted.
        targeted: whether a candidate can be said to have reached it.
        by_class: whether it is about logits, of classes or labels; else about values.
        single: whether it is about the one class that a model gives to a whole input.
    """

    labels: Tensor | None = None
    targeted: bool = True
    by_class: bool = False
    single: bool = False

    @abstractmethod
    def objective(self, model: Model) -> Objective:
        """Return what a search minimises to get there.

        Args:
            model: differentiable, ``(n, *x_shape)`` to logits ``(n, classes)``, at positions
                ``(n, classes, *positions)``, or to values ``(n,)`` or ``(n, *y_shape)``.
        """

    @abstractmethod
    def off(self, y: Tensor) -> Tensor:
        """Return how far outputs ``(n, ...)`` miss the goal: ``(n,)``, 0 or more; NaN stays NaN.

        For classes 0 or 1, otherwise a distance in the output's unit. A truth is judged by it.
        """

    @property
    def tolerance(self) -> float:
        """The largest miss at which the goal still counts as met."""
        return 0.0

    @property
    def rows(self) -> int:
        """For how many candidates it is made; 1 for any number."""
        return 1 if self.labels is None else len(self.labels)

    @property
    def shared(self) -> bool:
        """Whether it is one and the same for every candidate."""
        return self.rows == 1

    def fits(self, outputs: int) -> bool:
        """Return whether it can be asked of so many outputs in a row."""
        del outputs
        return True

    def apart(self, error: Tensor) -> Tensor:
        """Return errors ``(b, outputs)`` of each output as ``inside`` counts them, ``(b,)``."""
        return error.abs().amax(dim=1)

    def inside(self, y: Tensor) -> Tensor:
        """Return how far inside the goal outputs ``(n, ...)`` are: ``(n,)``, below 0 where outside.

        In the output's unit, for classes in logits: what is farther inside is the surer to be met.
        """
        return self.tolerance - self.off(y)

    def aim(self, y: Tensor) -> Tensor | None:
        """Return the outputs that meet the goal and are nearest to ``(n, outputs)``, or None.

        None where that is no question: for classes, and where more is always better.
        """
        del y
        return None

    @abstractmethod
    def __repr__(self) -> str:
        """Return how it is written."""

    def at_positions(self) -> "Goal":
        """Return the same, asked of a model that answers at positions: no class of the whole."""
        return self

    def labels_for(self, n: int) -> Tensor | None:
        """Return the wanted class of each of ``n`` candidates, ``(n,)``, or None.

        Raises:
            ValueError: it is made for another number of candidates.
        """
        if self.rows not in (1, n):
            raise ValueError(self.misfit(n))
        return None if self.labels is None else self.labels.expand(n)

    def misfit(self, n: int) -> str:
        """Return the sentence that says that it is made for another number of candidates."""
        return (
            f"the goal {self!r} is made for {self.rows} inputs, but there are {n}; give one row "
            f"for all, of shape (1, ...), or one for each."
        )


def unasked(x: Tensor) -> Tensor:
    """Return what is given: the model of an objective that is made to see what is wrong with it."""
    return x


def shown(value: Any) -> str:
    """Return numbers as text: a few of them written out, of many how many there are."""
    numbers = torch.as_tensor(value)
    if numbers.numel() == 1:
        return f"{float(numbers):g}"
    rows = numbers if len(numbers) > 1 else numbers[0]
    if rows.ndim > 1:
        return f"{' x '.join(map(str, rows.shape))} of them"
    if len(rows) > _SHOWN:
        return f"{len(rows)} of them"
    return str([round(v, 4) for v in rows.tolist()])


def written(name: str, *values: Any, **more: Any) -> str:
    """Return how a goal is written: its values, and what else was said."""
    told = [value if isinstance(value, str) else shown(value) for value in values]
    told += [
        f"{key}=…" if isinstance(value, Tensor | list | tuple) else f"{key}={value}"
        for key, value in more.items()
        if value is not None
    ]
    return f"{name}({', '.join(told)})"
