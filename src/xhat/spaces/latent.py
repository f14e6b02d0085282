"""Latent spaces: the inputs that a trained decoder can make."""

import warnings
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import InputWarning, check_positive, check_tensor, evaluation_mode, modules_of
from xhat.spaces.base import Space

__all__ = ["Latent"]

_SLACK = 1e-3  # of the limit, by which rounding may carry a code out


class Latent(Space):
    """The inputs ``decoder(z)`` for ``z`` in a box, ``[-limit, limit]`` in every dimension.

    ``decode(encode(x))`` is the reconstruction of ``x``, not ``x`` itself: how near it is depends
    on the autoencoder, and constraints given as projections in ``x`` cannot be carried back.

    A start whose code lies outside the box begins at the nearest point of it, and a warning says
    so.

    Args:
        encoder: ``x -> z``, any differentiable or plain callable. None where there is none: the
            space decodes, but no search can begin in it; ``xhat.surrogates.Inversion`` is an
            encoder that finds codes by search.
        decoder: ``z -> x``, differentiable.
        limit: half the width of the latent box; 4 contains nearly all of a standard normal prior.
            Or the lower and the upper ends of a box, ``(d,)`` each.

    Raises:
        TypeError: a part that is not callable.
        ValueError: a limit that is not above 0, or a box without room inside.

    Example:
        >>> space = Latent(lambda x: x[:, :2], lambda z: torch.cat([z, z], dim=1))
        >>> space.decode(space.encode(torch.tensor([[1.0, 2.0, 1.0, 2.0]])))
        tensor([[1., 2., 1., 2.]])
    """

    exact: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ("encoder", "decoder")

    def __init__(
        self,
        encoder: Callable[[Tensor], Tensor] | None,
        decoder: Callable[[Tensor], Tensor],
        limit: float | tuple[Tensor, Tensor] = 4.0,
    ) -> None:
        for name, part in (("encoder", encoder), ("decoder", decoder)):
            if not callable(part) and not (part is None and name == "encoder"):
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
        """Return ``decoder(z)``.

        Raises:
            TypeError: the decoder returns something that is no tensor.
        """
        x = self.decoder(z)
        if not isinstance(x, Tensor):
            raise TypeError(
                f"the decoder must return a tensor of inputs, not {type(x).__name__}; for a VAE "
                f"pass its method that maps z to x, such as vae.decode."
            )
        return x

    def encode(self, x: Tensor) -> Tensor:
        """Return ``encoder(x)``, clipped to the latent box; no gradient flows through it.

        Raises:
            ValueError: there is no encoder, or it does not return one latent for each input.
        """
        return self.project(self._code(x))

    def check(self, x: Tensor) -> None:
        """Warn of starts ``x`` whose codes lie outside the box, or that come back out of range.

        An encoder with an attribute ``limit`` promises to stay within that box, and is not checked.

        Raises:
            ValueError: there is no encoder, or it does not return one latent for each input.
        """
        encoder = self._known()
        if getattr(encoder, "limit", torch.inf) <= float(torch.minimum(self.high, -self.low).min()):
            return
        modules = (*modules_of(encoder), *modules_of(self.decoder))
        weights = next((w for module in modules for w in module.parameters()), x)
        try:
            with evaluation_mode(*modules, warn=False), torch.no_grad():
                code = self._code(x.to(weights))
                made = self.decode(self.project(code))
        except RuntimeError:  # raised inside a network: Problem.check says it in a sentence
            return
        self._tell_of_codes(code)
        if made.shape == x.shape:
            _tell_of_range(made, x)

    def project(self, z: Tensor) -> Tensor:
        """Clip ``z`` to the latent box."""
        return z.clamp(self.low.to(z), self.high.to(z))

    def _tell_of_codes(self, code: Tensor) -> None:
        low, high = self.low.to(code), self.high.to(code)
        beyond = torch.maximum(code - high, low - code).flatten(1).amax(dim=1)
        outside = beyond > _SLACK * float((high - low).max()) / 2
        if bool(outside.any()):
            farthest = float(code.flatten()[code.abs().argmax()].abs())
            box = f"[{float(low.min()):g}, {float(high.max()):g}]"
            warnings.warn(
                f"{int(outside.sum())} of {len(code)} starts have codes outside the latent box "
                f"{box}, the farthest at {farthest:.3g}; their search begins at the nearest point "
                f"of the box. Raise limit to begin at the starts themselves.",
                InputWarning,
                stacklevel=3,
            )

    def _code(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            z = self._known()(x)
        if not isinstance(z, Tensor) or z.shape[:1] != x.shape[:1]:
            came = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            raise ValueError(
                f"the encoder must return one latent vector per input ({x.shape[0]} rows), "
                f"but returned {came}; for a VAE pass its mean, such as vae.encode."
            )
        return z

    def _known(self) -> Callable[[Tensor], Tensor]:
        if self.encoder is None:
            raise ValueError(
                "this latent space has no encoder, which says where a start lies in it; pass one, "
                "or let a search find codes: "
                "Latent(xhat.surrogates.Inversion(decoder, size), decoder)."
            )
        return self.encoder


def _tell_of_range(made: Tensor, x: Tensor) -> None:
    """Warn where what is made of starts leaves their range by more than its width."""
    low, high = (float(end) for end in torch.aminmax(x))
    least, most = (float(end) for end in torch.aminmax(made))
    width = high - low
    if width > 0 and (least < low - width or most > high + width):
        warnings.warn(
            f"the decoder makes values from {least:.3g} to {most:.3g} of starts between {low:.3g} "
            f"and {high:.3g}; if it returns logits, put its last function behind it, such as a "
            f"sigmoid.",
            InputWarning,
            stacklevel=3,
        )
