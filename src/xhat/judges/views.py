"""How the networks of a jury see samples: in fair units, and small enough to be quick.

Values of tables have each their own unit. Those of images, fields and signals have one for each
channel, so that neighbours keep their differences; and what is large is folded: neighbouring
places become channels of one place, so that nothing is lost and the cost stays. Images of several
channels are seen in their main contrast, too.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.judges.lessons import Lesson
from xhat.learning import main_contrast, side_of, squared

__all__ = ["Columns", "Grid", "Line"]

_LARGE = 40  # pixels along a side, above which neighbouring ones become channels
_LONG = 128  # likewise along a signal


class Columns(nn.Module):
    """Features with mean 0 and deviation 1: ``(n, *x_shape)`` to ``(n, d)``."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, lesson: Lesson) -> None:
        super().__init__()
        self.register_buffer("mean", lesson.scale[0].clone())
        self.register_buffer("deviation", lesson.scale[1].clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return samples as a network sees them."""
        return ((x - self.mean) / self.deviation).flatten(1)


class _Channels(nn.Module):
    """Channels with mean 0 and deviation 1: neighbours keep their differences."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, lesson: Lesson) -> None:
        super().__init__()
        each = lesson.x.transpose(0, 1).flatten(1)
        own = (-1, *(1 for _ in lesson.x.shape[2:]))
        deviation = each.std(dim=1)
        typical = deviation.amax().clamp_min(1e-12)
        deviation = torch.where(deviation > 1e-6 * typical, deviation, typical)
        self.register_buffer("mean", each.mean(dim=1).reshape(own))
        self.register_buffer("deviation", deviation.reshape(own))

    def scaled(self, x: Tensor) -> Tensor:
        """Return samples in units of their channels."""
        return (x - self.mean) / self.deviation


class Grid(_Channels):
    """Images as their networks see them: a small square, of more channels where they are large."""

    def __init__(self, lesson: Lesson) -> None:
        super().__init__(lesson)
        _, *sides = lesson.x.shape[1:]
        self.fold = math.ceil(max(sides) / _LARGE)
        self.side = side_of(*(math.ceil(length / self.fold) for length in sides))
        self.coloured = lesson.x.shape[1] > 1
        self.channels = (lesson.x.shape[1] + self.coloured) * self.fold**2

    def forward(self, x: Tensor) -> Tensor:
        """Return samples as a network sees them."""
        seen = self.scaled(x)
        if self.coloured:  # shapes are the same in any colours
            seen = torch.cat((seen, main_contrast(seen)), dim=1)
        return F.pixel_unshuffle(squared(seen, self.fold * self.side), self.fold)


class Line(_Channels):
    """Signals as their networks see them: short, of more channels where they are long."""

    def __init__(self, lesson: Lesson) -> None:
        super().__init__(lesson)
        _, channels, length = lesson.x.shape
        self.fold = math.ceil(length / _LONG)
        self.length = math.ceil(length / self.fold)
        self.channels = channels * self.fold
        self.more = self.fold * self.length - length

    def forward(self, x: Tensor) -> Tensor:
        """Return samples as a network sees them."""
        whole = F.pad(self.scaled(x), (0, self.more), mode="replicate")
        return whole.unflatten(2, (-1, self.fold)).transpose(2, 3).flatten(1, 2)
