"""One number of a model's output: which output is meant, a weighted sum, and higher or lower."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from xhat.core import Key, Model, check_integer, check_numbers
from xhat.objectives.base import Measurement, Objective, check_loss

__all__ = ["Maximize", "Score", "check_column", "read"]


class Score(Objective):
    """One number of a model's output, as it is: a search makes it as low as it can.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n,)``, ``(n, 1)`` or ``(n, *y_shape)``.
        column: the place of one of several outputs, from 0.
        weight: numbers in the shape of one answer, of either sign: their weighted sum counts.
        output: which output is meant of a model that returns several tensors, by name or number;
            None finds it.
        given: further inputs of the model by name, a row for each candidate or one for all.

    Raises:
        TypeError: the model is not callable.
        ValueError: both ``column`` and ``weight``; or, when it is asked, a model of several outputs
            and neither.

    Example:
        >>> import torch
        >>> y = torch.tensor([[1.0, 20.0, 5.0]])
        >>> Score(lambda x: x, 1)(y), Score(lambda x: x, weight=[1.0, 0.5, -1.0])(y)
        (tensor([20.]), tensor([6.]))
    """

    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        model: Callable[..., Any],
        column: int | None = None,
        weight: Any = None,
        *,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        if column is not None and weight is not None:
            raise ValueError("give either column, the place of one output, or weight, of a sum.")
        self.model = Model.of(model, output=output, given=given)
        self.column = check_column(column)
        self.weight = None if weight is None else check_numbers("weight", weight).reshape(-1)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the output, or the sum."""
        return Measurement(self.of(self.model(x)))

    def of(self, y: Tensor) -> Tensor:
        """Return the number of outputs ``(n, ...)``, ``(n,)``; several without a choice stay."""
        if self.weight is not None:
            return y.reshape(len(y), -1) @ self.weight.to(y)
        y = y if self.column is None else read(y, self.column)
        return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check that one number of the model's output is meant."""
        output = self.of_first().model(x)
        if isinstance(output, Tensor) and output.ndim > 0 and output.shape[0] == 1:
            count = output.numel()
            if self.weight is not None and len(self.weight) != count:
                raise ValueError(
                    f"weight must have a number for each of the model's {count} outputs, but has "
                    f"{len(self.weight)}."
                )
            if self.weight is None and self.column is None and count > 1:
                raise ValueError(
                    f"the model returns {count} outputs, of which one number can be the least or "
                    f"most: say column=0 … {count - 1}, or weight=, of their sum."
                )
            output = self.of(output)
        check_loss("the model", output, 1, x, z)


class Maximize(Objective):
    """The negative of a score, which a search then maximises.

    Args:
        score: differentiable, ``x -> (n,)`` or ``(n, 1)``; another objective will do.
        output: which of the score's outputs is meant, by name or number; None finds it.
        given: further inputs of the score by name, a row for each candidate or one for all.

    Example:
        >>> import torch
        >>> Maximize(lambda x: x.sum(dim=1))(torch.ones(2, 3))
        tensor([-3., -3.])
    """

    models: ClassVar[tuple[str, ...]] = ("score",)

    def __init__(
        self,
        score: Callable[..., Any],
        *,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(score):
            raise TypeError(f"the score must be callable, not {type(score).__name__}.")
        if isinstance(score, Objective):
            self.score = score
        else:
            self.score = Model.of(score, "loss", output=output, given=given)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Return the negative score."""
        if isinstance(self.score, Objective):
            return Measurement(-self.score.measure(x, z).loss)
        score = self.score(x)
        if isinstance(score, Tensor) and score.ndim == 2 and score.shape[1] == 1:
            score = score[:, 0]
        return Measurement(-score)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the score, with all of its targets if it is an objective."""
        if isinstance(self.score, Objective):
            self.score.check(x, z)
        else:
            super().check(x, z)


def read(y: Tensor, column: int | None) -> Tensor:
    """Return outputs ``(n, *y_shape)`` as ``(n, outputs)``, or as ``(n, 1)`` the one that is meant.

    Raises:
        ValueError: there is no such output.
    """
    flat = y.reshape(y.shape[0], -1)
    if column is None:
        return flat
    if column >= flat.shape[1]:
        raise ValueError(
            f"column={column} is the place of an output, from 0 to {flat.shape[1] - 1}, of which "
            f"there are {flat.shape[1]}."
        )
    return flat[:, column : column + 1]


def check_column(column: int | None) -> int | None:
    """Return the place of an output, if it is one: an integer from 0, or None."""
    if column is not None and check_integer("column", column) < 0:
        raise ValueError(f"column is the place of an output, from 0, but is {column}.")
    return column
