"""Images of every kind that a judge may meet, to see whether it says what the truth says.

Attacks count where they reached their target. Sources: Madry et al., "Towards Deep Learning Models
Resistant to Adversarial Attacks", ICLR 2018 (PGD); Rony et al., "Decoupling Direction and Norm for
Efficient Gradient-Based L2 Adversarial Attacks and Defenses", CVPR 2019 (the smallest ball).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from xhat.attacks import pgd
from xhat.core import generator, per_row
from xhat.engine import TargetReached
from xhat.report.drawing import font_of
from xhat_zoo.rendered.renderer import SHAPES, SIDE, render
from xhat_zoo.rendered.samples import NOISE, Samples, draw

__all__ = ["CONTROLS", "Control", "Material", "material"]

_LINF, _L2, _WIDEST, _HALVINGS = 0.1, 1.5, 4.0, 8
_NATURAL = 60  # images in which misreadings are looked for, for each that is wanted
_LETTERS = "ABEFGHJKLMNPRSUVWYZ2345679"


@dataclass(frozen=True, eq=False)
class Control:
    """Images of one kind.

    Attributes:
        images: ``(m, 3, SIDE, SIDE)`` in [0, 1].
        target: ``(m,)``, what they are meant to be.
        start: from where they were made, like ``images``; None where that is nowhere.
        model: the surrogate that was searched; None where none was.
    """

    images: Tensor
    target: Tensor
    start: Tensor | None = None
    model: nn.Module | None = None

    def at(self, which: Tensor) -> "Control":
        """Return those at ``which``."""
        start = None if self.start is None else self.start[which]
        return replace(self, images=self.images[which], target=self.target[which], start=start)


@dataclass(frozen=True, eq=False)
class Material:
    """What controls are made from.

    Attributes:
        real: natural images that nothing was trained on.
        target: ``(n,)``, for each a kind that it is not.
        model: the surrogate.
        seed: of every random choice.
    """

    real: Samples
    target: Tensor
    model: nn.Module
    seed: int

    def draws(self, name: str) -> torch.Generator:
        """Return the source of randomness of one kind."""
        return generator(self.seed, "rendered", "controls", name)


def material(model: nn.Module, n: int, *, seed: int = 0) -> Material:
    """Return ``n`` natural images and what goes with them."""
    real, draws = draw(n, seed=seed, stream="controls"), generator(seed, "rendered", "targets")
    other = torch.randint(1, len(SHAPES), (n,), generator=draws)
    return Material(real, (real.labels + other) % len(SHAPES), model, seed)


def _real(of: Material) -> Control:
    return Control(of.real.images, of.real.labels)


def _wrong(of: Material) -> Control:
    return Control(of.real.images, of.target)


def _misread(of: Material) -> Control:
    many = draw(_NATURAL * len(of.real), seed=of.seed, stream="misread")
    with torch.no_grad():
        said = torch.cat([of.model(part).argmax(dim=1) for part in many.images.split(500)])
    wrong = (said != many.labels).nonzero()[: len(of.real), 0]
    return Control(many.images[wrong], said[wrong], many.images[wrong], of.model)


def _pgd_linf(of: Material) -> Control:
    found = pgd(of.model, of.real.images, of.target, radius=_LINF, stop=TargetReached(0.99))
    return _attacked(of, found.x, found.reached)


def _pgd_l2(of: Material) -> Control:
    found = pgd(
        of.model, of.real.images, of.target, radius=_L2, norm="l2", stop=TargetReached(0.99)
    )
    return _attacked(of, found.x, found.reached)


def _minimum_norm(of: Material) -> Control:
    low, high = torch.zeros(len(of.real)), torch.full((len(of.real),), _WIDEST)
    best, hit = of.real.images.clone(), torch.zeros(len(of.real), dtype=torch.bool)
    for _ in range(_HALVINGS):
        radius = (low + high) / 2
        found = pgd(
            of.model, of.real.images, of.target,
            radius=radius, norm="l2", rate=0.1, steps=40, stop=TargetReached(),
        )  # fmt: skip
        best = torch.where(per_row(found.reached, best), found.x, best)
        hit |= found.reached
        low = torch.where(found.reached, low, radius)
        high = torch.where(found.reached, radius, high)
    return _attacked(of, best, hit)


def _attacked(of: Material, x: Tensor, reached: Tensor) -> Control:
    return Control(x, of.target, of.real.images, of.model).at(reached)


def _mixed(of: Material) -> Control:
    return Control((of.real.images + of.real.images.roll(1, 0)) / 2, of.real.labels)


def _noise(of: Material) -> Control:
    noise = 0.3 * torch.randn(of.real.images.shape, generator=of.draws("noise"))
    return Control((of.real.images + noise).clamp(0, 1), of.real.labels)


def _checked(of: Material) -> Control:
    ticks = torch.arange(SIDE)
    board = ((ticks[:, None] + ticks) % 2) * 2.0 - 1
    return Control((of.real.images + 0.05 * board).clamp(0, 1), of.real.labels)


def _blurred(of: Material) -> Control:
    ticks = torch.arange(SIDE, dtype=torch.float32)
    weight = torch.exp(-((ticks[:, None] - ticks) ** 2) / 2)  # 1 px
    weight = weight / weight.sum(dim=1, keepdim=True)
    return Control(weight @ of.real.images @ weight.T, of.real.labels)


def _clean(of: Material) -> Control:
    return Control(render(of.real.labels, of.real.pose, of.real.colours), of.real.labels)


def _large(of: Material) -> Control:
    pose = of.real.pose.clone()
    pose[:, 2] = 10 + (pose[:, 2] - 5) / 2  # 10 to 12 px
    return _seen(of, render(of.real.labels, pose, of.real.colours), "large")


def _shaded(of: Material) -> Control:
    clean = render(of.real.labels, of.real.pose, of.real.colours)
    return _seen(of, clean * torch.linspace(0.85, 1.05, SIDE)[:, None], "shaded")


def _seen(of: Material, clean: Tensor, name: str) -> Control:
    """Return images as the sensor sees them."""
    noise = NOISE * torch.randn(clean.shape, generator=of.draws(name))
    return Control((clean + noise).clamp(0, 1), of.real.labels)


def _letters(of: Material) -> Control:
    font, found = font_of(24, bold=True), []
    for i in range(len(of.real)):
        page = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(page).text(
            (16, 16), _LETTERS[i % len(_LETTERS)], fill=255, font=font, anchor="mm"
        )
        found.append(torch.frombuffer(bytearray(page.tobytes()), dtype=torch.uint8))
    mask = torch.stack(found).reshape(-1, 1, SIDE, SIDE) / 255
    front, back = of.real.colours[:, 0, :, None, None], of.real.colours[:, 1, :, None, None]
    return _seen(of, back + mask * (front - back), "letters")


def _gratings(of: Material) -> Control:
    draws, n = of.draws("gratings"), len(of.real)
    angle, wave, phase = torch.rand(3, n, 1, 1, generator=draws)
    ticks = torch.arange(SIDE, dtype=torch.float32)
    along = angle.mul(torch.pi).cos() * ticks + angle.mul(torch.pi).sin() * ticks[:, None]
    mask = 0.5 + 0.5 * torch.sin(2 * torch.pi * (along / (4 + 8 * wave) + phase))
    front, back = of.real.colours[:, 0, :, None, None], of.real.colours[:, 1, :, None, None]
    return _seen(of, back + mask[:, None] * (front - back), "gratings")


def _only_noise(of: Material) -> Control:
    images = torch.rand(of.real.images.shape, generator=of.draws("only noise"))
    return Control(images, of.real.labels)


def _only_colour(of: Material) -> Control:
    return _seen(of, of.real.colours[:, 1, :, None, None].expand_as(of.real.images), "colour")


CONTROLS: dict[str, Callable[[Material], Control]] = {
    "real": _real,
    "real, asked for another kind": _wrong,
    "natural misreadings": _misread,
    "PGD, Linf 0.1": _pgd_linf,
    "PGD, L2 1.5": _pgd_l2,
    "minimum norm, L2": _minimum_norm,
    "two superposed": _mixed,
    "noise of 0.3": _noise,
    "checkerboard of 0.05": _checked,
    "blurred by 1 px": _blurred,
    "without noise": _clean,
    "too large": _large,
    "shaded": _shaded,
    "letters": _letters,
    "gratings": _gratings,
    "only noise": _only_noise,
    "one colour": _only_colour,
}
"""Every kind of control by name."""
