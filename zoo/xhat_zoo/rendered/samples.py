"""The data: shapes whose factors are drawn at random, seen by a sensor with a little noise.

Nothing is stored: a seed makes the same images again. Every image is ``render(factors) + σ ε`` with
standard normal ``ε`` for every pixel and colour. So what real images are is known exactly, and
"on the manifold" has a meaning without a threshold of taste: what is left of an image, when the
nearest rendered one is taken away, looks like the noise of this sensor.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_count, generator
from xhat_zoo.rendered.renderer import HIGH, LOW, SHAPES, render

__all__ = ["CONTRAST", "DARK", "LIGHT", "NOISE", "Samples", "draw"]

NOISE = 0.02
"""The standard deviation of the sensor's noise, of the range from black to white."""
DARK, LIGHT = 0.1, 0.9
"""The range of every colour; five standard deviations of noise from black and from white."""
CONTRAST = 0.35
"""The least distance between foreground and background, of colours in the unit cube."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Images and the factors that they were made from.

    Attributes:
        images: ``(n, 3, SIDE, SIDE)`` float32 in [0, 1], with the noise of the sensor.
        labels: ``(n,)`` int64, places in ``SHAPES``.
        pose: ``(n, 4)``, as ``masks`` takes it.
        colours: ``(n, 2, 3)``, foreground and background.
    """

    images: Tensor
    labels: Tensor
    pose: Tensor
    colours: Tensor

    def __len__(self) -> int:
        return len(self.images)


def draw(n: int, *, seed: int, stream: str = "train") -> Samples:
    """Return images of a seed, every kind equally often on average.

    Args:
        n: how many.
        seed: of all factors and of the noise.
        stream: a word; of the same seed, images of different words are independent.

    Example:
        >>> some = draw(6, seed=0)
        >>> some.images.shape, [SHAPES[k] for k in some.labels.tolist()][:2]
        (torch.Size([6, 3, 32, 32]), ['cross', 'triangle'])
    """
    draws = generator(seed, "rendered", stream)
    labels = torch.randint(len(SHAPES), (check_count("n", n),), generator=draws)
    low, high = torch.tensor((*LOW, 0.0)), torch.tensor((*HIGH, 2 * torch.pi))
    pose = low + (high - low) * torch.rand(n, 4, generator=draws)
    colours = _colours(n, draws)
    clean = render(labels, pose, colours)
    noisy = clean + NOISE * torch.randn(clean.shape, generator=draws)
    return Samples(noisy.clamp(0, 1), labels, pose, colours)


def _colours(n: int, draws: torch.Generator) -> Tensor:
    colours = torch.zeros(n, 2, 3)
    faint = torch.ones(n, dtype=torch.bool)
    while bool(faint.any()):
        drawn = torch.rand(int(faint.sum()), 2, 3, generator=draws)
        colours[faint] = DARK + (LIGHT - DARK) * drawn
        faint = (colours[:, 0] - colours[:, 1]).norm(dim=1) < CONTRAST
    return colours
