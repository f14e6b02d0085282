"""Guards: classifiers of a domain, trained against an adversary, for each kind of data.

The gradient of such a classifier looks like the classes (Tsipras et al., "Robustness May Be at Odds
with Accuracy", ICLR 2019), where it has learnt them at all: an adversary that may change what tells
classes apart leaves it guessing.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xhat.learning import EpochRecord, build, predict
from xhat.surrogates import Adversarial, apart, train_classifier
from xhat.surrogates.recipes import RADIUS

__all__ = ["guard", "guard_of_images", "layers"]

Told = Callable[[EpochRecord], None]

_BATCH, _SMALLEST = 128, 16  # samples of a batch
_STEPS = 600
_TRIED = (("SmallCNN", 1.0, 2e-3), ("ResidualNet", 1 / 3, 5e-3))
# networks, radius over the usual one, rate of learning; later ones learn what the first cannot
_NARROW = 8  # features of the residual one
_LEARNT = 0.25  # of the way from guessing to knowing all


def guard_of_images(unit: Tensor, labels: Tensor, classes: int, **schedule: Any) -> nn.Module:
    """Return a classifier of images, trained against an adversary.

    Where the first network is left guessing, as by shapes of any place and colour, another is
    trained against a weaker adversary.

    Args:
        unit: ``(m, channels, side, side)``, from 0 to 1.
        labels: ``(m,)``.
        classes: how many there are.
        schedule: of the training, see ``train_classifier``.
    """
    far = apart(unit, labels, schedule["seed"])
    guessed = float(torch.bincount(labels).max()) / len(labels)
    net: Any = None
    for architecture, radius, rate in _TRIED:
        net = train_classifier(
            unit,
            labels,
            terms=[Adversarial(eps=radius * RADIUS * far, norm="l2", steps=4, ramp=0.4)],
            architecture=architecture,
            arguments=layers(architecture, unit.shape[1], unit.shape[-1], classes),
            classes=classes,
            learning_rate=rate,
            average=0.998,
            **schedule,
        )
        right = float((predict(net, unit).argmax(dim=1) == labels).float().mean())
        if right >= guessed + _LEARNT * (1 - guessed):
            break
    return net


def layers(architecture: str, channels: int, side: int, classes: int) -> dict[str, Any]:
    """Return what the network of a guard of images is made with."""
    own = {"width": _NARROW} if architecture == "ResidualNet" else {"size": side}
    return {"classes": classes, "channels": channels} | own


def guard(x: Tensor, labels: Tensor, seed: int, on_epoch: Told) -> nn.Module:
    """Return a classifier of signals or rows, trained against an adversary.

    Args:
        x: ``(m, *x_shape)``, in the domain's own units.
        labels: ``(m,)``.
        seed: of the training.
        on_epoch: called with a record after each epoch.
    """
    classes = int(labels.max()) + 1
    net: Any = build("Surrogate", seed=seed, shape=list(x.shape[1:]), classes=classes)
    table = x.ndim == 2
    offset = x.mean(dim=0, keepdim=True) if table else x.mean().reshape(1)
    unit = x.std(dim=0, keepdim=True) if table else x.std().reshape(1)
    net.adjusted(offset, torch.where(unit > 0, unit, torch.ones_like(unit)))
    units = net.units(x)
    batch = min(_BATCH, max(_SMALLEST, len(x) // 4), len(x))
    against = Adversarial(eps=RADIUS * apart(units, labels, seed), norm="l2", steps=4, ramp=0.4)
    train_classifier(
        units,
        labels,
        model=net.net,
        classes=classes,
        seed=seed,
        terms=[against],
        limits=_columns(units) if table else _ends(units),
        jitter=None,
        on_epoch=on_epoch,
        epochs=max(2, round(_STEPS * batch / len(x))),
        batch_size=batch,
        learning_rate=2e-3,
        weight_decay=0.05,
        average=0.99,
    )
    return net


def _columns(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends of every column, apart also where it never varies, as a rare word may not."""
    low, high = x.amin(dim=0), x.amax(dim=0)
    return low, torch.where(high > low, high, low + 1)


def _ends(x: Tensor) -> tuple[float, float]:
    low, high = torch.aminmax(x)
    return float(low), float(high)
