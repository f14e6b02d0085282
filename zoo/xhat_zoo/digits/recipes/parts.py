"""What surrogates' recipes are composed of: bases and parts, joined by ``+``.

A base says which network is trained for how long, on which augmentation; a part adds one signal.
Signals act in the order of their ``rank``, whatever the order in which parts are named: images are
damaged and outliers added before an adversary moves them, and targets are smoothed last.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_choice, generator
from xhat.learning import EpochRecord, Jitter, Shift
from xhat.learning.negatives import Negatives
from xhat.surrogates import (
    TEST_KINDS,
    Adversarial,
    Corrupted,
    LabelSmoothing,
    OutlierExposure,
    RotationConsistency,
    Signal,
    Trades,
    astray,
    refuse_overlap,
    train_classifier,
    train_softness,
)
from xhat_zoo import digits
from xhat_zoo.digits.foreign import foreign
from xhat_zoo.digits.recipes.recipe import Made, Recipe

__all__ = ["PARTS", "Part", "compose"]

_TURNED = Jitter(angle=45.0)
_ASTRAY, _FOREIGN = 2_000, 1_000  # searches that go astray; images of a kind that is tested on
_WRITTEN = Jitter(angle=45.0, shift=1.0, scale=0.08, shear=0.08)


@dataclass(frozen=True)
class Setting:
    """What a part's signal is made from: upright images, labels, and the numbers of the recipe."""

    images: Tensor
    labels: Tensor
    seed: int
    hyperparameters: Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """One word of a recipe.

    Attributes:
        name: the word.
        caption: what it does, in one line.
        rank: signals act in the order of their ranks.
        signal: makes the signal; None where the part adds none.
        base: schedule and augmentation, if the part is a base.
        arguments: of the network, if the part is a base.
        seed: of the training, if the part is a base.
    """

    name: str
    caption: str
    rank: int = 0
    signal: Callable[[Setting], Signal] | None = None
    base: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1


def compose(name: str) -> Recipe:
    """Return the recipe that is named by parts joined by ``+``; without a base, it is ``plain``.

    Raises:
        ValueError: an unknown part, a part named twice, or more than one base.

    Example:
        >>> compose("outliers+robust").hyperparameters == compose("robust").hyperparameters
        True
    """
    words = name.split("+")
    for word in words:
        check_choice("part of a recipe", word, PARTS)
        if words.count(word) > 1:
            raise ValueError(f"the recipe {name!r} names {word} twice; once is enough.")
    parts = [PARTS[word] for word in words]
    bases = [part for part in parts if part.base is not None] or [PARTS["plain"]]
    if len(bases) > 1:
        raise ValueError(
            f"the recipe {name!r} has {len(bases)} bases, {' and '.join(p.name for p in bases)}, "
            f"but a network is trained on one; choose one of them."
        )
    base = bases[0]
    acting = tuple(sorted((p for p in parts if p.signal is not None), key=lambda p: p.rank))
    return Recipe(
        name,
        "surrogate",
        "; ".join(part.caption for part in (base, *(p for p in parts if p is not base))),
        _Run(acting, dict(base.arguments)),
        "surrogate_train",
        "SmallCNN",
        dict(base.arguments),
        dict(base.base or {}),
        base.seed,
    )


@dataclass(frozen=True)
class _Run:
    """The training of a composed recipe."""

    parts: tuple[Part, ...]
    arguments: dict[str, Any]

    def __call__(
        self,
        images: Tensor,
        targets: Tensor,
        *,
        seed: int,
        on_epoch: Callable[[EpochRecord], None] | None,
        **hyperparameters: Any,
    ) -> Made:
        """Make the signals, and train with them."""
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        setting = Setting(images, labels, seed, hyperparameters)
        signals = [part.signal(setting) for part in self.parts if part.signal is not None]
        model = train_classifier(
            images,
            targets,
            seed=seed,
            signals=signals,
            arguments=self.arguments,
            on_epoch=on_epoch,
            **hyperparameters,
        )
        return Made(model, {"signals": [signal.describe() for signal in signals]})


