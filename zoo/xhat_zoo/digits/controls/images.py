"""Controls that no search made: images between two digits, damaged ones, and other things."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from xhat.learning import random_affine
from xhat_zoo.digits.controls.material import Control, Material, slanted
from xhat_zoo.digits.morphs import signed_distance

__all__ = [
    "blank",
    "blended",
    "broken",
    "clothes",
    "decodes",
    "latent_morphs",
    "letters",
    "noise",
    "occluded",
    "shape_morphs",
    "shifted",
    "superposed",
    "thick",
    "thin",
    "tiny",
]

_NEW_INK = 0.3  # each of two superposed digits adds at least so much of its own


def superposed(of: Material) -> Control:
    """Two digits over each other, neither of which covers the other; called either."""
    both = torch.maximum(of.x, of.other)
    return Control(both, _either(of, "superposed")).at(_both_show(of))


def blended(of: Material) -> Control:
    """The mean of two digits, at full contrast; called the one or the other."""
    mean = of.x + of.other
    bright = mean / mean.flatten(1).amax(dim=1).clamp_min(1e-6).reshape(-1, 1, 1, 1)
    return Control(bright, _either(of, "blended")).at(_both_show(of))


def shape_morphs(of: Material) -> Control:
    """Outlines half way between two digits, where the surrogate is split; called either."""
    a, b = signed_distance(of.x), signed_distance(of.other)

    def between(share: Tensor) -> Tensor:
        return (0.5 - torch.lerp(a, b, share.reshape(-1, 1, 1, 1))).clamp(0, 1)

    return _half_way(of, between, "shape morphs")


def latent_morphs(of: Material) -> Control:
    """Decodes half way between the latents of two digits, where the surrogate is split."""
    with torch.no_grad():
        a, b = of.vae.encode(of.x), of.vae.encode(of.other)

    def between(share: Tensor) -> Tensor:
        with torch.no_grad():
            return of.vae.decode(torch.lerp(a, b, share[:, None]))

    return _half_way(of, between, "latent morphs")


def decodes(of: Material) -> Control:
    """Decodes of random latents; called what the surrogate takes them for."""
    with torch.no_grad():
        x = of.vae.decode(torch.randn(len(of), of.vae.latent, generator=of.draws("decodes")))
    return Control(x, of.read(x))


def broken(of: Material) -> Control:
    """Digits cut by three black bars, two pixels wide, which erase parts of the strokes."""
    draws, size = of.draws("broken"), of.x.shape[-1]
    grid = torch.stack(
        torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    ).float()
    x = of.x
    for _ in range(3):
        angle = torch.rand(len(of), 1, 1, generator=draws) * torch.pi
        offset = 6 + 16 * torch.rand(len(of), 1, 1, generator=draws)
        across = grid[0] * angle.cos() + grid[1] * angle.sin()
        shift = (size / 2) * (angle.cos() + angle.sin()) - size / 2
        x = x * ((across - shift - offset).abs() > 1.0)[:, None]
    return Control(x, of.labels)


def occluded(of: Material) -> Control:
    """Digits with a black square of 10 × 10 pixels near the middle."""
    draws = of.draws("occluded")
    top, left = (torch.randint(6, 13, (len(of), 1, 1, 1), generator=draws) for _ in range(2))
    rows, columns = torch.arange(28)[:, None], torch.arange(28)
    inside = (rows >= top) & (rows < top + 10) & (columns >= left) & (columns < left + 10)
    return Control(of.x * ~inside, of.labels)


def thick(of: Material) -> Control:
    """Digits whose strokes grew by two pixels on every side."""
    return Control(F.max_pool2d(of.x, 5, stride=1, padding=2), of.labels)


def thin(of: Material) -> Control:
    """Digits whose strokes lost a pixel on every side."""
    return Control(-F.max_pool2d(-of.x, 3, stride=1, padding=1), of.labels)


def tiny(of: Material) -> Control:
    """Digits at half their size."""
    small = F.interpolate(of.x, scale_factor=0.5, mode="area")
    return Control(F.pad(small, (7, 7, 7, 7)), of.labels)


def shifted(of: Material) -> Control:
    """Digits moved by 7 pixels to one side, so that some of them is cut off."""
    places = torch.tensor([(0, 7), (0, -7), (7, 0), (-7, 0)])
    chosen = places[torch.randint(4, (len(of),), generator=of.draws("shifted"))]
    padded = F.pad(of.x, (7, 7, 7, 7))
    moved = [
        image[:, 7 + down : 35 + down, 7 + right : 35 + right]
        for image, (down, right) in zip(padded, chosen.tolist(), strict=True)
    ]
    return Control(torch.stack(moved), of.labels)


def blank(of: Material) -> Control:
    """Even images from black to white."""
    x = torch.linspace(0, 1, len(of)).reshape(-1, 1, 1, 1).expand(of.x.shape).clone()
    return Control(x, of.read(x))


def noise(of: Material) -> Control:
    """Uniform, normal and salt-and-pepper noise."""
    draws, n = of.draws("noise"), len(of)
    uniform = torch.rand(of.x.shape, generator=draws)
    normal = (0.3 + 0.3 * torch.randn(of.x.shape, generator=draws)).clamp(0, 1)
    salt = (torch.rand(of.x.shape, generator=draws) < 0.15).float()
    which = (torch.arange(n) % 3).reshape(-1, 1, 1, 1)
    x = torch.where(which == 0, uniform, torch.where(which == 1, normal, salt))
    return Control(x, of.read(x))


def clothes(of: Material) -> Control:
    """Images of Fashion-MNIST."""
    return Control(of.clothes, of.read(of.clothes))


def letters(of: Material) -> Control:
    """Rendered letters that are no digits either, slanted as the digits are."""
    draws = of.draws("letters")
    x = random_affine(slanted(of.letters, draws), draws, shift=1, scale=0.1).clamp(0, 1)
    return Control(x, of.read(x))


def _half_way(of: Material, make: Callable[[Tensor], Tensor], name: str) -> Control:
    """Return the images at which the surrogate passes from the one class to the other."""
    low, high = torch.zeros(len(of)), torch.ones(len(of))
    for _ in range(10):
        middle = (low + high) / 2
        first = _log_odds(of, make(middle)) > 0
        low, high = torch.where(first, middle, low), torch.where(first, high, middle)
    share = (low + high) / 2
    x = make(share)
    inside = (share > 0.15) & (share < 0.85)
    return Control(x, _either(of, name)).at(inside)


def _log_odds(of: Material, x: Tensor) -> Tensor:
    """Return how much likelier the surrogate finds the start's class than the target."""
    with torch.no_grad():
        logits = torch.cat([of.surrogate(part) for part in x.split(500)])
    first, second = (logits.gather(1, k[:, None])[:, 0] for k in (of.labels, of.target))
    return first - second


def _either(of: Material, name: str) -> Tensor:
    """Return one of the two digits' classes, at random."""
    first = torch.rand(len(of), generator=of.draws(f"{name}, called")) < 0.5
    return torch.where(first, of.labels, of.target)


def _both_show(of: Material) -> Tensor:
    """Return where each of two digits over each other adds ink of its own, ``(n,)``."""
    other = of.other
    ink = [part.sum((1, 2, 3)) for part in (of.x, other, torch.maximum(of.x, other))]
    adds = torch.minimum((ink[2] - ink[1]) / ink[0], (ink[2] - ink[0]) / ink[1])
    return adds > _NEW_INK
