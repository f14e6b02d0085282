"""The objective for several labels at once, each with a logit of its own."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from xhat.core import Key, Model, check_tensor
from xhat.objectives.base import Measurement, Objective, check_loss
from xhat.objectives.counted import Counted

__all__ = ["BinaryCrossEntropy"]


class BinaryCrossEntropy(Objective):
    """``mean_k log(1 + exp(-s_k f_k(x)))``, with ``s_k`` = 1 for a wanted label, -1 for any other.

    That is the cross-entropy of ``sigmoid(f(x))`` and labels of 0 and 1, computed from logits so
    that it stays exact where they are large. It counts as reached when every label that counts is
    on its side: its logit is above 0 where 1 is wanted, below 0 where 0 is. The confidence is the
    least of their probabilities.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, labels)`` logits, one for each label, or
            ``(n, *shape)``; of a single label also ``(n,)``.
        labels: 0, 1, or NaN where any will do: ``(labels,)`` for all or ``(n, labels)``; booleans
            do as well.
        mask: booleans, true for the labels that count, ``(labels,)`` or ``(n, labels)``.
        weight: numbers of 0 or more, likewise: how much each counts in the loss.
        output: which of the model's outputs is meant, by name or number; None finds it.
        given: further inputs of the model by name, a row for each candidate or one for all.

    Raises:
        TypeError: the model is not callable, or the labels are not numbers.
        ValueError: a label is none of 0, 1 and NaN, or none of a row counts.

    Example:
        >>> found = BinaryCrossEntropy(lambda x: x, [1.0, 0.0, torch.nan]).measure(
        ...     torch.tensor([[2.0, -3.0, 9.0]]), torch.zeros(1))
        >>> round(float(found.loss), 3), bool(found.reached), round(float(found.confidence), 3)
        (0.088, True, 0.881)
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("side",)
    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        model: Callable[..., Any],
        labels: Any,
        *,
        mask: Any = None,
        weight: Any = None,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = Model.of(model, output=output, given=given)
        labels = labels_of(labels)
        self.counted = Counted(weight, mask, tuple(labels.shape[1:]))
        if bool(labels.isnan().any()):
            self.counted = self.counted.only(~labels.isnan())
        self.side = 2 * labels.nan_to_num(0.0).flatten(1) - 1

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the cross-entropy, whether all labels are on their side, and how surely."""
        towards = self.counted.kept(self.side * self._logits(x))
        away, least = F.softplus(-towards), self.counted.least(towards.detach())
        reached = self.counted.all(towards.detach() > 0)
        return Measurement(self.counted.mean(away), reached, least.sigmoid())

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the model's output on one candidate against the labels."""
        output = self.of_first().model(x)
        if not isinstance(output, Tensor) or output.ndim < 1 or output.shape[0] != 1:
            came = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"the model must return one logit for each label, (n, labels), but for one input "
                f"it returned {came}."
            )
        count, wanted = output.numel(), self.side.shape[1]
        if count != wanted:
            more = "; for one label of each candidate give (n, 1)" if count == 1 else ""
            raise ValueError(
                f"there must be a label of 0, 1 or NaN (any) for each of the model's {count} "
                f"logits, but there are {wanted}{more}."
            )
        check_loss("the model", output.reshape(1, -1).sum(dim=1), 1, x, z)

    def _logits(self, x: Tensor) -> Tensor:
        output = self.model(x)
        output = output if output.dtype == torch.float64 else output.float()
        return output.reshape(output.shape[0], -1)


def labels_of(labels: Any) -> Tensor:
    """Return labels of 0, 1 and NaN as floating point, ``(n, *shape)`` or ``(1, *shape)``.

    Raises:
        TypeError: no numbers.
        ValueError: other numbers; the message names what takes them.
    """
    labels = labels if isinstance(labels, Tensor) else _tensor(labels)
    given = labels.nan_to_num(0.0, torch.inf, -torch.inf) if labels.is_floating_point() else labels
    given = check_tensor("the labels", given, floating=False)
    if not bool(((given == 0) | (given == 1)).all()):
        other = given[(given != 0) & (given != 1)][0]
        raise ValueError(
            f"a label must be 0, 1 or NaN (any), but {float(other):g} came; for one class give its "
            f"number to Class, for probabilities use Distribution, for quantities Value."
        )
    labels = labels if labels.is_floating_point() else labels.float()
    return labels if labels.ndim > 1 else labels.reshape(1, -1)


def _tensor(labels: Any) -> Tensor:
    try:
        return torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(labels).__name__
        raise TypeError(f"the labels must be an array of 0 and 1, not {kind}.") from error
