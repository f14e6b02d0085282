"""What is countable in a space: grids, categories, and how many features may change."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Lattice"]


@dataclass(frozen=True)
class Lattice:
    """Which of the ``d`` features of one candidate, flattened, lie on a grid or in a category.

    Attributes:
        step: ``(d,)``, the step of each feature's grid; 0 where it has none.
        low: ``(d,)``, the least that each feature may be; ``-inf`` for no bound.
        high: ``(d,)``, the most.
        group: ``(d,)`` whole numbers: features of one number, 0 or more, are a category, one of
            them 1 and the others 0; -1 where there is none.
        free: ``(d,)`` booleans, which features move continuously.
        start: ``(d,)``, what features are compared with where only some may differ from it.
        unit: ``(d,)`` whole numbers: features of one number count as one change.
        most: how many units may differ from the start; None for all.
    """

    step: Tensor
    low: Tensor
    high: Tensor
    group: Tensor
    free: Tensor
    start: Tensor | None = None
    unit: Tensor | None = None
    most: int | None = None

    @classmethod
    def continuous(cls, size: int, ends: tuple[Tensor, Tensor] | None) -> "Lattice":
        """Return that of ``size`` features without grid or category, between some ends or none."""
        if ends is None:
            low = torch.full((size,), -torch.inf, dtype=torch.float64)
            low, high = low, -low
        else:
            low, high = (_flat(end, size) for end in ends)
        none = torch.full((size,), -1)
        return cls(torch.zeros(size, dtype=torch.float64), low, high, none, low < high)

    @property
    def units(self) -> Tensor:
        """Which features change together, ``(d,)``: those of a category, others by themselves."""
        if self.unit is not None:
            return self.unit
        alone = torch.arange(len(self.group)) + int(self.group.max()) + 1
        return torch.where(self.group >= 0, self.group, alone).unique(return_inverse=True)[1]

    def frozen(self, where: Tensor) -> "Lattice":
        """Return the same with the features ``where``, ``(d,)`` booleans, held as they are."""
        return replace(
            self,
            step=torch.where(where, 0.0, self.step),
            group=torch.where(where, -1, self.group),
            free=self.free & ~where,
        )

    def numbers(self) -> Tensor:
        """Return how many values each feature on a grid has, ``(d,)``; 1 for the others."""
        grid = self.step > 0
        steps = (self.high - self.low) / torch.where(grid, self.step, 1.0)
        return torch.where(grid, (steps + 1e-6).floor() + 1, 1.0)

    def combinations(self) -> float:
        """Return how many inputs there are, but for what moves continuously."""
        _, sizes = self.group[self.group >= 0].unique(return_counts=True)
        return float(self.numbers().prod() * sizes.double().prod())


def _flat(end: Tensor, size: int) -> Tensor:
    wide = end.detach().double().cpu()
    return (wide.reshape(1) if wide.numel() == 1 else wide[0].flatten()).expand(size).clone()
