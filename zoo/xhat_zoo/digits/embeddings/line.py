"""The line: every image as one number, whose whole part is its class.

Class ``k`` has the bin ``[k, k + 1)``, and the place within tells its samples apart, say by slant
or weight. The line is the smallest latent space that holds all classes: going along it passes
through every class once, and the decoder makes something in between where two bins meet.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_positive
from xhat.learning.networks import VAE

__all__ = ["Line", "LineLoss"]

_EDGE = 0.02  # of a bin, left free at either end, so that rounding changes no class
_BUMPS = 4  # in a bin, in which the decoder sees a number


class Line(nn.Module):
    """An encoder of images to one number in ``[0, classes)``, and a decoder back.

    The encoder says class and place; the decoder sees the number alone, as overlapping bumps along
    the line, so that what it makes changes smoothly, across bins too.

    Args:
        classes: how many bins.
        channels: of the image.
        size: height and width of the image, a multiple of 4.

    Example:
        >>> line = Line(classes=3)
        >>> z = line.encode(torch.zeros(2, 1, 28, 28))
        >>> z.shape, bool(((z >= 0) & (z < 3)).all()), line.decode(z).shape
        (torch.Size([2, 1]), True, torch.Size([2, 1, 28, 28]))
    """

    middles: Tensor

    def __init__(self, classes: int = 10, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        self.latent, self.classes = 1, classes
        self.encoder = VAE(classes, channels, size).encoder  # two numbers for every class
        bumps = _BUMPS * classes + 1
        self.decoder = VAE(bumps, channels, size).decoder
        self.register_buffer("middles", torch.linspace(0, classes, bumps), persistent=False)

    def read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of the class, and the place in the bin of each, ``(n, classes)`` both."""
        logits, places = self.encoder(x).chunk(2, dim=1)
        return logits, _EDGE + (1 - 2 * _EDGE) * torch.sigmoid(places)

    def encode(self, x: Tensor) -> Tensor:
        """Return the number of every image, ``(n, 1)``."""
        logits, places = self.read(x)
        best = logits.argmax(dim=1, keepdim=True)
        return best + places.gather(1, best)

    def decode_logits(self, z: Tensor) -> Tensor:
        """Return pixels before the sigmoid, ``(n, channels, size, size)``."""
        return self.decoder(torch.exp(-((z - self.middles) * _BUMPS).square() / 2))

    def decode(self, z: Tensor) -> Tensor:
        """Return images in [0, 1] of numbers ``(n, 1)``."""
        return torch.sigmoid(self.decode_logits(z))

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction."""
        return self.decode(self.encode(x))


@dataclass(frozen=True)
class LineLoss:
    """What a line learns: to rebuild, to name the class, and to use the whole of every bin.

    Per image: binary cross-entropy of the pixels, cross-entropy of the class, and how far the
    sorted places of a class lie from even ones, the one-dimensional Wasserstein distance to a
    uniform distribution. The number is moved a little before it is decoded, so that its neighbours
    are alike.

    Source: Kolouri, Pope, Martin, Rohde, "Sliced Wasserstein Auto-Encoders", ICLR 2019.

    Attributes:
        naming: weight of the class.
        spreading: weight of the evenness.
        blur: standard deviation of the move, in bins.
    """

    naming: float = 20.0
    spreading: float = 300.0
    blur: float = 0.02

    def __post_init__(self) -> None:
        for name in ("naming", "spreading", "blur"):
            check_positive(name, getattr(self, name), zero=True)

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean over the batch; ``y`` are classes, ``(n,)`` int64."""
        if not isinstance(model, Line):
            raise TypeError(f"the model must be a Line, not {type(model).__name__}.")
        logits, places = model.read(x)
        place = places.gather(1, y[:, None])
        move = self.blur * torch.randn(place.shape, generator=generator).to(place)
        pixels = model.decode_logits(y[:, None] + place + move)
        rebuilding = F.binary_cross_entropy_with_logits(pixels, x, reduction="sum") / len(x)
        return (
            rebuilding
            + self.naming * F.cross_entropy(logits, y)
            + self.spreading * _unevenness(place[:, 0], y)
        )


def _unevenness(place: Tensor, y: Tensor) -> Tensor:
    """Return the mean squared distance of sorted places from even ones, within classes."""
    total = place.new_zeros(())
    for label in y.unique():
        own = place[y == label].sort().values
        even = (torch.arange(len(own)).to(own) + 0.5) / len(own)
        total = total + (own - even).square().sum()
    return total / len(y)
