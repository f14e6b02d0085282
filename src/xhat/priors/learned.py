"""A prior that a network learns from pairs of real samples."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.priors.base import Prior, Wanted
from xhat.priors.coordinates import Standard
from xhat.priors.network import GridNetwork

__all__ = ["LearnedPrior", "PairLoss"]

_WIDE = 16  # places along a side from which the network is wider


class LearnedPrior(Prior):
    """A network that is told the noise, what is wanted and the start.

    What it sees is brought to unit variance whatever the noise, and what it says is mixed with what
    it saw, so that little noise leaves a sample as it is.

    Source: the scaling: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative
    Models", NeurIPS 2022.

    Args:
        shape: of one sample: ``(channels, length)`` or ``(channels, h, w)``.
        classes: how many there are; 0 for none.
        quantities: how many numbers a value has; 0 for none.

    Example:
        >>> prior = LearnedPrior((1, 16), classes=2)
        >>> prior.denoised(torch.zeros(3, 1, 16), 0.5, torch.tensor([0, 1, 1]), None).shape
        torch.Size([3, 1, 16])
    """

    name = "network"
    centre: Tensor
    scale: Tensor

    def __init__(
        self, shape: tuple[int, ...] = (1, 8, 8), classes: int = 0, quantities: int = 0
    ) -> None:
        super().__init__()
        width = 32 if max(shape[1:]) >= _WIDE else 24
        self.coordinates = Standard(tuple(shape))
        self.network = GridNetwork(shape[0], len(shape) - 1, classes, quantities, width)
        self.classes, self.quantities = classes, quantities
        self.register_buffer("centre", torch.zeros(max(1, quantities)))
        self.register_buffer("scale", torch.ones(max(1, quantities)))
        self.register_buffer("apart", torch.ones(()))

    def denoised(self, u: Tensor, sigma: float, wanted: Wanted, start: Tensor | None) -> Tensor:
        """Return what samples were without noise; see ``Prior``."""
        n = len(u)
        shown = u.new_full((n,), float(start is not None))
        begun = torch.zeros_like(u) if start is None else start
        level = u.new_full((n,), sigma)
        return self(u, level, self.told(wanted, n), begun, shown)

    def told(self, wanted: Wanted, n: int) -> Tensor:
        """Return what is wanted as the network is told it."""
        if self.quantities:
            if wanted is None:
                return torch.full((n, self.quantities), torch.nan)
            return (wanted.reshape(n, -1) - self.centre) / self.scale
        return torch.full((n,), self.classes) if wanted is None else wanted

    def forward(
        self, u: Tensor, sigma: Tensor, told: Tensor, start: Tensor, shown: Tensor
    ) -> Tensor:
        """Return what samples were, each with a noise ``(n,)`` of its own."""
        level = sigma.reshape(-1, *(1,) * (u.ndim - 1))
        whole = (1 + level.square()).sqrt()
        found = self.network(u / whole, sigma.log(), told, start, shown)
        return u / whole.square() + level / whole * found


@dataclass(frozen=True)
class PairLoss:
    """The squared error of what a prior makes of noised targets; a loss for ``fit``.

    The batch is rows of starts. For each one group is drawn, and one of its targets there.

    Attributes:
        u: ``(m, *u_shape)`` samples in coordinates.
        told: ``(m,)`` classes or ``(m, quantities)`` scaled values of the samples.
        targets: ``(m, groups, k)`` from ``pairs``.
        classes: the label that hides a class.
        centre, width: of the normal distribution of ``ln σ``.
        alone: share of draws without a start; the target is then any sample.
        unknown: share of draws in which what is wanted is hidden.
    """

    u: Tensor
    told: Tensor
    targets: Tensor
    classes: int = 0
    centre: float = 0.3
    width: float = 1.5
    alone: float = 0.12
    unknown: float = 0.08

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean over the batch of starts ``x``, ``(n,)`` rows."""
        del y
        n = len(x)
        group = torch.randint(self.targets.shape[1], (n,), generator=generator)
        which = torch.randint(self.targets.shape[2], (n,), generator=generator)
        target = self.targets[x, group, which]
        alone = torch.rand(n, generator=generator) < self.alone
        target = torch.where(alone | (target < 0), x, target)
        unknown = torch.rand(n, generator=generator) < self.unknown
        told = self.told[target].clone()
        told[unknown] = torch.nan if told.is_floating_point() else self.classes
        sigma = (self.centre + self.width * torch.randn(n, generator=generator)).exp()
        clean = self.u[target]
        noise = torch.randn(clean.shape, generator=generator)
        level = sigma.reshape(-1, *(1,) * (clean.ndim - 1))
        found = model(clean + level * noise, sigma, told, self.u[x], (~alone).float())
        error = F.mse_loss(found, clean, reduction="none").flatten(1).mean(dim=1)
        return (error * (1 + 1 / sigma.square())).mean()
