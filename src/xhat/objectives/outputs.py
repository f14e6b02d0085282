"""One number of a model's output: which output is meant, a weighted sum, and higher or lower."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from xhat.core import check_integer, check_numbers
from xhat.objectives.base import Measurement, Objective, check_loss

__all__ = ["Maximize", "Score", "check_output", "read"]

Model = Callable[[Tensor], Tensor]


class Score(Objective):
    """One number of a model's output, as it is: a search makes it as low as it can.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n,)``, ``(n, 1)`` or ``(n, *y_shape)``.
        output: the place of one of several outputs, from 0.
        weight: numbers in the shape of one answer, of either sign: their weighted sum counts.

    Raises:
        TypeError: the model is not callable.
        ValueError: both ``output`` and ``weight``; or, when it is asked, a model of several outputs
            and neither.

    Example:
        >>> import torch
        >>> y = torch.tensor([[1.0, 20.0, 5.0]])
        >>> Score(lambda x: x, 1)(y), Score(lambda x: x, weight=[1.0, 0.5, -1.0])(y)
        (tensor([20.]), tensor([6.]))
    """

    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(self, model: Model, output: int | None = None, weight: Any = None) -> None:
        if not callable(model):
            raise TypeError(f"the model must be callable, not {type(model).__name__}.")
        if output is not None and weight is not None:
            raise ValueError("give either output, the place of one output, or weight, of a sum.")
        self.model, self.output = model, check_output(output)
        self.weight = None if weight is None else check_numbers("weight", weight).reshape(-1)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the output, or the sum."""
        return Measurement(self.of(self.model(x)))

    def of(self, y: Tensor) -> Tensor:
        """Return the number of outputs ``(n, ...)``, ``(n,)``; several without a choice stay."""
        if self.weight is not None:
            return y.reshape(len(y), -1) @ self.weight.to(y)
        y = y if self.output is None else read(y, self.output)
        return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check that one number of the model's output is meant."""
        output = self.model(x)
        if isinstance(output, Tensor) and output.ndim > 0 and output.shape[0] == 1:
            count = output.numel()
            if self.weight is not None and len(self.weight) != count:
                raise ValueError(
                    f"weight must have a number for each of the model's {count} outputs, but has "
                    f"{len(self.weight)}."
                )
            if self.weight is None and self.output is None and count > 1:
                raise ValueError(
                    f"the model returns {count} outputs, of which one number can be the least or "
                    f"most: say output=0 … {count - 1}, or weight=, of their sum."
                )
            output = self.of(output)
        check_loss("the model", output, 1, x, z)


class Maximize(Objective):
    """The negative of a score, which a search then maximises.

    Args:
        score: differentiable, ``x -> (n,)`` or ``(n, 1)``; another objective will do.

    Example:
        >>> import torch
        >>> Maximize(lambda x: x.sum(dim=1))(torch.ones(2, 3))
        tensor([-3., -3.])
    """

    models: ClassVar[tuple[str, ...]] = ("score",)

    def __init__(self, score: Callable[[Tensor], Tensor]) -> None:
        if not callable(score):
            raise TypeError(f"the score must be callable, not {type(score).__name__}.")
        self.score = score

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


def read(y: Tensor, output: int | None) -> Tensor:
    """Return outputs ``(n, *y_shape)`` as ``(n, outputs)``, or as ``(n, 1)`` the one that is meant.

    Raises:
        ValueError: there is no such output.
    """
    flat = y.reshape(y.shape[0], -1)
    if output is None:
        return flat
    if output >= flat.shape[1]:
        raise ValueError(
            f"output={output} is the place of an output, from 0 to {flat.shape[1] - 1}, of which "
            f"there are {flat.shape[1]}."
        )
    return flat[:, output : output + 1]


def check_output(output: int | None) -> int | None:
    """Return the place of an output, if it is one: an integer from 0, or None."""
    if output is not None and check_integer("output", output) < 0:
        raise ValueError(f"output is the place of an output, from 0, but is {output}.")
    return output
