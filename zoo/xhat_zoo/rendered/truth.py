"""The truth of a verdict, computed: what an image is, and whether nature makes such images.

Nature is a shape that is rendered and seen by the sensor. From the nearest rendered image of every
kind (``fit``) follow four facts about any image:

- *shown*: which kinds are seen. One, that of the nearest rendered image, where this explains at
  least ``LEAST`` of what varies over the image (blurred by 1 px; white noise and an even slope of
  brightness do not count); else two, where two shapes one upon the other explain at least ``PAIR``;
  else none. None as well where a shape explains less of what is seen from afar (blurred by 2 px,
  noise included) than ``VISIBLE``: the shape that fits pure noise best explains up to a fifth.
- *tied*: another kind is about as near: less than ``TIE`` times as improbable, given the noise.
- *natural*: what is left looks like the noise of the sensor: white, with its standard deviation.
  In each of four bands of spatial frequency, its power lies within the two-sided interval that
  holds for all four at once with probability ``1 - LEVEL``; and pose, colours and contrast are in
  the ranges of the data. Too smooth is as unnatural as too rough.
- *repeated*: how often a surrogate says the same of ``DRAWS`` natural images with these very
  factors. A mistake is an answer that at least ``REPEATED`` of them get as well; an answer that
  they do not get hangs on detail that is not in nature: the image is adversarial.

Source: ordinary errors and adversarial ones, told apart by the manifold: Stutz, Hein, Schiele,
"Disentangling Adversarial Robustness and Generalization", CVPR 2019.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
import torch.nn.functional as F
from scipy.stats import chi2
from torch import Tensor

from xhat.core import evaluation_mode, generator, modules_of
from xhat.judges import Outcome
from xhat_zoo.rendered.fitting import Fits, check_images, fit
from xhat_zoo.rendered.renderer import HIGH, LOW, SHAPES, SIDE
from xhat_zoo.rendered.samples import CONTRAST, DARK, LIGHT, NOISE

__all__ = [
    "DRAWS",
    "LEAST",
    "LEVEL",
    "PAIR",
    "REPEATED",
    "TIE",
    "VISIBLE",
    "Reading",
    "read",
    "shape_of",
]

LEAST, PAIR, VISIBLE = 0.85, 0.95, 0.25
TIE, LEVEL, DRAWS, REPEATED = 20.0, 0.001, 100, 0.01
_BANDS = (0, 8, 16, 24, 2 * SIDE)  # half cycles over the image
_FITTED = 10  # numbers that a fit takes from the lowest band: pose and colours
_SLACK, _COLOUR_SLACK = 0.2, 0.02  # px and colour, of ranges: factors are estimated


@dataclass(frozen=True, eq=False)
class Reading:
    """What the truth says of ``n`` images.

    Attributes:
        images: ``(n, 3, SIDE, SIDE)``.
        fits: the nearest rendered image of every kind.
    """

    images: Tensor
    fits: Fits

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def explained(self) -> Tensor:
        """Which share of what varies over the image the nearest one explains, ``(n,)``."""
        return _explained(self.images, self.near)

    @cached_property
    def shown(self) -> Tensor:
        """Which kinds are seen, ``(n, kinds)``."""
        one = F.one_hot(self.fits.kind, len(SHAPES)).bool()
        one[_from_afar(self.images, self.near) < VISIBLE] = False
        unclear = one.any(dim=1) & (self.explained < LEAST)
        if bool(unclear.any()):
            one[unclear] = _pair(self.images[unclear], self.fits.at(unclear))
        return one

    @cached_property
    def near(self) -> Tensor:
        """The nearest rendered image of all, ``(n, 3, SIDE, SIDE)``."""
        return self.fits.nearest()

    @cached_property
    def bands(self) -> Tensor:
        """The power of what is left by band, over that of the noise: about 1 if natural."""
        basis = _cosines()
        waves = basis @ ((self.images - self.near) / NOISE) @ basis.T
        return torch.stack([waves[:, :, band].square().mean(dim=(1, 2)) for band in _bands()], 1)

    @cached_property
    def natural(self) -> Tensor:
        """Whether nature makes such an image, ``(n,)``."""
        low, high = _limits()
        white = ((self.bands >= low) & (self.bands <= high)).all(dim=1)
        rows = torch.arange(len(self))
        pose, colours = (each[rows, self.fits.kind] for each in (self.fits.pose, self.fits.colours))
        least, most = (torch.tensor(ends) for ends in (LOW, HIGH))
        inside = ((pose[:, :3] >= least - _SLACK) & (pose[:, :3] <= most + _SLACK)).all(dim=1)
        shade = (colours - (DARK + LIGHT) / 2).abs().amax(dim=(1, 2))
        contrast = (colours[:, 0] - colours[:, 1]).norm(dim=1)
        inside &= shade <= (LIGHT - DARK) / 2 + _COLOUR_SLACK
        return white & inside & (contrast >= CONTRAST - _COLOUR_SLACK)

    def tied(self, target: Tensor) -> Tensor:
        """Whether another kind is about as near as the nearest and, of such two, one is wanted."""
        power = self.fits.power
        close = power <= power.amin(dim=1, keepdim=True) + 2 * NOISE**2 * math.log(TIE)
        return (close.sum(dim=1) > 1) & close.gather(1, target[:, None])[:, 0]

    def repeated(self, model: Callable[[Tensor], Tensor], target: Tensor, seed: int = 0) -> Tensor:
        """Return how often a model says the target of natural images with these factors, ``(n,)``.

        Args:
            model: ``(m, 3, SIDE, SIDE)`` to logits ``(m, kinds)``.
            target: ``(n,)``.
            seed: of the noise of the sensor.
        """
        draws = generator(seed, "rendered", "again")
        same = []
        with torch.no_grad(), evaluation_mode(*modules_of(model)):
            for clean, wanted in zip(self.near, target.tolist(), strict=True):
                noise = NOISE * torch.randn(DRAWS, *clean.shape, generator=draws)
                said = model((clean + noise).clamp(0, 1)).argmax(dim=1)
                same.append((said == wanted).float().mean())
        return torch.stack(same) if same else torch.zeros(0)

    def outcomes(
        self, target: Tensor, model: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Outcome, ...]:
        """Return the true outcome of every image.

        Args:
            target: ``(n,)``, the kinds that they are meant to be.
            model: the surrogate that was searched; it is taken to see the target, which ``xhat``
                checks before. Without it, what is natural is a mistake, and what is not is not.
        """
        another = ~self.shown.gather(1, target[:, None])[:, 0]
        fooled = another & ~self.natural
        if model is not None and bool(another.any()):
            fooled = another.clone()
            some = Reading(self.images[another], self.fits.at(another))
            fooled[another] = some.repeated(model, target[another]) < REPEATED
        tied = self.tied(target)
        rules = [
            (Outcome.OUT_OF_DISTRIBUTION, ~self.shown.any(dim=1)),
            (Outcome.ADVERSARIAL, fooled & ~tied),
            (Outcome.MISTAKEN, another & ~tied),
            (Outcome.OFF_MANIFOLD, ~self.natural),
            (Outcome.AMBIGUOUS, tied),
            (Outcome.GENUINE, torch.ones_like(another)),
        ]
        first = torch.stack([rule for _, rule in rules]).int().argmax(dim=0)
        return tuple(rules[i][0] for i in first.tolist())


def read(images: Tensor) -> Reading:
    """Return what the truth says of images ``(n, 3, SIDE, SIDE)``; 50 ms each.

    Raises:
        TypeError, ValueError: no such images, or not finite.

    Example:
        >>> from xhat_zoo.rendered.samples import draw
        >>> some = draw(4, seed=1)
        >>> told = read(some.images)
        >>> [str(each) for each in told.outcomes(some.labels)]
        ['genuine', 'genuine', 'genuine', 'genuine']
        >>> [str(each) for each in told.outcomes((some.labels + 1) % 6)]
        ['mistaken', 'mistaken', 'mistaken', 'mistaken']
    """
    images = check_images(images)
    return Reading(images, fit(images))


def shape_of(images: Tensor) -> Tensor:
    """Return what images are: ``(n,)`` places in ``SHAPES``, and one beyond where no shape is seen.

    It is the ground truth of this task, as ``xhat.Truth`` takes it.

    Example:
        >>> from xhat_zoo.rendered.samples import draw
        >>> some = draw(3, seed=2)
        >>> bool((shape_of(some.images) == some.labels).all())
        True
    """
    told = read(images)
    return torch.where(told.shown.any(dim=1), told.fits.kind, len(SHAPES))


def _pair(images: Tensor, fits: Fits) -> Tensor:
    """Return which two kinds are seen, one upon the other, ``(n, kinds)``; none if not two."""
    second = fit(images - _alone(fits))
    first = fit(images - _alone(second))
    second = fit(images - _alone(first))
    both = first.nearest() + _alone(second)
    kinds = F.one_hot(torch.stack((first.kind, second.kind), 1), len(SHAPES)).any(dim=1)
    return kinds & (_explained(images, both) >= PAIR)[:, None]


def _alone(fits: Fits) -> Tensor:
    """Return what the nearest shapes add to their background, ``(n, 3, SIDE, SIDE)``."""
    back = fits.colours[torch.arange(len(fits.kind)), fits.kind, 1]
    return fits.nearest() - back[:, :, None, None]


def _explained(images: Tensor, near: Tensor) -> Tensor:
    """Return the share of what varies that ``near`` explains, white noise not counted, ``(n,)``."""
    basis = _cosines()
    fine = (basis @ (images - near) @ basis.T)[:, :, _bands()[-1]].square().mean(dim=(1, 2))
    passed, left, whole = _blurred(images, near, 1.0)
    noise = fine * 3 * SIDE**2 * passed
    return 1 - (left - noise).clamp_min(0) / (whole - noise).clamp_min(1e-9)


def _from_afar(images: Tensor, near: Tensor) -> Tensor:
    """Return the share of what is seen from afar, noise included, that ``near`` explains."""
    _, left, whole = _blurred(images, near, 2.0)
    return 1 - left / whole.clamp_min(1e-9)


def _blurred(images: Tensor, near: Tensor, blur: float) -> tuple[float, Tensor, Tensor]:
    """Return the share of white noise that a blur lets pass, and the power of what is left."""
    ticks = torch.arange(SIDE, dtype=images.dtype)
    weight = torch.exp(-((ticks[:, None] - ticks) ** 2) / (2 * blur**2))
    weight = weight / weight.sum(dim=1, keepdim=True)
    left, whole = (
        (weight @ _level(each) @ weight.T).square().sum(dim=(1, 2, 3))
        for each in (images - near, images)
    )
    return float(weight.square().sum() / SIDE) ** 2, left, whole


def _level(images: Tensor) -> Tensor:
    """Return images without their mean and without an even slope."""
    slope = torch.linspace(-1, 1, SIDE)
    slope = slope / slope.norm() / math.sqrt(SIDE)
    images = images - images.mean(dim=(2, 3), keepdim=True)
    for way in (slope.expand(SIDE, SIDE), slope[:, None].expand(SIDE, SIDE)):
        images = images - (images * way).sum(dim=(2, 3), keepdim=True) * way
    return images


def _cosines() -> Tensor:
    """Return the orthonormal cosine transform, by which white noise stays white."""
    ticks = torch.arange(SIDE, dtype=torch.float32)
    waves = torch.cos(math.pi / SIDE * ticks[:, None] * (ticks + 0.5)) * math.sqrt(2 / SIDE)
    waves[0] /= math.sqrt(2)
    return waves


def _bands() -> list[Tensor]:
    ticks = torch.arange(SIDE)
    length = (ticks[:, None] ** 2 + ticks**2).sqrt()
    return [(length >= a) & (length < b) for a, b in pairwise(_BANDS)]


def _limits() -> tuple[Tensor, Tensor]:
    """Return between which values the power of natural noise lies, by band."""
    count = torch.tensor([3 * int(band.sum()) for band in _bands()]).double()
    free = count.clone()
    free[0] -= _FITTED
    tail = LEVEL / 2 / len(count)
    low, high = chi2.ppf(tail, free), chi2.ppf(1 - tail, count)
    return torch.tensor(low) / count, torch.tensor(high) / count
