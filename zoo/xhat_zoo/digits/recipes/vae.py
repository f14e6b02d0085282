"""The latent space: a variational autoencoder of rotated images.

``beta`` above 1 buys a latent space that is filled more evenly (a random z decodes to a digit)
with some blur.

Source: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014; Higgins et al.,
"beta-VAE", ICLR 2017.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from xhat.learning import VAE, EpochRecord, Jitter, fit_vae
from xhat.surrogates.classifier import ROTATION

__all__ = ["train_vae"]


def train_vae(
    images: Tensor,
    *,
    seed: int,
    latent: int = 16,
    beta: float = 1.0,
    jitter: Jitter = ROTATION,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> VAE:
    """Train a VAE, every image changed afresh in every epoch.

    Args:
        images: ``(n, channels, size, size)`` in [0, 1], upright.
        seed: of weights, order, augmentation and latent noise.
        latent: the number of latent values.
        beta: weight of the divergence from the standard normal prior.
        jitter: how far every image is turned, moved and slanted.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The autoencoder in evaluation mode.
    """
    return fit_vae(
        images,
        seed=seed,
        latent=latent,
        beta=beta,
        jitter=jitter,
        on_epoch=on_epoch,
        **schedule,
    )
