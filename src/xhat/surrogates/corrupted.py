"""Softness that grows with noise: a damaged image deserves a less certain answer.

How much less is measured, not chosen. A model that was trained with hard labels under the same
damage reads held-out images, and its accuracy ``a(s)`` at severity ``s`` is the probability that
the target keeps on its label: whoever is right in 60 of 100 such images should be 60 % sure.

Source: the idea of targets that follow the share of humans who agree: Peterson, Battleday,
Griffiths, Russakovsky, "Human Uncertainty Makes Classification More Robust", ICCV 2019; isotonic
regression as calibration: Zadrozny, Elkan, "Transforming Classifier Scores into Accurate Multiclass
Probability Estimates", KDD 2002.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from scipy.optimize import isotonic_regression
from torch import Tensor, nn

from xhat.core import check_choice, check_fraction, generator
from xhat.learning import CORRUPTIONS, DAMAGE, Augment, corrupt, predict
from xhat.surrogates.classifier import train_classifier
from xhat.surrogates.training_terms import Batch, Limits, TrainingTerm, limits_on, softened

__all__ = ["Corrupted", "Softness", "fit_softness", "train_softness"]

_LEVELS = 9  # severities at which accuracy is measured
_HELD_OUT = 10  # one in so many images only measures


@dataclass(frozen=True)
class Softness:
    """The probability that a target keeps on its label, by kind of damage and severity.

    Attributes:
        curves: for each kind the accuracy at evenly spaced severities from 0 to 1.
        classes: how many there are.

    Example:
        >>> softness = Softness({"noise": (1.0, 0.55, 0.1)}, 10)
        >>> softness.kept("noise", torch.tensor([0.0, 0.5, 0.75]))
        tensor([1.0000, 0.5500, 0.3250])
        >>> softness.share("noise", torch.tensor([0.0, 1.0]))  # at chance, nothing is left
        tensor([0., 1.])
    """

    curves: Mapping[str, tuple[float, ...]]
    classes: int = 10

    def kept(self, kind: str, severity: Tensor) -> Tensor:
        """Return the accuracy at ``severity``, ``(n,)`` in [0, 1], between measured ones linear."""
        curve = torch.tensor(self.curves[check_choice("kind", kind, self.curves)]).to(severity)
        place = severity * (len(curve) - 1)
        below = place.floor().clamp(max=len(curve) - 2).long()
        return torch.lerp(curve[below], curve[below + 1], place - below)

    def share(self, kind: str, severity: Tensor) -> Tensor:
        """Return which share of a target is spread evenly, so that its label keeps ``kept``."""
        k = self.classes
        return ((1 - self.kept(kind, severity)) * k / (k - 1)).clamp(0, 1)


@dataclass(frozen=True)
class Corrupted(TrainingTerm):
    """Damages a share of every batch, each image by its own kind and severity.

    Attributes:
        share: of the batch, in (0, 1).
        kinds: names in ``xhat.learning.CORRUPTIONS``.
        softness: how soft the targets of damaged images become; None keeps them as they are.
    """

    share: float = 0.5
    kinds: tuple[str, ...] = DAMAGE["image"]
    softness: Softness | None = None

    def __post_init__(self) -> None:
        check_fraction("share", self.share)
        known = CORRUPTIONS if self.softness is None else self.softness.curves
        for kind in self.kinds:
            check_choice("kind", kind, known)

    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return the batch with damaged images and the targets that these deserve."""
        del model, progress
        x, p = batch.x.clone(), batch.p.clone()
        count = round(self.share * len(x))  # the first rows: the order of a batch is random
        severity = torch.rand(count, generator=draws)
        for k, kind in enumerate(self.kinds):
            rows = torch.arange(count)[k :: len(self.kinds)]
            if not len(rows):
                continue
            x[rows] = corrupt(kind, x[rows], severity[rows], draws, batch.limits)
            if self.softness is not None:
                p[rows] = softened(p[rows], self.softness.share(kind, severity[rows]))
        return replace(batch, x=x, p=p)


def fit_softness(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    kinds: tuple[str, ...] = DAMAGE["image"],
    classes: int = 10,
    limits: Limits = (0.0, 1.0),
) -> Softness:
    """Measure how often a model is right under growing damage, on images it was not trained on.

    Args:
        model: samples → logits, in evaluation mode.
        images: ``(n, *x_shape)`` within the limits, held out.
        labels: ``(n,)`` int64.
        seed: of the damage.
        kinds: names in ``xhat.learning.CORRUPTIONS``.
        classes: how many there are.
        limits: of the features.

    Returns:
        Curves that never rise with severity, nor fall below chance.
    """
    labels, limits = labels.to(images.device), limits_on(limits, images.device)
    curves = {}
    for kind in kinds:
        draws, right = generator(seed, "softness", kind), []
        for severity in torch.linspace(0, 1, _LEVELS):
            seen = predict(model, corrupt(kind, images, severity.reshape(1), draws, limits)).argmax(
                1
            )
            right.append(float((seen == labels).double().mean()))
        falling = isotonic_regression(right, increasing=False).x
        curves[kind] = tuple(round(max(float(a), 1 / classes), 4) for a in falling)
    return Softness(curves, classes)


def train_softness(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    jitter: Augment | None,
    kinds: tuple[str, ...] = DAMAGE["image"],
    classes: int = 10,
    limits: Limits = (0.0, 1.0),
    train: Callable[..., nn.Module] = train_classifier,
    **schedule: Any,
) -> Softness:
    """Train with hard labels under damage on nine images of ten, and measure on the tenth.

    Args:
        images: ``(n, *x_shape)`` within the limits, upright.
        labels: ``(n,)`` int64.
        seed: of the training and the damage.
        jitter: how samples are changed, in training and in measuring; None for not at all.
        kinds: names in ``xhat.learning.CORRUPTIONS``.
        classes: how many there are.
        limits: of the features.
        train: ``train_classifier`` or the like.
        **schedule: of the training.
    """
    out = torch.arange(len(labels)) % _HELD_OUT == 0
    model = train(
        images[~out],
        labels[~out],
        seed=seed,
        jitter=jitter,
        classes=classes,
        limits=limits,
        terms=(Corrupted(kinds=kinds),),
        **schedule,
    )
    shown = images[out] if jitter is None else jitter(images[out], generator(seed, "held out"))
    about = {"kinds": kinds, "classes": classes, "limits": limits}
    return fit_softness(model, shown, labels[out], seed=seed, **about)
