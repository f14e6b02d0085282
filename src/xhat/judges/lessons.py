"""What a jury learns from: known samples, and others of no class that are made of them.

Source: features drawn independently of each other as what is not the data: Breiman, "Random
Forests", 2001 (its unsupervised mode); mixtures: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond
Empirical Risk Minimization", ICLR 2018.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Lesson"]


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
