"""Samples with their classes and features: what sets are drawn from."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.metrics.spread import travel

__all__ = ["Samples", "as_samples", "check_fit", "matched_real", "others", "resample"]


@dataclass(frozen=True)
class Samples:
    """Samples with all that is measured of them; ``moved`` and ``nearest`` once there is a rest."""

    x: Tensor
    labels: Tensor
    features: Tensor
    starts: Tensor | None = None
    moved: Tensor | None = None
    nearest: Tensor | None = None
    ratio: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def at(self, index: Tensor) -> "Samples":
        """Return those at ``index``."""
        columns = {name: value[index] for name, value in vars(self).items() if value is not None}
        return Samples(**columns)

    def of(self, label: int | None) -> "Samples":
        """Return those of one class; all of them for None."""
        return self if label is None else self.at((self.labels == label).nonzero()[:, 0])

    def travelled(self, real: "Samples") -> "Samples":
        """Return the same with the distances moved, if there are starts."""
        if self.starts is None:
            return self
        columns = torch.zeros(3, len(self), dtype=torch.float64)
        for label in self.labels.unique():
            mine = self.labels == label
            gone = travel(self.x[mine], self.starts[mine], real.x[real.labels == label])
            columns[:, mine] = torch.stack((gone.moved, gone.nearest, gone.ratio))
        return replace(self, moved=columns[0], nearest=columns[1], ratio=columns[2])


def matched_real(wanted: Tensor, labels: Tensor, source: torch.Generator) -> Tensor | None:
    """Return places of real samples whose classes are ``wanted``, all different, some left over."""
    places = torch.empty_like(wanted)
    for label in wanted.unique():
        mine, theirs = wanted == label, (labels == label).nonzero()[:, 0]
        if len(theirs) <= int(mine.sum()):
            return None
        order = torch.randperm(len(theirs), generator=source)[: int(mine.sum())]
        places[mine] = theirs[order]
    return places


def others(index: Tensor, n: int) -> Tensor:
    """Return the places of ``n`` that are not in ``index``."""
    left = torch.ones(n, dtype=torch.bool)
    left[index] = False
    return left.nonzero()[:, 0]


def resample(labels: Tensor, source: torch.Generator) -> Tensor:
    """Return places drawn with replacement, as many of each class as there are."""
    index = torch.empty_like(labels)
    for label in labels.unique():
        mine = (labels == label).nonzero()[:, 0]
        index[mine] = mine[torch.randint(len(mine), (len(mine),), generator=source)]
    return index


def as_samples(
    name: str,
    x: Tensor,
    labels: Tensor | int,
    features: Callable[[Tensor], Tensor],
    starts: Tensor | None,
) -> Samples:
    """Check samples and their classes, and take their features."""
    x = check_tensor(name, x).detach()
    labels = _classes(name, labels, len(x))
    if starts is not None:
        starts = check_tensor("starts", starts).detach()
        if starts.shape != x.shape:
            raise ValueError(
                f"there must be one start for each result, of shape {tuple(x.shape)}, but starts "
                f"have {tuple(starts.shape)}; pass them in the order of the results."
            )
        starts = starts.cpu()
    return Samples(x.cpu(), labels, features(x), starts)


def _classes(name: str, labels: Tensor | int, n: int) -> Tensor:
    labels = check_tensor(f"the classes of {name}", labels, floating=False).cpu()
    if labels.is_floating_point() or labels.dtype == torch.bool:
        kind = str(labels.dtype).removeprefix("torch.")
        raise TypeError(f"the classes of {name} must be integers, but are {kind}.")
    labels = labels.expand(n) if labels.ndim == 0 else labels
    if labels.shape != (n,):
        raise ValueError(
            f"the classes of {name} must be one for each of {n} samples, but have shape "
            f"{tuple(labels.shape)}."
        )
    return labels.long().clone()


def check_fit(found: Samples, real: Samples) -> None:
    """Raise ``ValueError`` unless the shapes agree and every target has real samples."""
    if found.x.shape[1:] != real.x.shape[1:]:
        raise ValueError(
            f"results and reference must have one shape, but have {tuple(found.x.shape[1:])} and "
            f"{tuple(real.x.shape[1:])}."
        )
    lacking = sorted(set(found.labels.tolist()) - set(real.labels.tolist()))
    if lacking:
        raise ValueError(
            f"the reference has no samples of the targets {lacking}; add some, or leave those "
            f"results out."
        )
