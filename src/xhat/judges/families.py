"""Families of classifiers that members of a default jury come from: how each is fitted."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import generator
from xhat.judges.lessons import Lesson
from xhat.learning import (
    BoostedTrees,
    EpochRecord,
    KernelClassifier,
    Loss,
    build,
    fit,
    grow_trees,
    predict,
)

__all__ = ["Best", "Family", "Kernel", "Network", "State", "Told", "Trees", "shifted", "train"]

_PLACES = 5_000  # that a kernel classifier remembers, at most
_BATCH, _EPOCHS = 64, 100
_NOISE, _SMOOTHING = 0.05, 0.02  # in training: standard deviations, and of the labels
_STILL = 14  # places along an axis below which even one step changes too much

State = Mapping[str, Tensor]
Told = Callable[[int, int], None]


class Family(Protocol):
    """One kind of classifier."""

    @property
    def name(self) -> str:
        """What people call it; its tensors begin with it."""
        ...

    def fitted(self, known: Lesson, held: Lesson, seed: int, told: Told, /) -> nn.Module:
        """Return one fitted to ``known`` samples, best on ``held`` ones."""
        ...

    def blank(self, state: State, /) -> nn.Module:
        """Return one that can load ``state``."""
        ...


@dataclass
class Best:
    """The weights of the epoch after which held-out samples, of all kinds, were read best."""

    model: nn.Module
    x: Tensor
    y: Tensor
    told: Told
    loss: float = math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)
    measure: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy

    def __call__(self, record: EpochRecord) -> None:
        """Look at the model after an epoch."""
        self.model.eval()
        loss = float(self.measure(predict(self.model, self.x), self.y))
        self.model.train()
        if loss < self.loss:
            self.loss = loss
            self.weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.told(record.epoch, record.epochs)


@dataclass(frozen=True)
class Network:
    """A network of layers by name, after a view of the samples."""

    name: str
    architecture: str
    arguments: dict[str, Any]
    view: nn.Module
    steps: int

    def blank(self, _: State, /) -> nn.Module:
        """Return an untrained network, whatever the state."""
        return self.made(0)

    def fitted(self, known: Lesson, held: Lesson, seed: int, told: Told, /) -> nn.Module:
        """Return a network with the weights of its best epoch."""
        model = self.made(seed)
        best = Best(model, *_examined(held, seed), told)
        train(model, (known.x, known.labels), self._loss(known), seed, best, self.steps)
        model.load_state_dict(best.weights)
        return model

    def made(self, seed: int) -> nn.Module:
        """Return an untrained network."""
        return nn.Sequential(self.view, build(self.architecture, seed=seed, **self.arguments))

    def _loss(self, known: Lesson) -> Loss:
        def loss(model: nn.Module, x: Tensor, y: Tensor, draws: torch.Generator) -> Tensor:
            noise = _NOISE * known.scale[1] * torch.randn(x.shape, generator=draws)
            none = known.none(max(1, len(x) // 2), draws)
            kinds = torch.cat((y, y.new_full((len(none),), known.classes)))
            logits = model(torch.cat((shifted(x, draws) + noise, none)))
            return F.cross_entropy(logits, kinds, label_smoothing=_SMOOTHING)

        return loss


@dataclass(frozen=True)
class Kernel:
    """A classifier that knows nothing but nearness to known samples."""

    view: nn.Module
    features: int
    outputs: int
    name: str = "kernel"

    def blank(self, state: State, /) -> nn.Module:
        """Return one that remembers as many samples."""
        known, dimensions = state["1.places"].shape
        return nn.Sequential(self.view, self._kernel(known, dimensions, 0))

    def fitted(self, known: Lesson, _: Lesson, seed: int, told: Told, /) -> nn.Module:
        """Return one that remembers most of the known samples; the rest teach what is near."""
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

        train(
            kernel,
            (asked.x, asked.labels),
            loss,
            seed,
            lambda record: told(record.epoch, record.epochs),
            300,
        )
        kernel.remember(places, kinds)
        return nn.Sequential(self.view, kernel)

    def _kernel(self, known: int, dimensions: int, seed: int) -> KernelClassifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return KernelClassifier(self.outputs, self.features, dimensions, known)


@dataclass(frozen=True)
class Trees:
    """Boosted trees."""

    outputs: int
    name: str = "trees"

    def blank(self, state: State, /) -> nn.Module:
        """Return as many trees with as many nodes."""
        return BoostedTrees(self.outputs, len(state["root"]), len(state["value"]))

    def fitted(self, known: Lesson, held: Lesson, seed: int, told: Told, /) -> nn.Module:
        """Return trees; it needs scikit-learn."""
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


def train(
    model: nn.Module,
    known: tuple[Tensor, Tensor],
    loss: Loss,
    seed: int,
    on_epoch: Callable[[EpochRecord], None],
    steps: int,
) -> None:
    """Train a model on samples and what is known of them, for about so many steps."""
    batch = min(_BATCH, len(known[0]))
    epochs = max(2, min(_EPOCHS, steps // max(1, len(known[0]) // batch)))
    fit(
        model,
        *known,
        loss,
        epochs=epochs,
        batch_size=batch,
        learning_rate=3e-3,
        seed=seed,
        on_epoch=on_epoch,
    )


def shifted(x: Tensor, draws: torch.Generator) -> Tensor:
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
