"""Models that attacks are made on: small nets trained to stand in for a user's, and the user's own.

An opponent is asked only about samples that it was not trained on. Where there are few, two nets
are trained, each on one half, and each is attacked at the other half.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xhat.attacks import minimum_norm, pgd
from xhat.core import evaluation_mode, generator, modules_of, per_row
from xhat.learning import Shift, build
from xhat.surrogates import apart, train_classifier
from xhat.surrogates.recipes import PARTS, RADIUS
from xhat.surrogates.training_terms import Limits

__all__ = ["Attacks", "Opponent", "stand_in", "users"]

Model = Callable[[Tensor], Tensor]
_BATCH, _SMALLEST, _EPOCHS = 128, 16, 60
_LARGE = 16  # pixels along a side from which a shift by one pixel changes nothing that matters
_FARTHEST = 0.5  # of the way to another class, beyond which a sample may have become one
_STEPS = 40
_LOOKED_AT = 4_000  # real samples


@dataclass(frozen=True)
class Opponent:
    """A model, and the samples that it is asked about.

    Attributes:
        model: ``(n, *x_shape)`` to logits ``(n, classes)``.
        rows: places of samples that it was not trained on, as far as one knows.
        name: what people call it.
    """

    model: Model
    rows: Tensor
    name: str

    def read(self, x: Tensor) -> Tensor:
        """Return the classes that it gives to samples, ``(n,)``."""
        if not len(x):  # which not every model takes
            return torch.empty(0, dtype=torch.long)
        with evaluation_mode(*modules_of(self.model), warn=False), torch.no_grad():
            return torch.cat([self.model(part).argmax(dim=1).cpu() for part in x.split(512)])


@dataclass(frozen=True)
class Attacks:
    """Attacks within a share of the way to another class, in the units of a domain.

    Attributes:
        unit: what features are divided by, so that they have about one range; it broadcasts.
        limits: ``(low, high)`` of the features, in their own units.
        reach: the median distance of a sample to the nearest of another class, by norm.
        known: ``(m, *x_shape)`` real samples that are not attacked, and their classes ``(m,)``.
    """

    unit: Tensor
    limits: Limits
    reach: dict[str, float]
    known: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, x: Tensor, labels: Tensor, unit: Tensor, limits: Limits, seed: int) -> "Attacks":
        """Measure how far classes lie apart.

        Args:
            x: ``(m, *x_shape)`` real samples that are not attacked.
            labels: ``(m,)``, at least two classes.
            unit: of the features.
            limits: of the features.
            seed: of which samples are looked at.
        """
        rows = torch.randperm(len(x), generator=generator(seed, "attacks"))[:_LOOKED_AT]
        x, labels = x[rows], labels[rows]
        reach = {norm: apart(x / unit, labels, seed, norm) for norm in ("l2", "linf")}
        return cls(unit, limits, reach, (x, labels))

    def still(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return where the nearest real sample is of the same class, ``(n,)``.

        What was moved to where another class lies is not misread.
        """
        known, classes = self.known
        near = torch.cdist((x / self.unit).flatten(1), (known / self.unit).flatten(1)).argmin(dim=1)
        return classes[near] == labels

    def pgd(self, norm: Literal["l2", "linf"], model: Model, x: Tensor, labels: Tensor) -> Tensor:
        """Return what projected gradient descent in a ball makes of samples."""
        radius = max(RADIUS * self.reach[norm], 1e-6)
        found = pgd(
            self._scaled(model),
            x / self.unit,
            label=labels,
            radius=radius,
            norm=norm,
            steps=_STEPS,
            bounds=self._bounds(x),
        )
        return found.finished().x * self.unit

    def nearest(self, model: Model, x: Tensor, labels: Tensor) -> Tensor:
        """Return the nearest inputs that the model misreads; where they lie far, the samples."""
        start = x / self.unit
        reach = max(self.reach["l2"], 1e-6)
        found = minimum_norm(
            self._scaled(model),
            start,
            label=labels,
            radius=reach * RADIUS,
            bounds=self._bounds(x),
        ).finished()
        found = found.x.where(per_row(found.reached, found.x), start)
        far = (found - start).flatten(1).norm(dim=1) > _FARTHEST * reach
        found[far] = start[far]
        return found * self.unit

    def _scaled(self, model: Model) -> Model:
        return lambda u: model(u * self.unit)

    def _bounds(self, x: Tensor) -> tuple[Any, Any]:
        """Return the limits, widened to where the samples are, in units."""
        low, high = self.limits
        least, most = x.amin(dim=0, keepdim=True), x.amax(dim=0, keepdim=True)
        low, high = torch.as_tensor(low), torch.as_tensor(high)
        return (torch.minimum(low, least) / self.unit)[0], (torch.maximum(high, most) / self.unit)[
            0
        ]


def stand_in(
    x: Tensor,
    labels: Tensor,
    classes: int,
    seed: int,
    told: Callable[[int, int], None],
) -> nn.Module:
    """Return a small classifier of samples in their own units, trained the textbook way.

    Args:
        x: ``(m, *x_shape)``.
        labels: ``(m,)``.
        classes: how many there are; some may not be among the labels.
        seed: of the training.
        told: called with how many epochs of how many are done.
    """
    dims = (0,) if x.ndim == 2 else tuple(range(x.ndim))
    offset, unit = x.mean(dim=dims, keepdim=True), x.std(dim=dims, keepdim=True)
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))
    net: Any = build("Surrogate", seed=seed, shape=list(x.shape[1:]), classes=classes)
    net.adjusted(*((offset, unit) if x.ndim == 2 else (offset.reshape(1), unit.reshape(1))))
    base = dict(PARTS["quick"].base or {})
    batch = min(_BATCH, max(_SMALLEST, len(x) // 4), len(x))
    epochs = min(_EPOCHS, max(2, round(base.pop("steps") / -(-len(x) // batch))))
    large = x.ndim == 4 and min(x.shape[2:]) >= _LARGE
    train_classifier(
        net.units(x),
        labels,
        model=net.net,
        classes=classes,
        seed=seed,
        jitter=Shift(1) if large else None,
        on_epoch=lambda record: told(record.epoch, record.epochs),
        epochs=epochs,
        batch_size=batch,
        **base,
    )
    return net.eval().requires_grad_(False)


def users(model: Model, x: Tensor, classes: int) -> Model:
    """Return a user's model, if it is a classifier of these samples.

    Raises:
        TypeError, ValueError: it is not; the message says what it gave.
    """
    if not callable(model):
        raise TypeError(f"the model must be a function or module, not {type(model).__name__}.")
    with evaluation_mode(*modules_of(model)), torch.no_grad():
        y = model(x[:2])
    if not isinstance(y, Tensor) or tuple(y.shape) != (len(x[:2]), classes):
        came = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(
            f"the model must give logits (n, {classes}), one for each class of the domain, but for "
            f"2 inputs it gave {came}."
        )
    return model
