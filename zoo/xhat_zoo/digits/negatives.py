"""Images that show no digit, made from digits and from noise.

A classifier that must choose among ten digits calls anything a digit. So judges learn to answer
"none of them", and surrogates to be certain of nothing, from images that a search for digits might
end in: two digits at once, pieces glued or shuffled, fragments, scribbles, signs, patches, blobs,
noise, nothing. Nothing here is a photograph or a piece of clothing, and the signs are of other
alphabets and fonts than the letters for testing.

Care is taken that a negative is not a readable digit after all: of superpositions, those are used
whose digits cover each other least; glued halves are turned by a quarter; and the fragments of a
1 or a 7 (which are strokes, as a 1 is) are left out.

Source: the idea of training on outliers: Hendrycks, Mazeika, Dietterich, "Deep Anomaly Detection
with Outlier Exposure", ICLR 2019.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.learning.augment import random_affine, rotate
from xhat.surrogates import shuffle_tiles
from xhat_zoo.digits.glyphs import TRAINING_FONTS, TRAINING_SIGNS, signs

__all__ = ["KINDS", "TEST_KINDS", "TRAINING_KINDS", "Negatives"]

TRAINING_KINDS = (
    "overlays",
    "shuffled",
    "fragments",
    "scribbles",
    "strange signs",
    "patches",
    "blobs",
    "noises",
)
TEST_KINDS = ("clothes", "letters", "blends", "halves")
"""What out-of-distribution detection is measured on; nothing is ever trained on these."""


@dataclass(frozen=True)
class Negatives:
    """Draws images that show no digit.

    Args:
        images: ``(n, 1, size, size)`` upright digits in [0, 1], the material.
        labels: ``(n,)`` int64, their digits; at least two different ones.

    Example:
        >>> from xhat.core import generator
        >>> made = Negatives(torch.rand(20, 1, 28, 28), torch.arange(20) % 10)
        >>> made.draw(32, generator(0)).shape
        torch.Size([32, 1, 28, 28])
    """

    images: Tensor
    labels: Tensor
    kinds: ClassVar[tuple[str, ...]] = TRAINING_KINDS
    tested: ClassVar[tuple[str, ...]] = TEST_KINDS

    def __post_init__(self) -> None:
        if len(self.labels.unique()) < 2:
            raise ValueError("labels must name at least two different digits to mix.")

    def draw(
        self, n: int, generator: torch.Generator, kinds: tuple[str, ...] | None = None
    ) -> Tensor:
        """Return ``n`` images in [0, 1], about as many of every kind, in mixed order.

        Args:
            n: how many.
            generator: the source of randomness.
            kinds: names in ``KINDS``; None for all.
        """
        chosen = tuple(KINDS) if kinds is None else kinds
        share = -(-n // len(chosen))
        made = torch.cat([KINDS[kind](self, share, generator) for kind in chosen])
        return made[torch.randperm(len(made), generator=generator)[:n]].clamp(0, 1)

    def digits(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return ``n`` random digits, each moved and slanted at random, and their labels."""
        rows = torch.randint(len(self.labels), (n,), generator=generator)
        moved = random_affine(
            self.images[rows], generator, angle=45, shift=2, scale=0.12, shear=0.15
        )
        return moved, self.labels[rows]

    def two(
        self, n: int, generator: torch.Generator, without: tuple[int, ...] = ()
    ) -> tuple[Tensor, Tensor]:
        """Return two lists of ``n`` digits, the pairs that cover each other least of ``3 n``.

        The two of a pair are of different classes, and if possible none is in ``without``.
        """
        first, label = self.digits(3 * n, generator)
        second, other = self.digits(3 * n, generator)
        ink = torch.maximum(first.sum((1, 2, 3)), second.sum((1, 2, 3)))
        added = torch.maximum(first, second).sum((1, 2, 3)) / ink.clamp(min=1e-6)  # 1 to 2
        unwanted = torch.isin(torch.stack((label, other)), torch.tensor(without)).any(0)
        best = torch.argsort(added - 2.0 * (unwanted | (label == other)), descending=True)[:n]
        best = best[torch.randperm(n, generator=generator)]
        return first[best], second[best]


