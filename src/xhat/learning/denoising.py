"""A denoiser: what an image was before Gaussian noise was added to it, of a class or of any.

With ``x_σ = x + σ n``, the best guess of ``x`` in the squared sense is its mean given ``x_σ``, and
by Tweedie's formula it gives the score of the noisy density (Robbins, "An Empirical Bayes Approach
to Statistics", 1956; Efron, "Tweedie's Formula and Selection Bias", 2011)::

    D(x_σ; σ) = E[x | x_σ]        ∇ log p_σ(x_σ) = (D(x_σ; σ) - x_σ) / σ²

A network that is trained for all σ at once is both a diffusion model and a prior for a search.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_fraction, check_positive
from xhat.learning.denoiser_network import Denoiser

__all__ = ["DenoisingLoss"]


@dataclass(frozen=True)
class DenoisingLoss:
    """The squared error of what the network makes of noisy images; a loss for ``fit``.

    ``ln σ`` is drawn from a normal distribution, and every σ counts alike: the error is divided by
    what the best linear guess leaves. The class is hidden from some of the images, so that one
    network learns the density of each class and of all (Ho, Salimans, "Classifier-Free Diffusion
    Guidance", 2022).

    Source: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models",
    NeurIPS 2022, where its weights and noise levels come from.

    Attributes:
        centre: mean of ``ln σ``.
        width: its standard deviation.
        hidden: share of images whose class is hidden.
    """

    centre: float = -1.0
    width: float = 1.5
    hidden: float = 0.15

    def __post_init__(self) -> None:
        check_positive("width", self.width)
        check_fraction("hidden", self.hidden)

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean over the batch."""
        if not isinstance(model, Denoiser):
            raise TypeError(f"the model must be a Denoiser, not {type(model).__name__}.")
        n = len(x)
        sigma = (self.centre + self.width * torch.randn(n, generator=generator)).exp().to(x)
        hidden = torch.rand(n, generator=generator) < self.hidden
        label = torch.where(hidden.to(y.device), model.classes, y)
        noise = torch.randn(x.shape, generator=generator).to(x)
        found = model(x + sigma.reshape(-1, 1, 1, 1) * noise, sigma, label)
        error = F.mse_loss(found, x, reduction="none").mean((1, 2, 3))
        return (error * (1 / sigma.square() + 1 / model.spread**2)).mean()
