"""Objectives for classifiers: a wanted class, or a wanted distribution over classes.

A model may answer once for every input, ``(n, classes)``, or at every position of a map, a
sequence, a volume: ``(n, classes, *positions)``. Losses at positions are averaged; the target
counts as reached when it is at every position that counts, or at a wanted share of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from xhat.core import NO_GRADIENT, Key, Model, check_integer, check_positive, check_tensor
from xhat.objectives.base import Measurement, Objective, check_loss
from xhat.objectives.counted import Counted, check_part

__all__ = ["CrossEntropy", "Margin", "Untargeted"]


class _Classes(Objective):
    """A model that returns logits ``(n, classes, *positions)``, and what is wanted there."""

    per_candidate: ClassVar[tuple[str, ...]] = ("target",)
    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        model: Callable[..., Any],
        target: Any,
        *,
        mask: Any = None,
        weight: Any = None,
        ignore: int | None = None,
        share: float = 1.0,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = Model.of(model, "logits", output=output, given=given)
        self.share = check_part(share)
        self.target = _target(target, None if ignore is None else check_integer("ignore", ignore))
        self.ignore = ignore
        self.counted = Counted(weight, mask, self._positions)
        if ignore is not None and not self.target.is_floating_point():
            counts = self.target != ignore
            self.counted = self.counted.only(counts)
            self.target = self.target.where(counts, 0)

    @property
    def _positions(self) -> tuple[int, ...] | None:
        """The shape of a map of targets; None where one is for all positions."""
        shape = tuple(self.target.shape[2 if self.target.is_floating_point() else 1 :])
        return shape or None

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the model's output on one candidate against every candidate's target."""
        logits = self.of_first().model(x)
        if not isinstance(logits, Tensor) or logits.ndim < 2 or logits.shape[0] != 1:
            came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            hint = NO_GRADIENT * hasattr(logits, "__array__") * (not isinstance(logits, Tensor))
            raise ValueError(
                f"the model must return logits of shape (n, classes), or (n, classes, *positions), "
                f"but for one input it returned {came}{hint}."
            )
        classes, positions = logits.shape[1], tuple(logits.shape[2:])
        if classes < 2:
            raise ValueError(
                f"the model must return logits of at least 2 classes, but returns {classes}; for "
                f"one logit of two classes use BinaryCrossEntropy (the goal Labels([1])), for a "
                f"probability or a quantity Interval, Match or Maximize."
            )
        self._check_positions(positions, tuple(logits.shape[1:]))
        self._check_classes(classes, at_positions=bool(positions))
        self.counted.check(positions, "positions")
        check_loss("the model", logits.flatten(1).sum(dim=1), 1, x, z)

    def _check_positions(self, positions: tuple[int, ...], shape: tuple[int, ...]) -> None:
        wanted = self._positions
        if wanted is None or wanted == positions or (not positions and self._is_hot):
            return
        kind = "distributions" if self.target.is_floating_point() else "classes"
        if not positions and kind == "classes" and _are_flags(self.target) and len(wanted) == 1:
            raise ValueError(
                f"the target has rows of 0 and 1 with other than one 1{_LABELS}? A class for each "
                f"input is (n,) integers."
            )
        if not positions:
            raise ValueError(
                f"the target is a map of {kind}, {tuple(self.target.shape)}, but the model gives "
                f"one distribution, (n, classes), for the whole input; give one class for each "
                f"input, (n,), or (n, classes) probabilities."
            )
        last = "; move the classes to axis 1: logits.movedim(-1, 1)" if wanted == shape[:-1] else ""
        raise ValueError(
            f"the target is a map of {kind} at positions {wanted}, but the model gives its "
            f"(n, classes, *positions) at {positions}{last}."
        )

    def _check_classes(self, classes: int, *, at_positions: bool) -> None:
        if self.target.is_floating_point() or (self._is_hot and not at_positions):
            if self.target.shape[1] != classes:
                raise ValueError(
                    f"the target must have one probability for each of the model's {classes} "
                    f"classes, but has {self.target.shape[1]}."
                )
            return
        low, high = int(self.target.min()), int(self.target.max())
        if low < 0 or high >= classes:
            beyond = low if low < 0 else high
            more = "" if self._positions is None else f"; what does not count: ignore={beyond}"
            raise ValueError(
                f"the target must be a class index from 0 to {classes - 1}, but {beyond} "
                f"came{more}."
            )

    @property
    def _is_hot(self) -> bool:
        """Whether these integers may be one-hot rows: a model without positions decides."""
        target = self.target
        if target.is_floating_point() or target.ndim != 2 or self.ignore is not None:
            return False
        return _are_flags(target) and bool((target.sum(dim=1) == 1).all())

    def _single(self) -> Tensor:
        """Return the target as class indices; only one-hot rows can be turned into them."""
        if not self.target.is_floating_point():
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

    def _wanted(self, like: Tensor) -> Tensor:
        """Return the target for ``(n, classes, *positions)``: classes, or a distribution."""
        target, n = self.target, like.shape[0]
        if target.is_floating_point():
            return target.reshape(*target.shape, *(1,) * (like.ndim - target.ndim))
        if target.ndim == 2 and like.ndim == 2:  # one-hot rows
            target = target.argmax(dim=1)
        target = target.reshape(*target.shape, *(1,) * (like.ndim - 1 - target.ndim))
        return target.expand(n, *like.shape[2:])

    def _cross_entropy(self, log_p: Tensor) -> Tensor:
        wanted = self._wanted(log_p)
        if wanted.is_floating_point():
            return self.counted.mean(-(wanted * log_p).sum(dim=1))
        return self.counted.mean(-log_p.gather(1, wanted[:, None])[:, 0])

    def _agreement(self, log_p: Tensor, *, leaves: bool = False) -> tuple[Tensor, Tensor]:
        """Return who gives the target, or ``leaves`` it, and how confident the model is of that."""
        log_p, wanted = log_p.detach(), self._wanted(log_p)
        if wanted.is_floating_point():
            sure = torch.minimum(log_p.exp(), wanted).sum(dim=1)
            right = log_p.argmax(dim=1) == wanted.argmax(dim=1)
        else:
            sure = log_p.gather(1, wanted[:, None])[:, 0].exp()
            right = log_p.argmax(dim=1) == wanted
        if leaves:
            sure, right = 1 - sure, ~right
        return self.counted.all(right, self.share), self.counted.least(sure, self.share)


