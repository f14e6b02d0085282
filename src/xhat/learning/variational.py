"""Training of a variational autoencoder: its loss, and the way from images to a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_positive
from xhat.learning.architectures import build
from xhat.learning.networks import VAE
from xhat.learning.training import Augment, EpochRecord, fit

__all__ = ["VariationalLoss", "fit_vae", "rebuilding_loss"]


@dataclass(frozen=True)
class VariationalLoss:
    """The negated bound, per image and in nats: ``reconstruction + beta * KL``; a loss for ``fit``.

    Binary cross-entropy summed over pixels, and the divergence of q(z | x) from N(0, 1).

    Source: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014; Higgins et al.,
    "beta-VAE", ICLR 2017.

    Attributes:
        beta: weight of the divergence.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        check_positive("beta", self.beta, zero=True)

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean over the batch."""
        del y  # a VAE needs no labels
        if not isinstance(model, VAE):
            raise TypeError(f"the model must be a VAE, not {type(model).__name__}.")
        mean, log_variance = model.posterior(x)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        logits = model.decode_logits(mean + (0.5 * log_variance).exp() * noise)
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum()
        return (reconstruction + self.beta * divergence) / len(x)


def rebuilding_loss(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
    """Return the cross-entropy of rebuilt pixels per image, without noise: a plain autoencoder.

    Source: Hinton, Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks",
    Science 2006.
    """
    del y, generator  # an autoencoder needs neither
    if not isinstance(model, VAE):
        raise TypeError(f"the model must be a VAE, not {type(model).__name__}.")
    logits = model.decode_logits(model.encode(x))
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def fit_vae(
    images: Tensor,
    *,
    seed: int,
    latent: int,
    beta: float,
    jitter: Augment | None,
    architecture: str = "VAE",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> VAE:
    """Build and train a VAE, every image changed afresh in every epoch.

    Args:
        images: ``(n, channels, size, size)`` in [0, 1].
        seed: of weights, order, augmentation and latent noise.
        latent: the number of latent values.
        beta: weight of the divergence from the standard normal prior.
        jitter: how every image is changed afresh, such as ``Jitter``; None leaves it as it is.
        architecture: the name of an autoencoder, ``"VAE"`` or ``"DenseVAE"``.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``fit``.

    Returns:
        The autoencoder in evaluation mode.

    Raises:
        TypeError: the architecture is no variational autoencoder.
    """
    arguments = {"latent": latent, "channels": images.shape[1], "size": images.shape[-1]}
    model = build(architecture, seed=seed, **arguments)
    if not isinstance(model, VAE):
        raise TypeError(f"the architecture must be a VAE or DenseVAE, not {architecture}.")
    fit(
        model,
        images,
        images.new_zeros(len(images)),
        VariationalLoss(beta),
        seed=seed,
        augment=jitter,
        on_epoch=on_epoch,
        **schedule,
    )
    return model
