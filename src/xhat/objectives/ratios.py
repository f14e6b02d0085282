"""How far a class to leave is ahead: in logits, and as a ratio that their scale does not change."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.core import check_rows, check_tensor
from xhat.objectives.base import Measurement
from xhat.objectives.classes import Untargeted

__all__ = ["Lead", "LogitRatio"]


class Lead(Untargeted):
    """``f_y - max_{k != y} f_k``: how far a class to leave is ahead, in logits; below 0 when left.

    The target counts as reached when the most probable class is any but ``y``.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        label: the class to leave, or ``(n,)`` of them.

    Raises:
        ValueError: a label that is no class, or a distribution.

    Example:
        >>> Lead(lambda x: x, 0)(torch.tensor([[4.0, 1.0, 2.5]])).item()
        1.5
    """

    def __init__(self, model: Callable[..., Any], label: Any) -> None:
        super().__init__(model, label)
        if self.target.is_floating_point() or self.target.ndim != 1:
            name = type(self).__name__
            raise ValueError(f"{name} leaves one class for each input: give (n,) integers.")

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the lead, whether the class is left, and confidence, from one pass."""
        logits, log_p = self._predict(x)
        return Measurement(self._lead(logits), *self._agreement(log_p, leaves=True))

    def _lead(self, logits: Tensor) -> Tensor:
        label = self._wanted(logits)[:, None]
        others = logits.scatter(1, label, -torch.inf).amax(dim=1)
        return logits.gather(1, label)[:, 0] - others


class LogitRatio(Lead):
    """``(f_y - f_r) / (f_1 - f_3)``: the lead of a class to leave over a rival, below 0 when left.

    ``f_1 >= f_2 >= f_3 ...`` are the sorted logits. The rival ``r`` is the best other class, or one
    that is named; then the divisor is ``f_1 - (f_3 + f_4) / 2``. The target counts as reached when
    the most probable class is any but ``y``. With two classes there is no third logit, and the lead
    itself is the loss; with three, a named rival takes the first divisor.

    Source: Croce, Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
    Parameter-free Attacks", ICML 2020, equations 6 and 7.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        label: the class to leave, or ``(n,)`` of them.
        rival: ``(n,)`` or ``(1,)`` classes to lead towards; None for the best other one.

    Raises:
        ValueError: a rival for another number of candidates, or a label that is no class.

    Example:
        >>> logits = torch.tensor([[4.0, 1.0, 0.0, 2.0]])
        >>> LogitRatio(lambda x: x, 0)(logits).item(), LogitRatio(lambda x: x, 0, 2)(logits).item()
        (0.6666666865348816, 1.1428571939468384)
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("target", "rival")

    def __init__(self, model: Callable[..., Any], label: Any, rival: Any = None) -> None:
        super().__init__(model, label)
        self.named = rival is not None
        rival = check_tensor(
            "the rival", torch.tensor(-1) if rival is None else rival, floating=False
        )
        self.rival = rival.reshape(-1).long()
        if len(self.target) != 1 and len(self.rival) != 1:
            check_rows("the rival", self.rival, len(self.target))

    def _lead(self, logits: Tensor) -> Tensor:
        spread = self._spread(logits.sort(dim=1, descending=True).values)
        if not self.named:
            return super()._lead(logits) / spread
        own = logits.gather(1, self._wanted(logits)[:, None])
        rival = logits.gather(1, self.rival.to(logits.device).expand(len(logits))[:, None])
        return (own - rival)[:, 0] / spread

    def _spread(self, ordered: Tensor) -> Tensor | float:
        classes = ordered.shape[1]
        if classes < 3:
            return 1.0
        third = ordered[:, 2]
        if self.named and classes > 3:
            third = (third + ordered[:, 3]) / 2
        return (ordered[:, 0] - third).clamp_min(1e-12)
