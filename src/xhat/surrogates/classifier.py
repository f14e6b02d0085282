"""The textbook surrogate: a classifier trained on one-hot labels with cross-entropy."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.learning import EpochRecord, Jitter, build, fit

__all__ = ["ROTATION", "classification_loss", "train_classifier"]

ROTATION = Jitter(angle=45.0)


def train_classifier(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    architecture: str = "SmallCNN",
    jitter: Jitter = ROTATION,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train a classifier, every image changed afresh in every epoch.

    Args:
        images: ``(n, channels, h, w)`` in [0, 1], upright.
        labels: ``(n,)`` int64.
        seed: of weights, order and augmentation.
        architecture: a name in ``xhat.learning.NETWORKS``.
        jitter: how far every image is turned, moved and slanted.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The classifier, giving logits, in evaluation mode.

    Example:
        >>> from xhat.tasks import digits
        >>> few = digits.split("surrogate_train")
        >>> model = train_classifier(few.upright[:64], few.labels[:64], seed=0,
        ...                          epochs=1, batch_size=32, learning_rate=1e-3)
        >>> model(few.images[:5]).shape
        torch.Size([5, 10])
    """
    model = build(architecture, seed=seed)
    fit(
        model,
        images,
        labels,
        classification_loss,
        seed=seed,
        augment=jitter,
        on_epoch=on_epoch,
        **schedule,
    )
    return model


def classification_loss(
    model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the mean cross-entropy of the model's logits for labels ``y``."""
    del generator  # nothing is drawn
    return F.cross_entropy(model(x), y)
