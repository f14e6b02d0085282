"""The default jury by kind of data: who its members are, and how each is fitted and calibrated.

===================  =======================================================================
images, fields       wide convolutions, and a residual network
signals              convolutions of several widths, and a dilated residual network
tables               boosted trees (scikit-learn's), a network of layers, a kernel classifier
===================  =======================================================================

The number of axes of a sample says which. Every family is fitted in *folds*: on a part of the known
samples, while those held out say when it is best and, afterwards, how sure it may be (temperature).
Where samples are few, each is held out once, and a member is the mean of three such fits.

All learn what is *none* of the classes from the data itself: features drawn from different samples,
mixtures of samples of different classes, and samples moved off.

Source: features drawn independently of each other as what is not the data: Breiman, "Random
Forests", 2001 (its unsupervised mode); mixtures: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond
Empirical Risk Minimization", ICLR 2018; fits on folds, each calibrated by the others: Platt,
"Probabilistic Outputs for Support Vector Machines", 1999.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import MissingExtraError, generator
from xhat.judges.jury import Jury
from xhat.learning import (
    BoostedTrees,
    EpochRecord,
    KernelClassifier,
    Loss,
    build,
    fit,
    fit_temperature,
    grow_trees,
    predict,
    side_of,
    squared,
)

__all__ = ["Lesson", "Member", "jury_of"]

_FEW = 1_500  # known samples below which each is held out once
_FOLDS, _HELD = 3, 7  # where they are few; else one in seven is held out
_LARGE = 40  # pixels along a side, from which neighbouring ones become channels
_LONG = 128  # likewise along a signal
_WIDE = 1_024  # columns above which no trees are grown
_PLACES = 5_000  # that a kernel classifier remembers, at most
_BATCH, _EPOCHS = 64, 100
_NOISE, _SMOOTHING = 0.05, 0.02  # in training: standard deviations, and of the labels
_SHOWN, _MET = 0.5, 0.05  # samples of no class for each of a class: in training, and afterwards
_STILL = 14  # pixels or samples along an axis below which even one step changes too much

Progress = Callable[[str, int, int], None]
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Lesson:
    """Known samples, and how samples of no class are made of them.

    Attributes:
        x: ``(m, *x_shape)``, in their own units.
        labels: ``(m,)`` classes from 0.
        classes: their number; it is the label of what is none of them.
        scale: ``(mean, deviation)`` of features, each ``x_shape``.
    """

    x: Tensor
    labels: Tensor
    classes: int
    scale: tuple[Tensor, Tensor]

    def part(self, rows: Tensor) -> "Lesson":
        """Return some of the samples."""
        return Lesson(self.x[rows], self.labels[rows], self.classes, self.scale)

    def with_none(self, n: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the samples and ``n`` of no class, with their labels."""
        none = self.none(n, draws)
        kinds = self.labels.new_full((len(none),), self.classes)
        return torch.cat((self.x, none)), torch.cat((self.labels, kinds))

    def none(self, n: int, draws: torch.Generator) -> Tensor:
        """Return ``(n, *x_shape)`` that belong to no class, of three kinds."""
        known, third = self.x.flatten(1), -(-n // 3)

        def some(shape: tuple[int, ...]) -> Tensor:
            return torch.randint(len(known), shape, generator=draws)

        rows = some((third, known.shape[1]))
        scrambled = known[rows, torch.arange(known.shape[1])]
        a, b = some((2, third))
        share = 0.35 + 0.3 * torch.rand(third, 1, generator=draws)
        differ = (self.labels[a] != self.labels[b])[:, None]
        mixed = torch.where(differ, torch.lerp(known[a], known[b], share), scrambled)
        away = torch.randn(third, known.shape[1], generator=draws) * self.scale[1].flatten()
        reach = 2 + 4 * torch.rand(third, 1, generator=draws)
        moved = known[some((third,))] + reach * away
        return torch.cat((scrambled, mixed, moved))[:n].reshape(n, *self.x.shape[1:])


class Family(Protocol):
    """One kind of classifier."""

    name: str

    def fitted(self, known: Lesson, held: Lesson, seed: int, told: Told) -> nn.Module:
        """Return one fitted to ``known`` samples, best on ``held`` ones."""
        ...

    def blank(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Return one that can load ``state``."""
        ...


class Member(nn.Module):
    """A member of a default jury: the mean of one family's fits, over a temperature.

    Args:
        fits: ``(n, *x_shape) -> (n, classes + 1)`` logits each.

    Shape:
        ``(n, *x_shape)`` → logits ``(n, classes + 1)``.
    """

    temperature: Tensor

    def __init__(self, fits: list[nn.Module]) -> None:
        super().__init__()
        self.fits = nn.ModuleList(fits)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.rarer(torch.stack([fit(x) for fit in self.fits]).mean(dim=0)) / self.temperature

    @staticmethod
    def rarer(logits: Tensor) -> Tensor:
        """Return logits for samples of which fewer are of no class than in training.

        Source: Saerens, Latinne, Decaestecker, "Adjusting the Outputs of a Classifier to New a
        Priori Probabilities", Neural Computation 2002.
        """
        return torch.cat((logits[:, :-1], logits[:, -1:] - math.log(_SHOWN / _MET)), dim=1)


def jury_of(
    lesson: Lesson,
    seed: int,
    on_progress: Progress | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Jury:
    """Return the default jury for known samples.

    Args:
        lesson: the samples.
        seed: of the folds and the training.
        on_progress: called with a member's name, and how far it is.
        state: tensors of the members by name, to load them; None to fit them.
    """
    members, note = {}, ""
    for family in _families(lesson):
        if state is not None:
            if known := _part(state, family.name):
                members[family.name] = _loaded(family, known)
            continue
        try:
            members[family.name] = _fitted(family, lesson, seed, on_progress)
        except MissingExtraError as missing:
            note = f"a member is missing: {missing}"
    modules = tuple(member.eval().requires_grad_(False) for member in members.values())
    return Jury(modules, tuple(members), lesson.classes, note=note)


def _families(lesson: Lesson) -> tuple[Family, ...]:
    shape, outputs = tuple(lesson.x.shape[1:]), lesson.classes + 1
    channels = shape[0]
    if len(shape) == 3:
        fold = math.ceil(max(shape[1:]) / _LARGE)
        side = side_of(*(math.ceil(length / fold) for length in shape[1:]))
        inside = {"classes": outputs, "channels": channels * fold**2}
        view = _Grid(shape, lesson, fold, side)
        return (
            _Network("wide convolutions", "WideCNN", inside | {"size": side}, view, 700),
            _Network("residual network", "ResidualNet", inside | {"width": 16}, view, 700),
        )
    if len(shape) == 2:
        fold = math.ceil(shape[1] / _LONG)
        length = math.ceil(shape[1] / fold)
        inside = {"classes": outputs, "channels": channels * fold}
        view = _Line(shape, lesson, fold, length)
        return (
            _Network("several widths", "ScalesSignal", inside | {"length": length}, view, 900),
            _Network("dilated network", "ResidualSignal", inside, view, 900),
        )
    features = math.prod(shape)
    hidden = {"classes": outputs, "inputs": features, "hidden": (128, 128)}
    view = _Columns(lesson)
    rest = (_Network("network", "MLP", hidden, view, 1500), _Kernel(view, features, outputs))
    return (_Trees(outputs), *rest) if features <= _WIDE else rest


def _fitted(family: Family, lesson: Lesson, seed: int, on_progress: Progress | None) -> Member:
    """Fit one family on folds, and calibrate it on what each fit has not seen."""
    fold, fits = _folds(lesson.labels, seed)
    found, logits, labels = [], [], []
    for number in range(fits):

        def told(done: int, of: int, before: int = number) -> None:
            if on_progress is not None:
                on_progress(f"judge {family.name}", before * of + done, fits * of)

        held = lesson.part(fold == number)
        found.append(family.fitted(lesson.part(fold != number), held, seed + number, told).eval())
        logits.append(Member.rarer(predict(found[-1], held.x)))
        labels.append(held.labels)
    member = Member(found)
    member.temperature.fill_(_temperature(torch.cat(logits), torch.cat(labels)))
    return member


def _folds(labels: Tensor, seed: int) -> tuple[Tensor, int]:
    """Return the fold of each sample, every class dealt out evenly, and how many are held out."""
    few = len(labels) < _FEW
    order = torch.randperm(len(labels), generator=generator(seed, "judge", "folds"))
    order = order[labels[order].argsort(stable=True)]
    fold = torch.empty_like(labels)
    fold[order] = torch.arange(len(labels)) % (_FOLDS if few else _HELD)
    return fold, _FOLDS if few else 1


def _temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the best temperature, as if one more sample, of the usual certainty, were misread.

    Without it, a member that misreads none of a few samples would be certain of everything
    (Laplace's rule of succession).
    """
    best = logits.topk(2, dim=1)
    usual = (best.values[:, 0] - best.values[:, 1]).argsort()[len(logits) // 2]
    more = torch.cat((logits, logits[usual, None])), torch.cat((labels, best.indices[usual, 1:]))
    return fit_temperature(*more)


def _loaded(family: Family, state: Mapping[str, Tensor]) -> Member:
    count = len({name.split(".")[1] for name in state if name.startswith("fits.")})
    member = Member([family.blank(_part(state, f"fits.{i}")) for i in range(count)])
    member.load_state_dict(state)
    return member


def _part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    lead = f"{name}."
    return {key.removeprefix(lead): value for key, value in state.items() if key.startswith(lead)}


class _Columns(nn.Module):
    """Features with mean 0 and deviation 1, ``(n, d)``."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, lesson: Lesson) -> None:
        super().__init__()
        self.register_buffer("mean", lesson.scale[0].clone())
        self.register_buffer("deviation", lesson.scale[1].clone())

    def forward(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.deviation).flatten(1)


class _Channels(nn.Module):
    """Channels with mean 0 and deviation 1: neighbours keep their differences."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: tuple[int, ...], lesson: Lesson) -> None:
        super().__init__()
        each = lesson.x.transpose(0, 1).flatten(1)
        own = (-1, *(1 for _ in shape[1:]))
        deviation = each.std(dim=1)
        typical = deviation.amax().clamp_min(1e-12)
        deviation = torch.where(deviation > 1e-6 * typical, deviation, typical)
        self.register_buffer("mean", each.mean(dim=1).reshape(own))
        self.register_buffer("deviation", deviation.reshape(own))

    def scaled(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


class _Grid(_Channels):
    """Images as their networks see them: a small square, of more channels where they are large."""

    def __init__(self, shape: tuple[int, ...], lesson: Lesson, fold: int, side: int) -> None:
        super().__init__(shape, lesson)
        self.fold, self.side = fold, side

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_unshuffle(squared(self.scaled(x), self.fold * self.side), self.fold)


class _Line(_Channels):
    """Signals as their networks see them: short, of more channels where they are long."""

    def __init__(self, shape: tuple[int, ...], lesson: Lesson, fold: int, length: int) -> None:
        super().__init__(shape, lesson)
        self.fold, self.more = fold, fold * length - shape[1]

    def forward(self, x: Tensor) -> Tensor:
        whole = F.pad(self.scaled(x), (0, self.more), mode="replicate")
        return whole.unflatten(2, (-1, self.fold)).transpose(2, 3).flatten(1, 2)


@dataclass
class _Best:
    """The weights of the epoch after which held-out samples, of all kinds, were read best."""

    model: nn.Module
    x: Tensor
    y: Tensor
    told: Told
    loss: float = math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, record: EpochRecord) -> None:
        self.model.eval()
        loss = float(F.cross_entropy(predict(self.model, self.x), self.y))
        self.model.train()
        if loss < self.loss:
            self.loss = loss
            self.weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.told(record.epoch, record.epochs)


@dataclass(frozen=True)
class _Network:
    """A network of layers by name, after a view of the samples."""

    name: str
    architecture: str
    arguments: dict[str, Any]
    view: nn.Module
    steps: int

    def blank(self, state: Mapping[str, Tensor], seed: int = 0) -> nn.Module:
        return nn.Sequential(self.view, build(self.architecture, seed=seed, **self.arguments))

    def fitted(self, known: Lesson, held: Lesson, seed: int, told: Told) -> nn.Module:
        model = self.blank({}, seed)
        best = _Best(model, *_examined(held, seed), told)
        _train(model, known, self._loss(known), seed, best, self.steps)
        model.load_state_dict(best.weights)
        return model

    def _loss(self, known: Lesson) -> Loss:
        def loss(model: nn.Module, x: Tensor, y: Tensor, draws: torch.Generator) -> Tensor:
            noise = _NOISE * known.scale[1] * torch.randn(x.shape, generator=draws)
            none = known.none(max(1, len(x) // 2), draws)
            kinds = torch.cat((y, y.new_full((len(none),), known.classes)))
            logits = model(torch.cat((_shifted(x, draws) + noise, none)))
            return F.cross_entropy(logits, kinds, label_smoothing=_SMOOTHING)

        return loss


@dataclass(frozen=True)
class _Kernel:
    """A classifier that knows nothing but nearness to known samples."""

    view: nn.Module
    features: int
    outputs: int
    name: str = "kernel"

    def blank(self, state: Mapping[str, Tensor], seed: int = 0) -> nn.Module:
        known, dimensions = state["1.places"].shape
        return nn.Sequential(self.view, self._kernel(known, dimensions, seed))

    def fitted(self, known: Lesson, held: Lesson, seed: int, told: Told) -> nn.Module:
        draws = generator(seed, "judge", "known samples")
        order = torch.randperm(len(known.x), generator=draws)
        asked, kept = (known.part(rows) for rows in order.tensor_split([len(order) // 4]))
        x, kinds = kept.part(torch.arange(len(kept.x))[:_PLACES]).with_none(len(kept.x) // 3, draws)
        places = self.view(x)
        dimensions = min(32, self.features)
        kernel = self._kernel(len(places), dimensions, seed)
        _, _, vectors = torch.linalg.svd(places - places.mean(dim=0), full_matrices=False)
        with torch.no_grad():
            kernel.projection[:, : len(vectors)].copy_(vectors[:dimensions].T)

        def loss(_: nn.Module, x: Tensor, y: Tensor, draws: torch.Generator) -> Tensor:
            none = known.none(max(1, len(x) // 2), draws)
            wanted = torch.cat((y, y.new_full((len(none),), known.classes)))
            at = kernel.project(self.view(torch.cat((x, none))))
            return F.cross_entropy(kernel.nearness(at, kernel.project(places), kinds), wanted)

        _train(kernel, asked, loss, seed, lambda record: told(record.epoch, record.epochs), 300)
        kernel.remember(places, kinds)
        return nn.Sequential(self.view, kernel)

    def _kernel(self, known: int, dimensions: int, seed: int) -> KernelClassifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return KernelClassifier(self.outputs, self.features, dimensions, known)


@dataclass(frozen=True)
class _Trees:
    """Boosted trees."""

    outputs: int
    name: str = "trees"

    def blank(self, state: Mapping[str, Tensor]) -> nn.Module:
        return BoostedTrees(self.outputs, len(state["root"]), len(state["value"]))

    def fitted(self, known: Lesson, held: Lesson, seed: int, told: Told) -> nn.Module:
        draws = generator(seed, "judge", "samples of no class")
        trees = grow_trees(
            known.with_none(len(known.x) // 2, draws), _examined(held, seed), self.outputs, seed
        )
        told(1, 1)
        return trees


def _examined(held: Lesson, seed: int) -> tuple[Tensor, Tensor]:
    """Return what says when a fit is best: held-out samples, and others of no class."""
    draws = generator(seed, "judge", "examined")
    return held.with_none(max(1, len(held.x) // 2), draws)


def _train(
    model: nn.Module,
    known: Lesson,
    loss: Loss,
    seed: int,
    on_epoch: Callable[[EpochRecord], None],
    steps: int,
) -> None:
    batch = min(_BATCH, len(known.x))
    epochs = max(2, min(_EPOCHS, steps // max(1, len(known.x) // batch)))
    fit(
        model,
        known.x,
        known.labels,
        loss,
        epochs=epochs,
        batch_size=batch,
        learning_rate=3e-3,
        seed=seed,
        on_epoch=on_epoch,
    )


def _shifted(x: Tensor, draws: torch.Generator) -> Tensor:
    """Return images and signals moved by a place or two, their edges continued."""
    for axis in range(2, x.ndim):
        length = x.shape[axis]
        most = min(2, length // _STILL)
        by = torch.randint(-most, most + 1, (len(x), 1), generator=draws)
        place = (torch.arange(length) + by).clamp(0, length - 1)
        own = [len(x), *(1 for _ in x.shape[1:])]
        own[axis] = length
        x = x.gather(axis, place.reshape(own).expand(x.shape))
    return x
