"""A density over latents by a normalizing flow, and an autoencoder that has one as its prior."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_count, check_tensor
from xhat.learning.networks import VAE

__all__ = ["FlowAutoencoder", "FlowPrior", "negative_log_likelihood"]


class FlowPrior(nn.Module):
    """The density of latents, as a neural spline flow of their standardised values.

    Source: Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", NeurIPS 2019; computed by
    zuko (Rozet et al., 2022).

    Args:
        dimensions: of a latent.
        transforms: how many.
        hidden: the widths of each transform's network.

    Raises:
        ImportError: the extra ``flow`` is not installed.

    Example:
        >>> prior = FlowPrior(3)
        >>> prior.log_prob(torch.zeros(2, 3)).shape
        torch.Size([2])
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, dimensions: int = 16, transforms: int = 3, hidden: tuple[int, ...] = (64, 64)
    ) -> None:
        super().__init__()
        self.dimensions = check_count("dimensions", dimensions)
        spline = _flows().NSF
        self.flow = spline(dimensions, transforms=transforms, hidden_features=tuple(hidden))
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("scale", torch.ones(dimensions))

    def standardise(self, latents: Tensor) -> None:
        """Take mean and scale from latents ``(m, d)``; to be done once, before the training."""
        check_tensor("the latents", latents, ndim=2)
        self.mean.copy_(latents.mean(dim=0))
        self.scale.copy_(latents.std(dim=0).clamp(min=1e-3))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the logarithm of the density in nats, ``(n,)``, of latents ``(n, dimensions)``."""
        return self.flow().log_prob((z - self.mean) / self.scale) - self.scale.log().sum()

    def forward(self, z: Tensor) -> Tensor:
        """Return ``log_prob(z)``."""
        return self.log_prob(z)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` latents that are drawn from the density."""
        check_count("n", n)
        base = torch.randn(n, self.dimensions, generator=generator).to(self.mean)
        with torch.no_grad():
            return self.mean + self.scale * self.flow().transform.inv(base)


class FlowAutoencoder(VAE):
    """An autoencoder whose latents have a normalizing flow as their prior.

    Args:
        latent: the number of latent values.
        channels: of the image.
        size: height and width of the image, a multiple of 4.

    Raises:
        ImportError: the extra ``flow`` is not installed.

    Example:
        >>> model = FlowAutoencoder(latent=2)
        >>> model.prior.log_prob(model.encode(torch.zeros(3, 1, 28, 28))).shape
        torch.Size([3])
    """

    def __init__(self, latent: int = 16, channels: int = 1, size: int = 28) -> None:
        super().__init__(latent, channels, size)
        self.prior = FlowPrior(latent)


def negative_log_likelihood(
    model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the mean of ``-log_prob(x)``; a loss for ``fit``."""
    del y, generator  # a density needs neither
    return -_log_prob_of(model)(x).mean()


def _log_prob_of(model: nn.Module) -> Callable[[Tensor], Tensor]:
    if not isinstance(model, FlowPrior):
        raise TypeError(f"the model must be a FlowPrior, not {type(model).__name__}.")
    return model.log_prob


def _flows() -> Any:
    try:
        from zuko import flows
    except ImportError as error:
        raise ImportError(
            "a flow needs zuko, which is not installed; install it with: "
            "pip install 'xhat-zoo[flow]'."
        ) from error
    return flows
