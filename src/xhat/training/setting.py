"""How a domain is split and measured for a training.

Of the half for searches three quarters are trained on, class by class, and the rest is held out:
searches start there. The judge's half is not trained on either, so that the surrogate is measured
on it as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import generator
from xhat.domain import Domain
from xhat.learning import Shift, Surrogate
from xhat.surrogates import apart
from xhat.surrogates.adversarial import Norm
from xhat.surrogates.recipes import RADIUS
from xhat.surrogates.training_terms import Limits

__all__ = ["Parts", "frame", "jitter_for", "radii_of", "schedule_for", "unit_limits"]

_HELD_OUT = 0.25  # of the half for searches
_FEWEST = 4  # samples of a class in that half
_BATCH, _SMALLEST = 128, 16
_LARGE = 16  # pixels along a side from which a shift by one pixel changes nothing that matters


@dataclass(frozen=True)
class Parts:
    """Which samples of a domain are for what, as places among them.

    Attributes:
        trained: those that are trained on.
        held: those of the half for searches that are not; searches start there.
        judged: the judge's own.
        labels: ``(m,)``, of all samples.
    """

    trained: Tensor
    held: Tensor
    judged: Tensor
    labels: Tensor

    @property
    def unseen(self) -> Tensor:
        """The places of all samples that the surrogate is not trained on."""
        return torch.cat((self.held, self.judged))

    @classmethod
    def of(cls, domain: Domain) -> "Parts":
        """Split the samples of a domain with classes, always in the same way.

        Raises:
            ValueError: it has no classes, or too few samples of one.
        """
        if domain.labels is None:
            more = (
                "; for quantities see xhat.surrogates.train_regression"
                if domain.values is not None
                else ""
            )
            raise ValueError(
                f"a training needs to know the class of each sample, but {domain.name} has no "
                f"labels; give labels= when the domain is made (--labels){more}."
            )
        labels, (mine, judged) = domain.labels, domain.halves
        draws = generator(domain.seed, "training", "split")
        held, trained = [], []
        for k, name in enumerate(domain.classes):
            rows = mine[labels[mine] == k]
            _check_enough(name, len(rows), int((labels == k).sum()))
            rows = rows[torch.randperm(len(rows), generator=draws)]
            out, kept = rows.tensor_split([max(1, round(_HELD_OUT * len(rows)))])
            held.append(out)
            trained.append(kept)
        return cls(torch.cat(trained).sort().values, torch.cat(held).sort().values, judged, labels)


def frame(domain: Domain, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what samples are shifted and divided by before the network sees them.

    A table by the mean and the scale of each column, everything else by the range of all values.
    """
    if domain.kind == "table":
        return x.mean(dim=0, keepdim=True), domain.scale
    low, high = torch.aminmax(x)
    return low.reshape(1), (high - low if high > low else torch.ones(())).reshape(1)


def unit_limits(model: Surrogate, domain: Domain) -> Limits:
    """Return the limits of the domain as the network sees them, widened to where samples are."""
    x = model.units(domain.x)
    low, high = model.units(domain.low), model.units(domain.high)
    if low.numel() == 1 and high.numel() == 1 and domain.kind != "table":
        ends = [*(float(end) for end in torch.aminmax(x))]
        pairs = ((min, low, ends[0]), (max, high, ends[1]))
        first, last = (
            pick(float(end), own) if bool(end.isfinite()) else own for pick, end, own in pairs
        )
        return first, last
    least, most = x.amin(dim=0), x.amax(dim=0)
    low, high = (end.expand(1, *x.shape[1:])[0] for end in (low, high))
    return (
        torch.where(low.isfinite(), torch.minimum(low, least), least),
        torch.where(high.isfinite(), torch.maximum(high, most), most),
    )


def radii_of(x: Tensor, labels: Tensor, seed: int) -> dict[Norm, float]:
    """Return the radii of adversaries, by norm: a share of the way to another class."""
    norms: tuple[Norm, ...] = ("l2", "linf")
    return {norm: RADIUS * apart(x, labels, seed, norm) for norm in norms}


def schedule_for(base: Mapping[str, Any], n: int, epochs: int | None) -> dict[str, Any]:
    """Return the schedule of a base for ``n`` samples: about as many steps, however many there are.

    Example:
        >>> schedule_for({"steps": 900, "learning_rate": 1e-3}, 12_800, None)
        {'learning_rate': 0.001, 'batch_size': 128, 'epochs': 9}
    """
    told = dict(base)
    batch = min(_BATCH, max(_SMALLEST, n // 4))
    usual = max(2, round(told.pop("steps") / -(-n // batch)))
    return told | {"batch_size": batch, "epochs": usual if epochs is None else epochs}


def jitter_for(domain: Domain) -> Shift | None:
    """Return how samples are changed afresh in every epoch: larger images move by a pixel."""
    large = domain.kind == "image" and min(domain.shape[1:]) >= _LARGE
    return Shift(1) if large else None


def _check_enough(name: str, mine: int, n: int) -> None:
    if n == 0:
        raise ValueError(
            f"there are no samples of the class {name}; number the classes from 0 without gaps, or "
            f"name them by words."
        )
    if mine < _FEWEST:
        raise ValueError(
            f"the class {name} has {n} samples, of which {mine} are for training and the others "
            f"for the judge, but a training needs {_FEWEST} or more of each class; add samples, or "
            f"leave the class out."
        )
