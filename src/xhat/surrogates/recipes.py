"""Recipes: how a surrogate of any labelled data is trained, by parts joined with ``+``.

``robust+outliers+noise-soft`` names a base, which says how long and against which adversary, and
parts, each of which adds one signal. All numbers follow from the data (``Setting``): the radius of
the adversary from how far the classes lie apart, outliers from the samples themselves, damage from
the kind of data. Signals act in the order of their ``rank``, whatever the order in which parts are
named: samples are damaged and outliers added before an adversary moves them, and targets are
smoothed last. Parts of one rank would do the same thing twice, so they exclude each other.

A new part is one entry of ``PARTS``. A task may give parts numbers of its own
(``dataclasses.replace``) and compose from these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_choice, generator
from xhat.learning import DAMAGE, Augment
from xhat.surrogates.adversarial import Adversarial, Norm, Trades
from xhat.surrogates.classifier import train_classifier
from xhat.surrogates.consistency import NoiseConsistency, RotationConsistency
from xhat.surrogates.corrupted import Corrupted, train_softness
from xhat.surrogates.outliers import OutlierExposure, OutlierSource, astray, refuse_overlap
from xhat.surrogates.training_terms import LabelSmoothing, Limits, TrainingTerm

__all__ = ["PARTS", "Composed", "Part", "Setting", "apart", "compose"]

RADIUS = 0.3
"""Of the distance to another class, within which an adversary moves a sample."""

_ASKED = 400  # samples whose distance to other classes is looked at
_ASTRAY = 2_000  # searches that go astray


@dataclass(frozen=True)
class Setting:
    """What the training terms of a recipe are made from.

    Attributes:
        x: ``(n, *x_shape)``, the training samples, in units of about the range of what varies.
        labels: ``(n,)`` int64, their classes.
        classes: how many there are.
        kind: of data: ``"image"``, ``"field"``, ``"signal"`` or ``"table"``.
        seed: of the training.
        schedule: of the training: epochs, batch size and so on.
        radii: of the adversary, by norm.
        outliers: returns what makes samples of no class; asked where it is needed.
        limits: of the features.
        own: ``(m, *x_shape)``, samples of no class that were given; None for none.
        jitter: how samples are changed where a network is trained only to measure something.
        plain: returns a textbook classifier, whose searches go astray; asked where it is needed.
        tested: returns what detection is tested on, and nothing may be trained on.
        brief: epochs, at most, of a network that is trained only to measure something.
        train: ``train_classifier``, or the like with its own network.
    """

    x: Tensor
    labels: Tensor
    classes: int
    kind: str
    seed: int
    schedule: Mapping[str, Any]
    radii: Mapping[Norm, float]
    outliers: Callable[[], OutlierSource]
    limits: Limits = (0.0, 1.0)
    own: Tensor | None = None
    jitter: Augment | None = None
    plain: Callable[[], nn.Module] | None = None
    tested: Callable[[], Iterable[Tensor]] = tuple
    brief: int = 6
    train: Callable[..., nn.Module] = train_classifier


@dataclass(frozen=True)
class Part:
    """One word of a recipe.

    Attributes:
        name: the word.
        caption: what it does, in one line.
        rank: terms act in the order of their ranks; two of one rank exclude each other.
        signal: makes the signal; None where the part adds none.
        base: the schedule, if the part is a base: what ``xhat.learning.fit`` is told, with
            ``steps`` in place of ``epochs`` where the number of samples differs.
        arguments: of the network, if the part is a base.
        seed: of the training, if the part is a base.
    """

    name: str
    caption: str
    rank: int = 0
    signal: Callable[[Setting], TrainingTerm] | None = None
    base: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1


@dataclass(frozen=True)
class Composed:
    """A recipe that was put together.

    Attributes:
        name: as it was said.
        base: its base.
        acting: the parts that add a signal, in the order in which they act.
        caption: what it is, in one line.
    """

    name: str
    base: Part
    acting: tuple[Part, ...]
    caption: str

    def terms(self, setting: Setting) -> list[TrainingTerm]:
        """Return the terms of a training, in order."""
        return [part.signal(setting) for part in self.acting if part.signal is not None]


def compose(name: str, parts: Mapping[str, Part] | None = None) -> Composed:
    """Return the recipe that is named by parts joined by ``+``; without a base, it is ``plain``.

    Args:
        name: of it.
        parts: that it may be made of; None for ``PARTS``.

    Raises:
        ValueError: an unknown part, a part named twice, more than one base, or two parts that
            exclude each other.

    Example:
        >>> [part.name for part in compose("robust+outliers").acting]
        ['outliers', 'robust']
    """
    known = PARTS if parts is None else parts
    words = name.split("+")
    for word in words:
        check_choice("part of a recipe", word, known)
        if words.count(word) > 1:
            raise ValueError(f"the recipe {name!r} names {word} twice; once is enough.")
    chosen = [known[word] for word in words]
    bases = [part for part in chosen if part.base is not None] or [known["plain"]]
    if len(bases) > 1:
        raise ValueError(
            f"the recipe {name!r} has {len(bases)} bases, {' and '.join(p.name for p in bases)}, "
            f"but a network is trained on one; choose one of them."
        )
    acting = tuple(sorted((p for p in chosen if p.signal is not None), key=lambda p: p.rank))
    _refuse_same(name, acting)
    captions = (bases[0], *(part for part in chosen if part is not bases[0]))
    return Composed(name, bases[0], acting, "; ".join(part.caption for part in captions))


def apart(x: Tensor, labels: Tensor, seed: int, norm: Norm = "l2") -> float:
    """Return the median distance of a sample to the nearest of another class.

    Args:
        x: ``(n, *x_shape)``.
        labels: ``(n,)`` of at least two classes.
        seed: of which samples are looked at, at most 400 and 4,000 others.
        norm: in which is measured.

    Example:
        >>> apart(torch.tensor([[0.0], [3.0], [4.0]]), torch.tensor([0, 1, 1]), 0)
        3.0
    """
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    some, known = order[:_ASKED], order[: 10 * _ASKED]
    power = 2.0 if norm == "l2" else torch.inf
    distance = torch.cdist(x[some].flatten(1), x[known].flatten(1), p=power)
    distance[labels[some][:, None] == labels[known]] = torch.inf
    nearest = distance.amin(dim=1)
    return float(nearest[nearest.isfinite()].median())


def _refuse_same(name: str, acting: Sequence[Part]) -> None:
    for one, other in pairwise(acting):
        if one.rank == other.rank:
            raise ValueError(
                f"the recipe {name!r} has {one.name} and {other.name}, which exclude each other; "
                f"choose one of them."
            )


def _robust(setting: Setting) -> TrainingTerm:
    return Adversarial(eps=setting.radii["l2"], norm="l2", steps=5, ramp=0.4)


def _robust_linf(setting: Setting) -> TrainingTerm:
    return Adversarial(setting.radii["linf"], "linf", steps=7, ramp=0.3, scattered=True)


def _trades(setting: Setting) -> TrainingTerm:
    return Trades(eps=setting.radii["l2"], norm="l2", steps=5, ramp=0.4, beta=4.0)


def _noise(setting: Setting) -> TrainingTerm:
    return Corrupted(kinds=DAMAGE[setting.kind])


def _noise_soft(setting: Setting) -> TrainingTerm:
    schedule = {k: v for k, v in setting.schedule.items() if k != "jitter"}
    schedule["epochs"] = max(1, min(setting.brief, schedule["epochs"] // 2))
    softness = train_softness(
        setting.x,
        setting.labels,
        seed=setting.seed,
        jitter=setting.jitter,
        kinds=DAMAGE[setting.kind],
        classes=setting.classes,
        limits=setting.limits,
        train=setting.train,
        **schedule,
    )
    return Corrupted(kinds=DAMAGE[setting.kind], softness=softness)


def _outliers(setting: Setting) -> TrainingTerm:
    return OutlierExposure(setting.outliers(), own=setting.own, limits=setting.limits)


def _astray(setting: Setting) -> TrainingTerm:
    if setting.plain is None:
        raise ValueError("the part astray needs a textbook classifier whose searches go astray.")
    draws = generator(setting.seed, "astray, images")
    some = torch.randperm(len(setting.x), generator=draws)[:_ASTRAY]
    x = setting.x[some].cpu()
    x = x if setting.jitter is None else setting.jitter(x, draws)
    labels, limits = setting.labels[some].cpu(), setting.limits
    own = astray(setting.plain(), x, labels, seed=setting.seed, limits=limits)
    for tested in setting.tested():
        refuse_overlap(own, tested)
    given = own if setting.own is None else torch.cat((own, setting.own))
    return OutlierExposure(setting.outliers(), own=given, limits=limits)


def _consistent(setting: Setting) -> TrainingTerm:
    return RotationConsistency() if setting.kind == "image" else NoiseConsistency()


_LONG = {"steps": 1_500, "learning_rate": 3e-3, "weight_decay": 0.05, "average": 0.998}
_SHORT = _LONG | {"steps": 400, "learning_rate": 6e-3}
_MOVED = _LONG | {"steps": 900, "learning_rate": 2e-3, "weight_decay": 0.01}

PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part("plain", "textbook: one-hot labels, cross-entropy", base=_LONG),
        Part("quick", "textbook, a quarter as long", base=_SHORT),
        Part(
            "wide",
            "twice as many channels, slightly smooth labels",
            rank=4,
            signal=lambda _: LabelSmoothing(0.05),
            base=_LONG,
            arguments={"width": 64},
            seed=22,
        ),
        Part("robust", "adversarial training in an L2 ball", 3, _robust, _MOVED, seed=2),
        Part(
            "robust-linf", "adversarial training in an Linf ball", 3, _robust_linf, _MOVED, seed=21
        ),
        Part("trades", "TRADES in an L2 ball", 3, _trades, _MOVED, seed=4),
        Part("noise", "damaged samples", 1, _noise),
        Part(
            "noise-soft",
            "damaged samples, with targets as soft as accuracy under that damage",
            1,
            _noise_soft,
        ),
        Part("outliers", "samples of no class, with even targets", 2, _outliers),
        Part(
            "astray",
            "outliers, half of them where searches by a textbook classifier ended",
            2,
            _astray,
        ),
        Part("smooth", "label smoothing of 0.1", 4, lambda _: LabelSmoothing(0.1)),
        Part(
            "consistent",
            "the same answer for an image that is turned, or other data with a little noise",
            5,
            _consistent,
        ),
    )
}
"""What recipes of any data are made of."""
