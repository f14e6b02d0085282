"""What a training is told beyond samples and labels: terms, and how they compose.

A ``TrainingTerm`` takes a batch and gives a batch: other inputs (damaged, foreign, adversarial),
other targets (softer distributions), or more loss. Terms are applied in the order in which they
are listed, so ``(Adversarial(eps=2), LabelSmoothing(0.1))`` attacks the sharp label and
learns the soft one, and the other order attacks the soft one. The loss is then

    mean_i H(p_i, softmax f(x_i)) + extra

over the rows that came out, with ``H`` the cross-entropy. A training without terms is the
textbook one.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_fraction, check_range, check_rows, check_tensor

__all__ = [
    "Batch",
    "LabelSmoothing",
    "Limits",
    "TrainingLoss",
    "TrainingTerm",
    "as_distributions",
    "limits_on",
    "softened",
    "within",
]

Limits = tuple[float, float] | tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Batch:
    """What one step of a training learns from.

    Attributes:
        x: ``(n, *x_shape)`` within the limits.
        p: ``(n, classes)``, the distribution that the model should give for each.
        extra: a scalar that is added to the loss.
        limits: ``(low, high)`` of the features, two numbers or two tensors that broadcast to ``x``;
            whatever a signal makes lies within.
    """

    x: Tensor
    p: Tensor
    extra: Tensor | float = 0.0
    limits: "Limits" = (0.0, 1.0)

    def added(self, x: Tensor, p: Tensor) -> "Batch":
        """Return the batch with further rows."""
        return replace(self, x=torch.cat((self.x, x)), p=torch.cat((self.p, p)))

    def plus(self, term: Tensor) -> "Batch":
        """Return the batch with a further term of the loss."""
        return replace(self, extra=self.extra + term)


class TrainingTerm(ABC):
    """One thing that a training is told; a frozen dataclass, so that it can be named on a card."""

    def describe(self) -> dict[str, Any]:
        """Return its name and numbers, as a card shows them; images and models are left out."""
        numbers = {
            field.name: getattr(self, field.name)
            for field in fields(self)  # pyright: ignore[reportArgumentType] - dataclasses all
            if field.repr
        }
        return {"signal": type(self).__name__} | numbers

    @abstractmethod
    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return what is to be learnt instead.

        Args:
            model: as it is at this step, in training mode.
            batch: what the terms before made of it.
            draws: the source of randomness.
            progress: the share of the training that is done, in (0, 1].
        """


@dataclass(frozen=True)
class LabelSmoothing(TrainingTerm):
    """Moves ``amount`` of every target's probability to all classes alike.

    Source: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception Architecture for
    Computer Vision", CVPR 2016.

    Attributes:
        amount: in (0, 1).

    Example:
        >>> batch = Batch(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
        >>> LabelSmoothing(0.2)(nn.Identity(), batch, torch.Generator(), 1.0).p
        tensor([[0.9000, 0.1000]])
    """

    amount: float = 0.1

    def __post_init__(self) -> None:
        check_fraction("amount", self.amount)

    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return the batch with softer targets."""
        del model, draws, progress
        return replace(batch, p=softened(batch.p, batch.p.new_tensor([self.amount])))


class TrainingLoss:
    """The loss of ``xhat.learning.fit`` that terms make; it counts its calls for the progress.

    Args:
        terms: applied in this order.
        updates: how many calls there will be.
        limits: of the features, as of ``Batch``.
    """

    def __init__(
        self, terms: Sequence[TrainingTerm], updates: int, limits: Limits = (0.0, 1.0)
    ) -> None:
        for term in terms:
            if not isinstance(term, TrainingTerm):
                raise TypeError(f"terms must be TrainingTerms, but one is a {type(term).__name__}.")
        self.terms, self.updates, self.calls = tuple(terms), updates, 0
        self.limits = limits

    def __call__(
        self, model: nn.Module, x: Tensor, p: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean cross-entropy of what the terms make of a batch."""
        self.calls += 1
        batch = Batch(x, p, limits=limits_on(self.limits, x.device))
        progress = min(1.0, self.calls / self.updates)
        for term in self.terms:
            batch = term(model, batch, generator, progress)
        return F.cross_entropy(model(batch.x), batch.p) + batch.extra


def limits_on(limits: Limits, device: torch.device) -> Limits:
    """Return limits on a device."""
    low, high = (end.to(device) if isinstance(end, Tensor) else end for end in limits)
    return low, high  # pyright: ignore[reportReturnType] - two numbers or two tensors, as before


def within(x: Tensor, limits: Limits) -> Tensor:
    """Return ``x`` clamped to limits, two numbers or two tensors."""
    low, high = limits
    return torch.clamp(x, low, high)  # pyright: ignore[reportCallIssue, reportArgumentType]


def softened(p: Tensor, share: Tensor) -> Tensor:
    """Return distributions ``(n, classes)`` of which a ``share``, ``(n,)``, is spread evenly.

    Example:
        >>> softened(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0.0, 1.0]))
        tensor([[1.0000, 0.0000],
                [0.5000, 0.5000]])
    """
    check_rows("share", share, len(p))
    return torch.lerp(p, torch.full_like(p, 1 / p.shape[1]), share.to(p).reshape(-1, 1))


def as_distributions(targets: Any, classes: int) -> Tensor:
    """Return targets as distributions ``(n, classes)``, float32.

    Args:
        targets: ``(n,)`` class indices, or ``(n, classes)`` distributions.
        classes: how many there are.

    Raises:
        TypeError: neither integers nor floating point.
        ValueError: indices out of range, or rows that are not distributions.

    Example:
        >>> as_distributions(torch.tensor([1]), 3)
        tensor([[0., 1., 0.]])
    """
    p = check_tensor("the targets", targets, floating=False)
    if not p.dtype.is_floating_point:
        if p.ndim != 1:
            raise ValueError(
                f"class indices must be one per image, (n,), but have shape {tuple(p.shape)}."
            )
        check_range("the class indices", p, 0, classes - 1)
        return F.one_hot(p.long(), classes).float()
    if p.ndim != 2 or p.shape[1] != classes:
        raise ValueError(
            f"soft targets must be one distribution over {classes} classes per image, "
            f"(n, {classes}), but have shape {tuple(p.shape)}."
        )
    wrong = ((p.sum(1) - 1).abs() > 1e-3) | (p < 0).any(1)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"soft targets must be distributions, at least 0 with a sum of 1, but row {row} sums "
            f"to {float(p[row].sum()):.4g} (least value {float(p[row].min()):.4g}); "
            f"{int(wrong.sum())} of {len(p)} rows are wrong. Divide each by its sum."
        )
    return (p / p.sum(1, keepdim=True)).float()
