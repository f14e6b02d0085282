"""Exemplars: real samples of each class, from which a search for that class may begin.

Real samples are where a search is safest, and where a surrogate was trained. What lies nearest to
a start among the real samples of the target is a first answer already (Wexler et al., "The What-If
Tool", IEEE TVCG 2020, show it as the nearest counterfactual), and a search may improve on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xhat.core import check_fraction, check_positive, check_tensor
from xhat.surrogates.transport import prices

__all__ = ["ReferenceSamples", "first_of_each"]

_PART = 500


@dataclass(frozen=True)
class ReferenceSamples:
    """Real samples with classes.

    Attributes:
        x: ``(m, *x_shape)``.
        labels: ``(m,)`` int64, from 0.
        price: ``(m,)``, what is added to the squared distance of each before the nearest is chosen;
            None for nothing.
        unit: in which distances are measured, of each feature; it broadcasts. None for 1.

    Raises:
        ValueError: not one label, or price, for each sample.

    Example:
        >>> known = ReferenceSamples(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 1, 1]))
        >>> known.nearest(torch.tensor([[0.2], [4.0]]), torch.tensor([1, 0]))
        tensor([[1.],
                [0.]])
    """

    x: Tensor
    labels: Tensor
    price: Tensor | None = None
    unit: Tensor | None = None

    def __post_init__(self) -> None:
        """Check that they fit together."""
        check_tensor("the exemplars", self.x)
        if self.labels.shape != self.x.shape[:1]:
            raise ValueError(
                f"exemplars need one label each, but {len(self.x)} samples came with labels of "
                f"shape {tuple(self.labels.shape)}."
            )
        if self.price is not None and self.price.shape != self.labels.shape:
            raise ValueError(
                f"exemplars need one price each, but {len(self.x)} samples came with prices of "
                f"shape {tuple(self.price.shape)}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def nearest(self, x: Tensor, target: Tensor) -> Tensor:
        """Return the exemplar of the target that is nearest to each start, ``(n, *x_shape)``.

        Where they have prices, it is the one of which squared distance and price are least.

        Args:
            x: ``(n, *x_shape)``, the starts.
            target: ``(n,)`` int64, their wanted classes.

        Raises:
            ValueError: starts of another shape, or a class without any exemplar.
        """
        if x.shape[1:] != self.x.shape[1:]:
            raise ValueError(
                f"the exemplars have shape {tuple(self.x.shape[1:])}, but the starts "
                f"{tuple(x.shape[1:])}."
            )
        found = torch.empty_like(x)
        for label in target.unique():
            known, rows = self.of(int(label)), (target == label).nonzero()[:, 0]
            for part in rows.split(_PART):
                cost = torch.cdist(self._units(x[part]), self._units(known)).square()
                if self.price is not None:
                    cost = cost + self.price[self.labels == label]
                found[part] = known[cost.argmin(dim=1)]
        return found

    def nearest_squared(self, x: Tensor) -> Tensor:
        """Return the squared distance of each ``(n, *x_shape)`` to the nearest of all, ``(n,)``."""
        known = self._units(self.x)
        parts = (torch.cdist(self._units(part), known).amin(dim=1) for part in x.split(_PART))
        return torch.cat(list(parts)).square()

    def priced(
        self, starts: "ReferenceSamples", share: float, blur: float = 6.0
    ) -> "ReferenceSamples":
        """Return the same with prices, so that fewer of them are chosen over and over.

        Args:
            starts: of which future starts are like; each class is priced for those of the others.
            share: of the prices at which all would be chosen about equally often; 0 is the
                nearest, 1 the most varied choice.
            blur: how undecided a choice may be, in squared distance.
        """
        check_positive("share", share, zero=True)
        price = torch.zeros(len(self))
        for label in self.labels.unique():
            others = self._units(starts.x[starts.labels != label])
            mine = self._units(self.of(int(label)))
            price[self.labels == label] = share * prices(others, mine, blur=blur)
        return replace(self, price=price)

    def _units(self, x: Tensor) -> Tensor:
        return (x if self.unit is None else x / self.unit).flatten(1)

    def of(self, label: int) -> Tensor:
        """Return the exemplars of one class.

        Raises:
            ValueError: there are none.
        """
        known = self.x[self.labels == label]
        if not len(known):
            raise ValueError(f"there is no exemplar of the class {label}; give some.")
        return known

    def screened(
        self, losses: Sequence[Callable[[Tensor, Tensor], Tensor]], keep: float
    ) -> "ReferenceSamples":
        """Return those that ``usual`` holds for; prices are left behind."""
        kept = self.usual(losses, keep)
        return ReferenceSamples(self.x[kept], self.labels[kept])

    def usual(self, losses: Sequence[Callable[[Tensor, Tensor], Tensor]], keep: float) -> Tensor:
        """Return which of them none of the losses finds unusual for their class, ``(m,)``.

        Args:
            losses: each ``(x, labels) -> (n,)``, high for what should be left out: the
                cross-entropy of a surrogate, the distance to other real samples.
            keep: the share of each class that each loss keeps, in (0, 1).
        """
        check_fraction("keep", keep)
        kept = torch.ones(len(self), dtype=torch.bool)
        for loss in losses:
            value = self.values(loss)
            kept &= value <= self.quantile(value, keep)[self.labels]
        return kept

    def values(self, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return ``loss(x, labels)`` of every exemplar, ``(m,)``, without gradients."""
        parts = zip(self.x.split(_PART), self.labels.split(_PART), strict=True)
        with torch.no_grad():
            return torch.cat([loss(x, labels) for x, labels in parts])

    def quantile(self, value: Tensor, share: float) -> Tensor:
        """Return the quantile of ``value``, ``(m,)``, within each class, ``(classes,)``.

        NaN for a class without exemplars.
        """
        classes = int(self.labels.max()) + 1
        parts = (value[self.labels == label] for label in range(classes))
        return torch.stack(
            [part.quantile(share) if len(part) else value.new_tensor(torch.nan) for part in parts]
        )

    def first(self, count: int) -> "ReferenceSamples":
        """Return the first ``count`` of every class, or all where there are fewer."""
        kept = first_of_each(self.labels, count)
        return ReferenceSamples(self.x[kept], self.labels[kept])

    def features(self, extract: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the features of as many of every class as all have, ``(classes, m, d)``.

        They are what ``xhat.objectives.NearReal`` takes.
        """
        count = int(self.labels.bincount().min())
        some = self.first(count)
        found = some.values(lambda x, _: extract(x).flatten(1))
        return found.reshape(-1, count, found.shape[1])


def first_of_each(labels: Tensor, count: int) -> Tensor:
    """Return the places of the first ``count`` of every class, class by class.

    Example:
        >>> first_of_each(torch.tensor([1, 0, 1, 1]), 2)
        tensor([1, 0, 2])
    """
    place = torch.empty(len(labels), dtype=torch.long)
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        place[rows] = torch.arange(len(rows))
    order = labels.argsort(stable=True)
    return order[place[order] < count]
