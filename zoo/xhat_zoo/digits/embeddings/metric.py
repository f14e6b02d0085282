"""The metric embedding: a sphere on which samples of one class lie together, others apart."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_positive
from xhat.learning.networks import VAE

__all__ = ["ContrastiveLoss", "MetricEmbedding"]


class MetricEmbedding(nn.Module):
    """An encoder of images to the unit sphere; it has no decoder.

    Args:
        latent: the number of latent values, 2 or more.
        channels: of the image.
        size: height and width of the image, a multiple of 4.

    Example:
        >>> z = MetricEmbedding(latent=8).encode(torch.rand(3, 1, 28, 28))
        >>> z.shape, torch.allclose(z.norm(dim=1), torch.ones(3))
        (torch.Size([3, 8]), True)
    """

    def __init__(self, latent: int = 16, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        if latent < 2:
            raise ValueError(f"a sphere needs 2 latent values or more, but latent is {latent}.")
        self.latent = latent
        convolutions = list(VAE(latent, channels, size).encoder)[:-1]
        wide = 64 * (size // 4) ** 2
        self.encoder = nn.Sequential(
            *convolutions, nn.Linear(wide, 128), nn.SiLU(), nn.Linear(128, latent)
        )

    def encode(self, x: Tensor) -> Tensor:
        """Return directions, ``(n, latent)``, of length 1, for ``x`` in [0, 1]."""
        return F.normalize(self.encoder(x), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``encode(x)``."""
        return self.encode(x)


@dataclass(frozen=True)
class ContrastiveLoss:
    """Supervised contrast: each sample picks those of its class out of the batch.

    ``-log`` of the softmax over similarities ``z_i . z_j / temperature``, meant over the other
    samples of its class.

    Source: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020 (their L_out).

    Attributes:
        temperature: of the softmax; smaller looks at near samples more.

    Example:
        >>> from xhat.core import generator
        >>> z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> loss, y = ContrastiveLoss(0.1), torch.tensor([0, 0, 1, 1])
        >>> right, wrong = (loss(nn.Identity(), z, of, generator(0)) for of in (y, y.roll(1)))
        >>> bool(right < wrong)
        True
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_positive("temperature", self.temperature)

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean over samples that have another of their class in the batch."""
        del generator  # nothing is drawn
        z = model(x)
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        similar = (z @ z.T / self.temperature).masked_fill(itself, -torch.inf)
        log_p = similar.log_softmax(dim=1).masked_fill(itself, 0.0)
        alike = (y[:, None] == y[None]) & ~itself
        count = alike.sum(dim=1)
        picked = -(log_p * alike).sum(dim=1) / count.clamp(min=1)
        return picked[count > 0].sum() / (count > 0).sum().clamp(min=1)
