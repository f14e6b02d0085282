"""Latent spaces: the inputs that a trained decoder can make."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_positive, check_tensor
from xhat.spaces.base import Space

__all__ = ["Latent"]


class Latent(Space):
    """The inputs ``decoder(z)`` for ``z`` in a box, ``[-limit, limit]`` in every dimension.

    ``decode(encode(x))`` is the reconstruction of ``x``, not ``x`` itself: how near it is depends
    on the autoencoder, and constraints given as projections in ``x`` cannot be carried back.

    Args:
        encoder: ``x -> z``, any differentiable or plain callable.
        decoder: ``z -> x``, differentiable.
        limit: half the width of the latent box; 4 holds nearly all of a standard normal prior. Or
            the box that real samples need: its lower and its upper ends, ``(d,)`` each.

    Raises:
        TypeError: a part that cannot be called.
        ValueError: a box without room inside.

    Example:
        >>> space = Latent(lambda x: x[:, :2], lambda z: torch.cat([z, z], dim=1))
        >>> space.decode(space.encode(torch.tensor([[1.0, 2.0, 1.0, 2.0]])))
        tensor([[1., 2., 1., 2.]])
    """

    exact: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ("encoder", "decoder")

    def __init__(
        self,
        encoder: Callable[[Tensor], Tensor],
        decoder: Callable[[Tensor], Tensor],
        limit: float | tuple[Tensor, Tensor] = 4.0,
    ) -> None:
        for name, part in (("encoder", encoder), ("decoder", decoder)):
            if not callable(part):
                raise TypeError(f"{name} must be callable, not {type(part).__name__}.")
        self.encoder, self.decoder = encoder, decoder
        if isinstance(limit, tuple):
            self.low, self.high = (check_tensor("limit", end, ndim=1) for end in limit)
            if self.low.shape != self.high.shape or not bool((self.low < self.high).all()):
                raise ValueError(
                    "limit must be the lower and upper ends of a box, (d,) each, every lower one "
                    "below its upper one."
                )
        else:
            self.high = torch.tensor([check_positive("limit", limit)])
            self.low = -self.high

    def decode(self, z: Tensor) -> Tensor:
        """Return ``decoder(z)``."""
        return self.decoder(z)

    def encode(self, x: Tensor) -> Tensor:
        """Return ``encoder(x)``, clipped to the latent box; no gradient flows through it."""
        with torch.no_grad():
            z = self.encoder(x)
        if not isinstance(z, Tensor) or z.shape[:1] != x.shape[:1]:
            came = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            raise ValueError(
                f"the encoder must return one latent vector per input ({x.shape[0]} rows), "
                f"but returned {came}; for a VAE pass its mean, such as vae.encode."
            )
        return self.project(z)

    def project(self, z: Tensor) -> Tensor:
        """Clip ``z`` to the latent box."""
        return z.clamp(self.low.to(z), self.high.to(z))
