"""Objectives for classifiers: a wanted class, or a wanted distribution over classes."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from xhat.core import check_positive, check_tensor
from xhat.objectives.base import Measurement, Objective, check_loss, check_model

__all__ = ["CrossEntropy", "Margin", "Untargeted"]

Model = Callable[[Tensor], Tensor]


class _Classes(Objective):
    """A model that returns logits ``(n, classes)``, and what its distribution should be."""

    per_candidate: ClassVar[tuple[str, ...]] = ("target",)
    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(self, model: Model, target: Any) -> None:
        self.model, self.target = check_model(model), _target(target)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the model's output on one candidate against every candidate's target."""
        logits = self.model(x)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[0] != 1:
            came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"the model must return logits of shape (n, classes), but for one input it "
                f"returned {came}."
            )
        classes = logits.shape[1]
        if classes < 2:
            raise ValueError(
                f"the model must return logits of at least 2 classes, but returns {classes}; for "
                f"one logit of two classes return torch.cat([-logit, logit], dim=1) / 2, for a "
                f"quantity use Match or Maximize."
            )
        if self.target.dtype == torch.long:
            low, high = int(self.target.min()), int(self.target.max())
            if low < 0 or high >= classes:
                raise ValueError(
                    f"the target must be a class index from 0 to {classes - 1}, but "
                    f"{low if low < 0 else high} came."
                )
        elif self.target.shape[1] != classes:
            raise ValueError(
                f"the target must have one probability for each of the model's {classes} "
                f"classes, but has {self.target.shape[1]}."
            )
        check_loss("the model", logits.sum(dim=1), 1, x, z)

    def _single(self) -> Tensor:
        """Return the target as class indices; only one-hot rows can be turned into them."""
        if self.target.dtype == torch.long:
            return self.target
        if bool((self.target.max(dim=1).values < 1 - 1e-6).any()):
            raise ValueError(
                f"{type(self).__name__} needs a class index or one-hot rows; soft targets name no "
                f"single class: use CrossEntropy."
            )
        return self.target.argmax(dim=1)

    def _predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model(x)
        logits = logits.float() if logits.dtype != torch.float64 else logits
        return logits, F.log_softmax(logits, dim=1)

    def _cross_entropy(self, log_p: Tensor) -> Tensor:
        if self.target.dtype == torch.long:
            return -log_p.gather(1, self.target.expand(log_p.shape[0])[:, None])[:, 0]
        return -(self.target * log_p).sum(dim=1)

    def _agreement(self, log_p: Tensor) -> tuple[Tensor, Tensor]:
        log_p = log_p.detach()
        if self.target.dtype == torch.long:
            wanted = self.target.expand(log_p.shape[0])
            confidence = log_p.gather(1, wanted[:, None])[:, 0].exp()
            return log_p.argmax(dim=1) == wanted, confidence
        confidence = torch.minimum(log_p.exp(), self.target).sum(dim=1)
        return log_p.argmax(dim=1) == self.target.argmax(dim=1), confidence


class CrossEntropy(_Classes):
    """``H(softmax(f(x)), y)``, for a class index, a one-hot vector or any distribution ``y``.

    The target counts as reached when the most probable class is that of ``y``; the confidence is
    the overlap ``sum min(p, y)`` of predicted and wanted distribution, which for a class index is
    that class's probability.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        target: an integer; ``(n,)`` integers, one per candidate; or ``(n, classes)`` (or
            ``(classes,)`` for all) probabilities that sum to 1.

    Raises:
        TypeError: the model is not callable or the target not numbers.
        ValueError: the target is negative, not finite, or does not sum to 1.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0]])
        >>> found = CrossEntropy(lambda x: x, 1).measure(logits, logits)
        >>> round(float(found.loss), 3), bool(found.reached), round(float(found.confidence), 3)
        (0.127, True, 0.881)
    """

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return cross-entropy, decision and confidence from one pass through the model."""
        _, log_p = self._predict(x)
        return Measurement(self._cross_entropy(log_p), *self._agreement(log_p))


class Margin(_Classes):
    """How far the best other class's logit is ahead of the wanted one's, down to ``-kappa``.

    The objective of Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks"
    (2017): ``max(max_{k != y} f_k(x) - f_y(x), -kappa)``.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        target: a class index, ``(n,)`` of them, or one-hot rows.
        kappa: the wanted margin, in logits, 0 or more; the loss is constant beyond it.

    Example:
        >>> logits = torch.tensor([[3.0, 1.0, 0.0]])
        >>> Margin(lambda x: x, 1)(logits)
        tensor([2.])
    """

    def __init__(self, model: Model, target: Any, kappa: float = 0.0) -> None:
        super().__init__(model, target)
        self.target = self._single()
        self.kappa = check_positive("kappa", kappa, zero=True)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return margin, decision and confidence from one pass through the model."""
        logits, log_p = self._predict(x)
        wanted = self.target.expand(x.shape[0])[:, None]
        others = logits.scatter(1, wanted, -torch.inf).amax(dim=1)
        lead = others - logits.gather(1, wanted)[:, 0]
        return Measurement(lead.clamp_min(-self.kappa), *self._agreement(log_p))


