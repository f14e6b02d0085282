"""The surrogates that studies compare: small trainings, each done once and kept.

A ``Plan`` says all that a training depends on but its seed. Every seed trains on images of its own,
drawn from the surrogates' split, so that intervals over seeds tell of the data too; within a seed
all arms see the same images.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from studies.annotators import machine_labels
from studies.runner.experiment import Arm, Cell, Context
from xhat.core import generator
from xhat.core.cache import kept
from xhat.learning import build
from xhat.surrogates import (
    Corrupted,
    Invariant,
    LabelSmoothing,
    OutlierExposure,
    Softness,
    TrainingTerm,
    train_classifier,
    train_softness,
)
from xhat.surrogates.classifier import ROTATION
from xhat.symmetry import group
from xhat_zoo import digits
from xhat_zoo.digits.appraisal import Scope, appraise, quickly, record
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.labelled import read_labelled
from xhat_zoo.digits.negatives import Negatives

__all__ = [
    "MEASURED",
    "Plan",
    "digest",
    "labelled_arm",
    "surrogate",
    "surrogate_arm",
    "surrogate_cell",
]

MEASURED = Scope(
    images=5_000,
    damaged=300,
    foreign=500,
    attacked=200,
    radii={"l2": (0.5, 1.0, 1.5)},
    attack_steps=20,
    starts=2,
)
_SCHEDULE = {"batch_size": 128, "learning_rate": 3e-3, "weight_decay": 0.02, "average": 0.998}
_MOST = 0.99  # smoothing that leaves something of the label
Labels = tuple[str, str]
"""Of collected labels: the path of the file, and its SHA-256."""
Targets = Literal["labels", "machine", "machine by class", "as soft as machine"]


@dataclass(frozen=True)
class Plan:
    """How a study's surrogate is trained.

    Attributes:
        images: how many, of the surrogates' split.
        epochs: passes over them.
        turned: whether images are turned afresh in every epoch; else once and for all.
        targets: labels; machine labels; their mean for each class; or labels that are smoothed
            evenly, by as much as machine labels are soft on the mean.
        damage: how damaged images are labelled; None damages nothing.
        outliers: whether images that show no digit are added, with even targets.
        terms: further ones.
        group: whose elements a prediction is the mean over, a name in ``xhat.symmetry.GROUPS``.
        turns: whether training images are also turned by random quarters.
    """

    images: int = 10_000
    epochs: int = 8
    turned: bool = True
    targets: Targets = "labels"
    damage: Literal["hard", "even", "proportional"] | None = None
    outliers: bool = False
    terms: tuple[TrainingTerm, ...] = ()
    group: str | None = None
    turns: bool = False

    def describe(self) -> dict[str, Any]:
        """Return everything it says, as JSON."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        del told["terms"]  # said under the name that the plans of committed studies have
        return told | {"signals": [term.describe() for term in self.terms]} | _SCHEDULE

    def small(self) -> "Plan":
        """Return the same on as little as shows that it works."""
        return replace(self, images=300, epochs=1)


def surrogate_arm(name: str, caption: str, plan: Plan, scope: Scope = MEASURED) -> Arm:
    """Return the arm that trains by ``plan`` and measures what ``scope`` says."""
    settings = {"plan": plan.describe(), "scope": scope.describe()}
    return Arm(name, caption, partial(surrogate_cell, plan=plan, scope=scope), settings)


def labelled_arm(name: str, caption: str, plan: Plan, path: Path, checksum: str) -> Arm:
    """Return the arm that trains by ``plan`` on collected labels instead of its targets.

    Args:
        name: of the arm.
        caption: what it is.
        plan: all else of the training.
        path: of a ``labels.parquet``; cells read it again, in processes of their own.
        checksum: SHA-256 of that file, by which a study is resumed with the same labels only.
    """
    settings = {"plan": plan.describe(), "scope": MEASURED.describe(), "labels": checksum}
    cell = partial(surrogate_cell, plan=plan, scope=MEASURED, labels=(str(path), checksum))
    return Arm(name, caption, cell, settings)


def surrogate_cell(
    seed: int,
    context: Context,
    *,
    plan: Plan,
    scope: Scope = MEASURED,
    labels: Labels | None = None,
) -> Cell:
    """Train by ``plan``, measure, and return what was measured; ``labels`` as of a labelled arm."""
    model = surrogate(plan, seed, context, labels)
    found = appraise(model, digits_judge(), quickly(scope) if context.quick else scope, seed=seed)
    return Cell(found.metrics, record(found))


def surrogate(plan: Plan, seed: int, context: Context, labels: Labels | None = None) -> nn.Module:
    """Return the surrogate of a plan and a seed, trained now or taken from the cache.

    Args:
        plan: how it is trained.
        seed: of the training, and of the images.
        context: where the cache is.
        labels: path and SHA-256 of a file of labels to learn instead of the plan's targets.
    """
    plan = plan.small() if context.quick else plan
    named = plan.describe() | {"seed": seed}
    name = digest(named if labels is None else named | {"labels": labels[1]})
    path = context.cache / f"{name}.safetensors"
    weights = kept(path, lambda: _Training(plan, seed, context, labels).model().state_dict())
    model = build("SmallCNN", seed=0)
    model.load_state_dict(weights)
    return _averaged(model, plan).eval().requires_grad_(False)