class CrossEntropy(_Classes):
    """``H(softmax(f(x)), y)``, for a class index, a one-hot vector or any distribution ``y``.

    The target counts as reached when the most probable class is that of ``y``; the confidence is
    the overlap ``sum min(p, y)`` of predicted and wanted distribution, which for a class index is
    that class's probability. Of a model that answers at positions, the loss is the mean over those
    that count; what a share of these has counts: by default all of them, and the confidence is the
    least.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` or ``(n, classes, *positions)``
            logits.
        target: an integer; ``(n,)`` integers, one per candidate; ``(n, *positions)`` or
            ``(1, *positions)``, a map of classes; or ``(n, classes)`` (or ``(classes,)`` for all,
            or ``(n, classes, *positions)``) probabilities that sum to 1.
        mask: booleans, true for the positions that count, in their shape or with a row for each
            candidate.
        weight: numbers of 0 or more, likewise: how much each position counts in the loss.
        ignore: a class that stands, in a map, for a position that does not count; None for none.
        share: of the positions that count, in (0, 1], at which the target must be.
        output: which of the model's outputs is meant, by name or number; None finds it.
        given: further inputs of the model by name, a row for each candidate or one for all.

    Raises:
        TypeError: the model is not callable or the target not numbers.
        ValueError: the target is negative, not finite, or does not sum to 1.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0]])
        >>> found = CrossEntropy(lambda x: x, 1).measure(logits, logits)
        >>> round(float(found.loss), 3), bool(found.reached), round(float(found.confidence), 3)
        (0.127, True, 0.881)
        >>> pixels = torch.tensor([[[0.0, 0.0, 4.0], [2.0, 2.0, 0.0]]])  # 2 classes at 3 pixels
        >>> found = CrossEntropy(lambda x: x, [[1, 1, 255]], ignore=255).measure(pixels, pixels)
        >>> bool(found.reached), round(float(found.confidence), 3)
        (True, 0.881)
    """

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return cross-entropy, decision and confidence from one pass through the model."""
        _, log_p = self._predict(x)
        return Measurement(self._cross_entropy(log_p), *self._agreement(log_p))


class Margin(_Classes):
    """How far the best other class's logit is ahead of the wanted one's, down to ``-kappa``.

    The objective of Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks"
    (2017): ``max(max_{k != y} f_k(x) - f_y(x), -kappa)``, at positions its mean.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` or ``(n, classes, *positions)``
            logits.
        target: a class index, ``(n,)`` of them, one-hot rows, or a map of classes.
        kappa: the wanted margin, in logits, 0 or more; the loss is constant beyond it.
        mask: as of ``CrossEntropy``, and likewise ``weight``, ``ignore``,
            ``share``, ``output`` and ``given``.
        weight: likewise.
        ignore: likewise.
        share: likewise.
        output: likewise.
        given: likewise.

    Example:
        >>> logits = torch.tensor([[3.0, 1.0, 0.0]])
        >>> Margin(lambda x: x, 1)(logits)
        tensor([2.])
    """

    def __init__(
        self,
        model: Callable[..., Any],
        target: Any,
        kappa: float = 0.0,
        *,
        mask: Any = None,
        weight: Any = None,
        ignore: int | None = None,
        share: float = 1.0,
        output: Key | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            model, target, mask=mask, weight=weight, ignore=ignore, share=share, output=output,
            given=given,
        )  # fmt: skip
        self.target = self._single()
        self.kappa = check_positive("kappa", kappa, zero=True)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return margin, decision and confidence from one pass through the model."""
        logits, log_p = self._predict(x)
        wanted = self._wanted(logits)[:, None]
        others = logits.scatter(1, wanted, -torch.inf).amax(dim=1)
        lead = others - logits.gather(1, wanted)[:, 0]
        loss = self.counted.mean(lead.clamp_min(-self.kappa))
        return Measurement(loss, *self._agreement(log_p))


class Untargeted(_Classes):
    """``sum_k y_k log softmax(f(x))_k``: the log-probability of a class to leave.

    The objective of an untargeted attack; for a class index it is the log-probability of that
    class. For a distribution it is the negative cross-entropy; leaving the uniform distribution
    means becoming certain of some class. The target counts as reached when the most probable class
    is no longer that of ``y``, at every position that counts or a share of them. The confidence is
    1 minus the overlap with ``y``; for a class index, the probability of all other classes
    together.

    Where the class is so sure that the gradient of this vanishes in float32, as it does of a model
    whose logits are large, the loss is the logarithm of 1 and the class's lead over the best other
    one instead. Its gradient does not depend on the scale of the logits; it is 0 or more, and so
    above every log-probability. The trouble, and the difference of logits as the way out, are those
    of Croce, Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse
    Parameter-Free Attacks" (ICML 2020).

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` or ``(n, classes, *positions)``
            logits.
        label: the class to leave, ``(n,)`` of them, a map of classes, or distributions
            ``(n, classes)``.
        mask: as of ``CrossEntropy``, and likewise ``weight``, ``ignore``,
            ``share``, ``output`` and ``given``.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0]])
        >>> found = Untargeted(lambda x: x, 0).measure(logits, logits)
        >>> round(float(found.loss), 3), bool(found.reached), round(float(found.confidence), 3)
        (-2.127, True, 0.881)
    """

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the log-probability, whether it is no longer the highest, and confidence."""
        logits, log_p = self._predict(x)
        left, other = self._agreement(log_p, leaves=True)
        entropy = -self._cross_entropy(log_p)
        if logits.ndim > 2:
            return Measurement(entropy, left, other)
        surest = logits.detach().argmax(dim=1, keepdim=True)
        lead = logits.gather(1, surest) - logits.scatter(1, surest, -torch.inf).amax(
            1, keepdim=True
        )
        lead = lead[:, 0]
        sure = ~left & (other < 0.5) & (lead.detach() > _SURE)
        loss = torch.where(sure, torch.log1p(lead.where(sure, 0.0)), entropy)
        return Measurement(loss, left, other, scale_free=sure)


