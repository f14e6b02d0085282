"""The loss of a variational autoencoder."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_positive
from xhat.learning.networks import VAE

__all__ = ["VariationalLoss"]


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
