"""A prior made of a denoiser that somebody brings: nothing is trained."""

from collections.abc import Callable

import torch
from torch import Tensor

from xhat.priors.base import Prior, Wanted
from xhat.priors.coordinates import Standard
from xhat.priors.pairs import apart, groups_of

__all__ = ["DenoiserPrior"]


class DenoiserPrior(Prior):
    """What a denoiser knows of where samples lie; it has never heard of starts.

    Give it to a domain, ``Domain(…, networks={"prior": DenoiserPrior(…)})``, and the methods
    ``edited`` and ``label-free`` use it; ``flow`` does, too, but what holds on to the start there
    is then only where the search begins.

    Args:
        denoiser: images ``(n, channels, ...)`` with noise, their noise ``(n,)`` in the same unit,
            and where it knows classes the labels ``(n,)``, to images without noise. That of a
            diffusion model in another scale is ``D(x, σ) = x - σ ε(x / sqrt(1 + σ²), t(σ))``.
        samples: ``(m, channels, ...)``, some real ones, from which the scale is learnt.
        labels: ``(m,)`` their classes from 0, where the denoiser is told classes; None for one
            that is told nothing.
        unknown: the label that hides the class; None for the number of classes.

    Raises:
        TypeError: the denoiser cannot be called.
        ValueError: samples that are no signals, images or fields, or what the denoiser returns is
            not of their shape.

    Example:
        >>> normal = lambda x, sigma: x / (1 + sigma.reshape(-1, 1, 1) ** 2)
        >>> x = torch.randn(50, 1, 8, generator=torch.Generator().manual_seed(0))
        >>> prior = DenoiserPrior(normal, x)
        >>> prior.denoised(torch.ones(1, 1, 8), 1.0, None, None).shape
        torch.Size([1, 1, 8])
    """

    name = "denoiser"
    denoiser: Callable[..., Tensor]

    def __init__(
        self,
        denoiser: Callable[..., Tensor],
        samples: Tensor,
        labels: Tensor | None = None,
        unknown: int | None = None,
    ) -> None:
        super().__init__()
        if not callable(denoiser):
            raise TypeError(f"the denoiser must be callable, not {type(denoiser).__name__}.")
        if samples.ndim < 3:
            raise ValueError(
                f"a denoiser is of signals (m, channels, length), images or fields, but the "
                f"samples have shape {tuple(samples.shape)}."
            )
        self.denoiser = denoiser
        self.classes = 0 if labels is None else int(labels.max()) + 1
        self.quantities = 0
        self.unknown = self.classes if unknown is None else unknown
        coordinates = Standard(tuple(samples.shape[1:])).fitted(samples)
        self.unit = float(samples.std())
        coordinates.spread.fill_(self.unit)  # noise is the same in all channels
        self.coordinates = coordinates
        u = self.coordinates.into(samples).flatten(1)
        self.register_buffer("apart", torch.tensor(apart(u, groups_of(labels, None, len(u)))))
        self._check(samples[:1])
        self.eval().requires_grad_(False)

    def denoised(self, u: Tensor, sigma: float, wanted: Wanted, start: Tensor | None) -> Tensor:
        """Return what samples were without noise; the start tells it nothing."""
        del start
        x = self.coordinates.out(u)
        level = x.new_full((len(x),), sigma * self.unit)
        return self.coordinates.into(self._asked(x, level, wanted))

    def _asked(self, x: Tensor, level: Tensor, wanted: Wanted) -> Tensor:
        if not self.classes:
            return self.denoiser(x, level)
        hidden = torch.full((len(x),), self.unknown, device=x.device)
        return self.denoiser(x, level, hidden if wanted is None else wanted)

    @torch.no_grad()
    def _check(self, x: Tensor) -> None:
        try:
            found = self._asked(x, x.new_ones(1), None)
        except Exception as error:
            raise ValueError(
                f"the denoiser cannot take images of shape {tuple(x.shape[1:])} and a noise of "
                f"(n,){' and labels' if self.classes else ''}; it says: {error}"
            ) from error
        if not isinstance(found, Tensor) or found.shape != x.shape:
            came = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(
                f"the denoiser must return images of the shape that it was given, "
                f"{tuple(x.shape)}, but returned {came}."
            )