class Untargeted(_Classes):
    """``sum_k y_k log softmax(f(x))_k``: the log-probability of a class to leave.

    The objective of an untargeted attack; for a class index it is the log-probability of that
    class. For a distribution it is the negative cross-entropy; leaving the uniform distribution
    means becoming certain of some class. The target counts as reached when the most probable class
    is no longer that of ``y``. The confidence is 1 minus the overlap with ``y``; for a class index,
    the probability of all other classes together.

    Where the class is so sure that the gradient of this vanishes in float32, as it does of a model
    whose logits are large, the loss is the logarithm of 1 and the class's lead over the best other
    one instead. Its gradient does not depend on the scale of the logits; it is 0 or more, and so
    above every log-probability. The trouble, and the difference of logits as the way out, are those
    of Croce, Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
    Parameter-Free Attacks" (ICML 2020).

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        label: the class to leave, ``(n,)`` of them, or distributions ``(n, classes)``.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0]])
        >>> found = Untargeted(lambda x: x, 0).measure(logits, logits)
        >>> round(float(found.loss), 3), bool(found.reached), round(float(found.confidence), 3)
        (-2.127, True, 0.881)
    """

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the log-probability, whether it is no longer the highest, and confidence."""
        logits, log_p = self._predict(x)
        stays, p = self._agreement(log_p)
        surest = logits.detach().argmax(dim=1, keepdim=True)
        lead = logits.gather(1, surest) - logits.scatter(1, surest, -torch.inf).amax(
            1, keepdim=True
        )
        lead = lead[:, 0]
        sure = stays & (p > 0.5) & (lead.detach() > _SURE)
        loss = torch.where(sure, torch.log1p(lead.where(sure, 0.0)), -self._cross_entropy(log_p))
        return Measurement(loss, ~stays, 1 - p, scale_free=sure)


_SURE = 16.0  # logits ahead, from which float32 rounds the probability to 1


def _target(target: Any) -> Tensor:
    target = check_tensor("the target", target, floating=False)
    if not target.dtype.is_floating_point:
        if target.dtype == torch.bool or target.dtype.is_complex:
            raise TypeError(
                f"the target must be class indices or probabilities, not {target.dtype}."
            )
        if target.ndim > 1:
            if bool(((target == 0) | (target == 1)).all()) and target.ndim == 2:
                return _target(target.float())
            raise ValueError(
                f"class indices must be one per candidate, (n,), but have shape "
                f"{tuple(target.shape)}."
            )
        return target.reshape(-1).long()
    if target.ndim not in (1, 2):
        raise ValueError(
            f"a soft target must be (n, classes) or (classes,), but has shape "
            f"{tuple(target.shape)}; class indices must be integers."
        )
    target = target.reshape(-1, target.shape[-1])
    total = target.sum(dim=1)
    worst = int((total - 1).abs().argmax())
    if bool((target < 0).any()) or abs(float(total[worst]) - 1) > 1e-4:
        raise ValueError(
            f"a soft target must be probabilities that sum to 1, but row {worst} sums to "
            f"{float(total[worst]):.4g} (least value {float(target.min()):.4g})."
        )
    return target