def _noise_soft(setting: Setting) -> Signal:
    schedule = {k: v for k, v in setting.hyperparameters.items() if k != "jitter"}
    schedule["epochs"] = max(1, min(6, schedule["epochs"] // 2))
    softness = train_softness(
        setting.images, setting.labels, seed=setting.seed, jitter=_TURNED, **schedule
    )
    return Corrupted(softness=softness)


def _outliers(setting: Setting) -> Signal:
    return OutlierExposure(Negatives(setting.images, setting.labels))


def _astray(setting: Setting) -> Signal:
    draws = generator(setting.seed, "astray, images")
    some = torch.randperm(len(setting.images), generator=draws)[:_ASTRAY]
    x = _TURNED(setting.images[some].cpu(), draws)
    own = astray(digits.surrogate("plain"), x, setting.labels[some].cpu(), seed=setting.seed)
    for kind in TEST_KINDS:
        refuse_overlap(own, foreign(kind, _FOREIGN))
    return OutlierExposure(Negatives(setting.images, setting.labels), own=own)


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part(
            "plain",
            "textbook: one-hot labels, cross-entropy",
            base={
                "epochs": 50,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "weight_decay": 0.05,
                "average": 0.998,
                "jitter": _WRITTEN,
            },
        ),
        Part(
            "quick",
            "textbook, in two minutes on two cores",
            base={
                "epochs": 15,
                "batch_size": 128,
                "learning_rate": 6e-3,
                "weight_decay": 0.05,
                "average": 0.998,
                "jitter": _WRITTEN,
            },
        ),
        Part(
            "wide",
            "twice as many channels, slightly smooth labels",
            rank=4,
            signal=lambda _: LabelSmoothing(0.05),
            base={
                "epochs": 30,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "weight_decay": 0.05,
                "average": 0.998,
                "jitter": _WRITTEN,
            },
            arguments={"width": 64},
            seed=22,
        ),
        Part(
            "robust",
            "adversarial training in an L2 ball of 2",
            rank=3,
            signal=lambda _: Adversarial(eps=2.0, norm="l2", steps=5, ramp=0.4),
            base={
                "epochs": 14,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.01,
                "average": 0.998,
                "jitter": _TURNED,
            },
            seed=2,
        ),
        Part(
            "robust-linf",
            "adversarial training in an Linf ball of 0.3, on upright digits",
            rank=3,
            signal=lambda _: Adversarial(0.3, "linf", steps=7, ramp=0.3, scattered=True),
            base={
                "epochs": 32,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "weight_decay": 0.01,
                "average": 0.998,
                "jitter": Shift(2),
            },
            seed=21,
        ),
        Part(
            "trades",
            "TRADES in an L2 ball of 2",
            rank=3,
            signal=lambda _: Trades(eps=2.0, norm="l2", steps=5, ramp=0.4, beta=4.0),
            base={
                "epochs": 14,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.01,
                "average": 0.998,
                "jitter": _TURNED,
            },
            seed=4,
        ),
        Part("noise", "damaged images", rank=1, signal=lambda _: Corrupted()),
        Part(
            "noise-soft",
            "damaged images, with targets as soft as accuracy under that damage",
            rank=1,
            signal=_noise_soft,
        ),
        Part("outliers", "images that show no digit, with even targets", rank=2, signal=_outliers),
        Part(
            "astray",
            "outliers, half of them where searches by the plain surrogate ended",
            rank=2,
            signal=_astray,
        ),
        Part("smooth", "label smoothing of 0.1", rank=4, signal=lambda _: LabelSmoothing(0.1)),
        Part(
            "consistent",
            "the same answer for an image that is turned",
            rank=5,
            signal=lambda _: RotationConsistency(),
        ),
    )
}
