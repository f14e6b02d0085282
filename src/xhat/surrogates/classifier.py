"""Training a classifier: images and targets, and the terms that make it more than textbook."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from xhat.learning import Augment, EpochRecord, Jitter, build, fit
from xhat.surrogates.training_terms import Limits, TrainingLoss, TrainingTerm, as_distributions

__all__ = ["ROTATION", "train_classifier"]

ROTATION = Jitter(angle=45.0)


def train_classifier(
    images: Tensor,
    targets: Tensor,
    *,
    seed: int,
    terms: Sequence[TrainingTerm] = (),
    architecture: str = "SmallCNN",
    arguments: Mapping[str, Any] | None = None,
    model: nn.Module | None = None,
    classes: int = 10,
    limits: Limits = (0.0, 1.0),
    jitter: Augment | None = ROTATION,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train a classifier, every image changed afresh in every epoch.

    Args:
        images: ``(n, *x_shape)`` within the limits, on the device where to train.
        targets: ``(n,)`` int64 labels, or ``(n, classes)`` distributions from people or machines.
        seed: of weights, order, augmentation and whatever the terms draw.
        terms: what the training is told besides, in this order.
        architecture: a name in ``xhat.learning.architectures()``.
        arguments: of that architecture; the number of classes is added where it is not 10.
        model: trained in place, instead of a new network of ``architecture``: one of your own, or
            one whose predictions are averaged over a group.
        classes: the number of outputs.
        limits: ``(low, high)`` of the features, which no signal leaves.
        jitter: how every sample is changed, such as turned; None leaves it as it is.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The classifier, giving logits, in evaluation mode.

    Raises:
        ValueError: targets that are neither labels nor distributions, or a number out of range.

    Example:
        >>> import torch
        >>> from xhat.surrogates.training_terms import LabelSmoothing
        >>> images, labels = torch.rand(64, 1, 16, 16), torch.arange(64) % 10
        >>> model = train_classifier(images, labels, seed=0,
        ...                          terms=[LabelSmoothing(0.1)], arguments={"size": 16},
        ...                          epochs=1, batch_size=32, learning_rate=1e-3)
        >>> model(images[:5]).shape
        torch.Size([5, 10])
    """
    p = as_distributions(targets, classes).to(images.device)
    if model is None:
        chosen = dict(arguments or {}) | ({} if classes == 10 else {"classes": classes})
        model = build(architecture, seed=seed, **chosen).to(images.device)
    updates = schedule["epochs"] * -(-len(images) // schedule["batch_size"])
    loss = TrainingLoss(terms, updates, limits)
    fit(model, images, p, loss, seed=seed, augment=jitter, on_epoch=on_epoch, **schedule)
    return model