@dataclass(frozen=True)
class _Training:
    plan: Plan
    seed: int
    context: Context
    given: Labels | None = None

    @cached_property
    def rows(self) -> Tensor:
        known = len(digits.split("surrogate_train"))
        draws = generator(self.seed, "study", "images")
        return torch.randperm(known, generator=draws)[: self.plan.images]

    @cached_property
    def images(self) -> Tensor:
        data = digits.split("surrogate_train")
        x = (data.upright if self.plan.turned else data.images)[self.rows]
        if not self.plan.turns:
            return x
        quarters = torch.randint(4, (len(x),), generator=generator(self.seed, "study", "turns"))
        turned = torch.stack([torch.rot90(x, k, (2, 3)) for k in range(4)])
        return turned[quarters, torch.arange(len(x))]

    @cached_property
    def labels(self) -> Tensor:
        return digits.split("surrogate_train").labels[self.rows]

    @property
    def schedule(self) -> dict[str, Any]:
        return _SCHEDULE | {"epochs": self.plan.epochs}

    def model(self) -> nn.Module:
        """Return the network, trained; where predictions are means over a group, as part of it."""
        network = build("SmallCNN", seed=self.seed)
        train_classifier(
            self.images,
            self.targets(),
            seed=self.seed,
            model=_averaged(network, self.plan),
            terms=self.terms(),
            jitter=ROTATION if self.plan.turned else None,
            **self.schedule,
        )
        return network

    def targets(self) -> Tensor:
        if self.given is not None:
            found = read_labelled(self.given[0], "surrogate_train")
            if found.checksum != self.given[1]:
                raise ValueError(f"the labels in {self.given[0]} changed since the study began.")
            return found.p[self.rows]
        if self.plan.targets in ("labels", "as soft as machine"):
            return self.labels
        p = self.machine()
        if self.plan.targets == "machine":
            return p
        means = torch.stack([p[self.labels == k].mean(0) for k in range(digits.CLASSES)])
        return means[self.labels]

    def terms(self) -> list[TrainingTerm]:
        found: list[TrainingTerm] = []
        if self.plan.damage is not None:
            soft = self.softness() if self.plan.damage != "hard" else None
            found.append(Corrupted(softness=soft if self.plan.damage == "proportional" else None))
            if self.plan.damage == "even" and soft is not None:
                found.append(LabelSmoothing(_mean_share(soft) * Corrupted().share))
        if self.plan.outliers:
            found.append(OutlierExposure(Negatives(self.images, self.labels)))
        if self.plan.targets == "as soft as machine":
            kept = float(self.machine().gather(1, self.labels[:, None]).mean())
            amount = (1 - kept) * digits.CLASSES / (digits.CLASSES - 1)
            found.append(LabelSmoothing(min(amount, _MOST)))
        return [*found, *self.plan.terms]

    def machine(self) -> Tensor:
        """Return machine labels of these images, made once for all arms."""
        readers, folds, epochs = (1, 2, 1) if self.context.quick else (2, 3, 5)

        def make() -> dict[str, Tensor]:
            p = machine_labels(
                self.images,
                self.labels,
                seed=self.seed,
                readers=readers,
                folds=folds,
                epochs=epochs,
            )
            return {"p": p}

        return self._once("machine labels", make)["p"]

    def softness(self) -> Softness:
        """Return the accuracy that networks have under damage, measured once for all arms."""

        def make() -> dict[str, Tensor]:
            found = train_softness(
                self.images, self.labels, seed=self.seed, jitter=ROTATION, **self.schedule
            )
            return {kind: torch.tensor(curve) for kind, curve in found.curves.items()}

        curves = self._once("softness", make)
        return Softness({kind: tuple(curve.tolist()) for kind, curve in curves.items()})

    def _once(self, what: str, make: Any) -> Mapping[str, Tensor]:
        plan = self.plan
        key = {"what": what, "seed": self.seed, "images": plan.images, "epochs": plan.epochs}
        path = self.context.cache / f"{digest(key | {'turned': plan.turned})}.safetensors"
        return kept(path, make)


def _averaged(model: nn.Module, plan: Plan) -> nn.Module:
    return model if plan.group is None else Invariant(model, group(plan.group))


def _mean_share(softness: Softness) -> float:
    severity = torch.linspace(0, 1, 201)
    shares = [softness.share(kind, severity).mean() for kind in softness.curves]
    return float(torch.stack(shares).mean())


def digest(of: Mapping[str, Any]) -> str:
    """Return the name under which something that depends on ``of`` is kept."""
    return blake2b(json.dumps(of, sort_keys=True).encode(), digest_size=10).hexdigest()
