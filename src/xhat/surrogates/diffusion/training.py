"""Training of the denoiser, on images that are turned afresh in every epoch."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from xhat.learning import Denoiser, EpochRecord, Jitter, fit_denoiser
from xhat.surrogates.classifier import ROTATION

__all__ = ["train_denoiser"]


def train_denoiser(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    width: int = 32,
    jitter: Jitter = ROTATION,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> Denoiser:
    """Train a denoiser for each class and for all, every image changed afresh in every epoch.

    Args:
        images: ``(n, channels, size, size)`` in [0, 1], upright.
        labels: ``(n,)`` classes.
        seed: of weights, order, augmentation and noise.
        width: of the network; its cost grows with the square.
        jitter: how far every image is turned, moved and slanted.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The denoiser in evaluation mode.
    """
    return fit_denoiser(
        images, labels, seed=seed, width=width, jitter=jitter, on_epoch=on_epoch, **schedule
    )