def overlays(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """Two digits drawn over each other, where neither covers the other."""
    return torch.maximum(*source.two(n, generator))


def blends(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """The mean of two digits: both are there, at about half the contrast."""
    first, second = source.two(n, generator)
    weight = _uniform(n, 0.4, 0.6, generator)
    return (weight * first + (1 - weight) * second) * _uniform(n, 1.0, 1.6, generator)


def shuffled(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """The 2×2 or 4×4 tiles of a digit in another order, none of them in its place."""
    x, _ = source.digits(n, generator)
    return torch.cat([shuffle_tiles(part, tiles, generator) for part, tiles in _halved(x, (2, 4))])


def halves(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """Half of a digit, and half of another that lies on its side."""
    first, second = source.two(n, generator, without=(0,))  # half a 0 closes anything into a 0
    quarters = torch.randint(0, 2, (n,), generator=generator) * 180.0 + 90.0
    second = rotate(second, quarters)
    middle = first.shape[-2] // 2
    glued = torch.cat((first[..., :middle, :], second[..., middle:, :]), -2)
    turn = torch.randint(0, 4, (n,), generator=generator) * 90.0
    return rotate(glued, turn)


def fragments(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """What is left of a digit when all but a small window of it is erased."""
    x, label = source.digits(4 * n, generator)
    keep = torch.argsort(((label != 1) & (label != 7)).int(), descending=True, stable=True)[:n]
    x = x[keep]
    h, w = x.shape[-2:]
    top, left = (torch.randint(4, 15, (n, 1, 1, 1), generator=generator) for _ in range(2))
    side = torch.randint(6, 11, (n, 1, 1, 1), generator=generator)
    rows, columns = torch.arange(h)[:, None], torch.arange(w)[None, :]
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return x * inside


def scribbles(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """Three to six curved strokes at random."""
    strokes, points, (h, w) = 6, 24, source.images.shape[-2:]
    ends = torch.rand(n, strokes, 3, 2, generator=generator) * 22 + 3
    t = torch.linspace(0, 1, points)[:, None]
    curve = (
        (1 - t) ** 2 * ends[:, :, 0, None]
        + 2 * t * (1 - t) * ends[:, :, 1, None]
        + t**2 * ends[:, :, 2, None]
    )
    drawn = torch.randint(3, strokes + 1, (n, 1), generator=generator) > torch.arange(strokes)
    curve = torch.where(drawn[:, :, None, None], curve, curve.new_tensor(-1e3))
    place = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"), -1)
    distance = torch.cdist(curve.flatten(1, 2), place.reshape(1, -1, 2).float())
    nearest = distance.min(1).values.reshape(n, 1, h, w)
    return (_uniform(n, 1.2, 2.2, generator) - nearest).clamp(0, 1)


def strange_signs(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """Letters and symbols that are no digits, thin or thick, moved and slanted."""
    del source  # signs are no digits
    known = signs(TRAINING_SIGNS, TRAINING_FONTS)
    x = known[torch.randint(len(known), (n,), generator=generator)]
    thick = F.max_pool2d(x, 3, stride=1, padding=1)
    x = torch.lerp(x, thick, _uniform(n, -0.6, 1, generator).clamp_min(0))
    x = random_affine(x, generator, angle=48, shift=3, scale=0.25, shear=0.25)
    return x * _uniform(n, 0.6, 1, generator)


def patches(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """Filled shapes, even, shaded or striped; every other one the same on both sides."""
    size = source.images.shape[-2:]
    coarse = torch.randn(n, 1, 5, 5, generator=generator)
    coarse[: n // 2] += coarse[: n // 2].flip(3)
    coarse = F.pad(coarse, (1, 1, 1, 1), value=-1.5)  # most shapes end before the edge
    smooth = F.interpolate(coarse, size, mode="bicubic", align_corners=True)
    shape = torch.sigmoid(_uniform(n, 4, 30, generator) * (smooth + _uniform(n, 0, 1.5, generator)))
    y, x = (torch.linspace(-1, 1, side) for side in size)
    wave = _uniform(n, -14, 14, generator) * y[:, None] + _uniform(n, -14, 14, generator) * x
    stripes = 1 - _uniform(n, -0.7, 0.7, generator).clamp_min(0) * (0.5 + 0.5 * wave.sin())
    grain = 1 - _uniform(n, -0.5, 0.5, generator).clamp_min(0) * torch.rand(
        n, 1, *size, generator=generator
    )
    return shape * stripes * grain * _uniform(n, 0.3, 1, generator)


def blobs(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """Smooth random spots, coarse or fine, faint or filled."""
    size = source.images.shape[-2:]
    parts = []
    for count, grid in zip(_split(n, 3), (3, 5, 8), strict=True):
        coarse = torch.randn(count, 1, grid, grid, generator=generator)
        smooth = F.interpolate(coarse, size, mode="bicubic", align_corners=False)
        parts.append(smooth * _uniform(count, 0.3, 4, generator))
    return (torch.cat(parts) + _uniform(n, -1.0, 0.6, generator)).clamp(0, 1)


def noises(source: Negatives, n: int, generator: torch.Generator) -> Tensor:
    """Uniform, normal or sparse noise, and even grey from black to white."""
    shape = source.images.shape[1:]
    uniform, normal, sparse, even = _split(n, 4)
    return torch.cat(
        (
            torch.rand(uniform, *shape, generator=generator) * _uniform(uniform, 0, 1, generator),
            0.5 + torch.randn(normal, *shape, generator=generator) * 0.3,
            (
                torch.rand(sparse, *shape, generator=generator)
                < _uniform(sparse, 0.02, 0.3, generator)
            ).float(),
            torch.ones(even, *shape) * _uniform(even, 0, 1, generator) ** 2,
        )
    )


KINDS: dict[str, Callable[[Negatives, int, torch.Generator], Tensor]] = {
    "overlays": overlays,
    "blends": blends,
    "shuffled": shuffled,
    "halves": halves,
    "fragments": fragments,
    "scribbles": scribbles,
    "strange signs": strange_signs,
    "patches": patches,
    "blobs": blobs,
    "noises": noises,
}


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low


def _split(n: int, parts: int) -> list[int]:
    return [(n + part) // parts for part in range(parts)]


def _halved(x: Tensor, keys: tuple[int, int]) -> list[tuple[Tensor, int]]:
    middle = len(x) // 2
    return [(part, key) for part, key in ((x[:middle], keys[0]), (x[middle:], keys[1]))]
