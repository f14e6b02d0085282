"""The network of a denoiser: a small U-Net that is told the amount of noise and the class."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_rows

__all__ = ["Denoiser"]

_FREQUENCIES = 32
_TOLD = 128  # values that tell the layers of noise and class


class Denoiser(nn.Module):
    """The mean of an image given the same with Gaussian noise, ``E[x | x + σ n]``.

    A U-Net at half and a quarter of the size, 4 M multiply-adds at 16×16 for a width of 32. Noise
    and class scale and shift its features. What it sees is brought to unit variance whatever the
    noise, and what it says is mixed with what it saw, so that little noise leaves an image as it
    is.

    Source: Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015; the scaling: Karras et al.,
    "Elucidating the Design Space of Diffusion-Based Generative Models", NeurIPS 2022.

    Args:
        classes: how many there are; the label ``classes`` stands for an unknown one.
        channels: of the image.
        width: features at half of the size, a multiple of 8; twice as many at a quarter.
        mean: of the pixels of images without noise.
        spread: their standard deviation.

    Shape:
        ``(n, channels, size, size)``, ``(n,)`` noise levels in the units of pixels, ``(n,)`` or
        ``(1,)`` labels or None → ``(n, channels, size, size)``; ``size`` is a multiple of 4.

    Example:
        >>> Denoiser(width=8)(torch.rand(2, 1, 16, 16), torch.tensor([0.1, 5.0])).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 1,
        width: int = 32,
        mean: float = 0.13,
        spread: float = 0.3,
    ) -> None:
        super().__init__()
        if width % 8:
            raise ValueError(f"width must be a multiple of 8, but is {width}.")
        self.classes, self.mean, self.spread = classes, mean, spread
        self.noise = nn.Sequential(nn.Linear(2 * _FREQUENCIES, _TOLD), nn.SiLU())
        self.label = nn.Embedding(classes + 1, _TOLD)
        self.told = nn.Sequential(nn.Linear(_TOLD, _TOLD), nn.SiLU())
        self.into = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.before = _Block(width)
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.middle = nn.ModuleList([_Block(2 * width), _Block(2 * width)])
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.after = _Block(width)
        self.out = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 4 * channels, 3, padding=1)
        )

    def forward(self, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean of the images without their noise.

        Args:
            x: images with noise.
            sigma: its standard deviation, above 0, for each image or ``(1,)`` for all.
            label: their classes; None is unknown.
        """
        check_rows("sigma", sigma, len(x))
        sigma = sigma.to(x).expand(len(x))
        if label is None:
            label = torch.full((1,), self.classes, device=x.device)
        told = self.told(self.noise(_waves(sigma)) + self.label(label).expand(len(x), -1))
        whole = (sigma.square() + self.spread**2).reshape(-1, 1, 1, 1)
        away = x - self.mean
        found = self._features(away / whole.sqrt(), told)
        kept = self.spread**2 / whole
        moved = sigma.reshape(-1, 1, 1, 1) * self.spread / whole.sqrt()
        return self.mean + kept * away + moved * found

    def _features(self, x: Tensor, told: Tensor) -> Tensor:
        half = self.before(self.into(F.pixel_unshuffle(x, 2)), told)
        quarter = self.down(half)
        for block in self.middle:
            quarter = block(quarter, told)
        return F.pixel_shuffle(self.out(self.after(half + self.up(quarter), told)), 2)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.told = nn.Linear(_TOLD, 2 * width)
        self.norm = nn.GroupNorm(8, width, affine=False)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm(self.first(x)) * (1 + scale) + shift
        return x + self.second(F.silu(inner))


def _waves(sigma: Tensor) -> Tensor:
    # periods from 1/4 to 16 in ln σ, which spans about 8
    rates = torch.logspace(math.log10(1 / 16), math.log10(4), _FREQUENCIES, device=sigma.device)
    angles = sigma.log()[:, None] * rates.to(sigma) * (2 * math.pi)
    return torch.cat((angles.cos(), angles.sin()), dim=1)
