"""The network of a prior: what a sample was before noise, given what is wanted and a start.

It is told the amount of noise and what is wanted, which scale and shift its features, and sees the
start beside the noised sample. Where the start or what is wanted is hidden, a mark says so.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GridNetwork", "Told"]

_FREQUENCIES = 16
_TOLD = 128  # values that tell the layers of noise and wanted output
_HEADS = 4
_CONV = {1: nn.Conv1d, 2: nn.Conv2d}
_BACK = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}


class GridNetwork(nn.Module):
    """A small U-Net at half and a quarter of the size, with attention among the quarter's places.

    Source: Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015; conditioning by scale and shift:
    Dhariwal, Nichol, "Diffusion Models Beat GANs on Image Synthesis", NeurIPS 2021.

    Args:
        channels: of a sample.
        dims: 1 for signals, 2 for images and fields.
        classes: how many there are; 0 for none.
        quantities: numbers that are wanted; 0 for none.
        width: features at half of the size, a multiple of 8; twice as many at a quarter.

    Shape:
        ``(n, channels, ...)`` of which every side is a multiple of 4, ``(n,)`` ``ln σ``, what is
        wanted (see ``Told``), ``(n, channels, ...)`` starts and ``(n,)`` whether they are shown →
        ``(n, channels, ...)``.

    Example:
        >>> net = GridNetwork(1, dims=1, classes=3, width=8)
        >>> x, label, shown = torch.zeros(2, 1, 16), torch.tensor([0, 3]), torch.ones(2)
        >>> net(x, torch.zeros(2), label, x, shown).shape
        torch.Size([2, 1, 16])
    """

    def __init__(
        self, channels: int, dims: int = 2, classes: int = 0, quantities: int = 0, width: int = 32
    ) -> None:
        super().__init__()
        if width % 8:
            raise ValueError(f"width must be a multiple of 8, but is {width}.")
        conv = _CONV[dims]
        self.dims, self.cells = dims, channels * 2**dims
        self.told = Told(classes, quantities)
        self.into = conv(2 * self.cells + 1, width, 3, padding=1)
        self.before = _Block(width, dims)
        self.down = conv(width, 2 * width, 2, stride=2)
        self.first = _Block(2 * width, dims)
        self.mix = _Attention(2 * width)
        self.second = _Block(2 * width, dims)
        self.up = _BACK[dims](2 * width, width, 2, stride=2)
        self.after = _Block(width, dims)
        self.out = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), conv(width, self.cells, 3, padding=1)
        )

    def forward(
        self, x: Tensor, noise: Tensor, wanted: Tensor, start: Tensor, shown: Tensor
    ) -> Tensor:
        """Return what is to be added to the noised sample, see ``Denoising``."""
        told = self.told(noise, wanted, shown)
        seen = shown.reshape(-1, *(1,) * (x.ndim - 1)).to(x)
        cells, begun = _halved(x), _halved(start * seen)
        mark = seen.expand(-1, 1, *cells.shape[2:])
        half = self.before(self.into(torch.cat((cells, begun, mark), dim=1)), told)
        quarter = self.mix(self.first(self.down(half), told))
        quarter = self.second(quarter, told)
        return _doubled(self.out(self.after(half + self.up(quarter), told)), x.shape[1])


class Told(nn.Module):
    """What layers are told: the amount of noise, what is wanted, and whether a start is shown.

    Args:
        classes: what is wanted is one of them, or the number ``classes``, which hides it.
        quantities: what is wanted are so many numbers of unit variance, or NaN, which hides them.
    """

    def __init__(self, classes: int, quantities: int) -> None:
        super().__init__()
        self.noise = nn.Linear(2 * _FREQUENCIES, _TOLD)
        self.shown = nn.Embedding(2, _TOLD)
        self.label = nn.Embedding(classes + 1, _TOLD)
        self.value = nn.Linear(2 * quantities, _TOLD) if quantities else None
        self.mixed = nn.Sequential(nn.SiLU(), nn.Linear(_TOLD, _TOLD), nn.SiLU())

    def forward(self, noise: Tensor, wanted: Tensor, shown: Tensor) -> Tensor:
        """Return ``(n, values)``."""
        found = self.noise(_waves(noise)) + self.shown(shown.long())
        if self.value is None:
            return self.mixed(found + self.label(wanted))
        known = (~wanted.isnan()).float()
        return self.mixed(found + self.value(torch.cat((wanted.nan_to_num(0), known), dim=1)))


class _Block(nn.Module):
    def __init__(self, width: int, dims: int) -> None:
        super().__init__()
        conv = _CONV[dims]
        self.first = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), conv(width, width, 3, padding=1)
        )
        self.told = nn.Linear(_TOLD, 2 * width)
        self.norm = nn.GroupNorm(8, width, affine=False)
        self.second = conv(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.told(told).reshape(len(x), -1, *(1,) * (x.ndim - 2)).chunk(2, dim=1)
        inner = self.norm(self.first(x)) * (1 + scale) + shift
        return x + self.second(F.silu(inner))


class _Attention(nn.Module):
    """Every place looks at all others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.asked = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)
        n, count, width = places.shape
        heads = self.asked(places).reshape(n, count, 3, _HEADS, width // _HEADS)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value)
        found = self.out(found.transpose(1, 2).reshape(n, count, width))
        return x + found.transpose(1, 2).reshape(x.shape)


def _waves(noise: Tensor) -> Tensor:
    # periods from 1/2 to 16 in ln σ, which spans about 8
    rates = torch.logspace(math.log10(1 / 16), math.log10(2), _FREQUENCIES, device=noise.device)
    angles = noise[:, None] * rates.to(noise) * (2 * math.pi)
    return torch.cat((angles.cos(), angles.sin()), dim=1)


def _halved(x: Tensor) -> Tensor:
    """Return the cells of 2 (by 2) places as channels: ``(n, c, ...)`` → ``(n, 2^d c, .../2)``."""
    if x.ndim == 4:
        return F.pixel_unshuffle(x, 2)
    n, channels, length = x.shape
    return x.reshape(n, channels, length // 2, 2).transpose(2, 3).reshape(n, -1, length // 2)


def _doubled(cells: Tensor, channels: int) -> Tensor:
    """Undo ``_halved``."""
    if cells.ndim == 4:
        return F.pixel_shuffle(cells, 2)
    n, _, half = cells.shape
    return cells.reshape(n, channels, 2, half).transpose(2, 3).reshape(n, channels, 2 * half)