_SURE = 16.0  # logits ahead, from which float32 rounds the probability to 1


def _target(target: Any, ignore: int | None = None) -> Tensor:
    """Return classes ``(n,)`` or ``(n, *positions)``, or distributions ``(n, classes, ...)``."""
    target = check_tensor("the target", target, floating=False)
    if not target.dtype.is_floating_point:
        if target.dtype == torch.bool or target.dtype.is_complex:
            raise TypeError(
                f"the target must be class indices or probabilities, not {target.dtype}; for "
                f"several labels at once use BinaryCrossEntropy (the goal Labels)."
            )
        if ignore is not None and target.ndim < 2:
            raise ValueError(
                "ignore= is for maps of classes, (n, *positions), but there is one class for each "
                "input; leave it away."
            )
        return (target if target.ndim > 1 else target.reshape(-1)).long()
    if target.ndim < 1:
        raise ValueError(
            f"a soft target must be (n, classes) or (classes,), but is the number "
            f"{float(target):g}; class indices must be integers."
        )
    target = target if target.ndim > 1 else target[None]
    total = target.sum(dim=1)
    worst = int((total - 1).abs().argmax())
    row, said = worst // total[0].numel(), float(total.flatten()[worst])
    if bool((target < 0).any()) or abs(said - 1) > 1e-4:
        raise ValueError(
            f"a soft target must be probabilities that sum to 1, but row {row} sums to "
            f"{said:.4g} (least value {float(target.min()):.4g})"
            f"{_LABELS if _are_flags(target) else ''}."
        )
    return target


_LABELS = "; did you mean several labels at once: BinaryCrossEntropy (the goal Labels)"


def _are_flags(target: Tensor) -> bool:
    return bool(((target == 0) | (target == 1)).all())
