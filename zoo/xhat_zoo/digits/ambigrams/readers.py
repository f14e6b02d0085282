"""Who reads an ambigram while it is searched for: surrogates, at slightly moved views of it."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xhat.core import generator
from xhat.domain.references import label_loss
from xhat.learning import random_affine
from xhat_zoo import digits
from xhat_zoo.digits.ambigrams.overlaps import half_turned

__all__ = ["Guided", "Moved", "readers", "sureness"]

_ANGLE, _SHIFT, _SCALE = 8.0, 1.0, 0.06  # degrees, pixels, share
_VIEWS = 6  # slightly moved ones of each candidate, by which it is chosen
_PART = 500


@functools.cache
def readers() -> tuple[nn.Module, ...]:
    """Return the surrogates that look at an ambigram: those of other searches, and the guards.

    Trained with and without an adversary, on damaged images and on images that show no digit, they
    go wrong in different ways. All learnt from the surrogates' split; none is a judge.
    """
    return (*map(digits.surrogate, digits.SURROGATES), *map(digits.guard, digits.GUARDS))


@dataclass(frozen=True)
class Moved:
    """A view: perhaps turned, then every image slightly moved, slanted and scaled by its own.

    Attributes:
        seed: of how each is moved.
        wobble: how much; 0 for not at all.
        back: whether images are turned by 180 degrees before.
    """

    seed: int
    wobble: float
    back: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Return the view of images ``(n, 1, size, size)``."""
        x = half_turned(x) if self.back else x
        if not self.wobble:
            return x
        return random_affine(
            x,
            generator(self.seed, "ambigram", "view"),
            angle=_ANGLE * self.wobble,
            shift=_SHIFT * self.wobble,
            scale=_SCALE * self.wobble,
            shear=_SCALE * self.wobble,
        )


@dataclass(frozen=True)
class Guided:
    """A denoiser that is more of a class than the class.

    Source: Ho, Salimans, "Classifier-Free Diffusion Guidance", 2022.

    Attributes:
        denoiser: of each class, and of all where it is told none.
        scale: 1 for the class itself, more for more of it.
    """

    denoiser: nn.Module
    scale: float

    def __call__(self, x: Tensor, sigma: Tensor, label: Tensor) -> Tensor:
        """Return images without noise; the arguments are those of the denoiser."""
        wanted = self.denoiser(x, sigma, label)
        if self.scale == 1:
            return wanted
        whole = self.denoiser(x, sigma, None)
        return whole + self.scale * (wanted - whole)


def sureness(x: Tensor, upright: Tensor, turned: Tensor, wobble: float) -> Tensor:
    """Return how sure the readers are of the worse reading of each image, ``(n,)``.

    It is the mean log-probability over the readers and a few slightly moved views.

    Args:
        x: ``(n, 1, 28, 28)`` images.
        upright: ``(n,)`` digits, to be read as the image is.
        turned: ``(n,)`` digits, to be read when it is turned.
        wobble: how much the views are moved.
    """
    readings = []
    for label, back in ((upright, False), (turned, True)):
        seen = []
        for k in range(_VIEWS):
            view = Moved(k, wobble if k else 0.0, back)(x)
            for f in readers():
                parts = zip(view.split(_PART), label.split(_PART), strict=True)
                with torch.no_grad():
                    seen.append(torch.cat([-label_loss(f, *part) for part in parts]))
        readings.append(torch.stack(seen).mean(dim=0))
    return torch.minimum(*readings)
