"""Images and signals put where real ones lie, before their judges are asked what they are.

A digit four pixels beside its place is unusual, and still that digit: classifiers that never saw
one there see nothing they know. What lies beside its place is moved so that its centre of mass is
where that of real samples is, and asked about once more.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Place"]

_SOME = 1_000  # real samples that tell where they lie
_LARGE = 0.25  # of the length of an axis: what is farther from its place is left where it is


@dataclass(frozen=True)
class Place:
    """Where the content of real samples lies.

    Attributes:
        background: the median of each channel, ``(channels, 1, ...)``.
        centre: the median centre of mass of what differs from it, in places along each axis.
    """

    background: Tensor
    centre: Tensor

    @classmethod
    def of(cls, reference: Tensor) -> "Place":
        """Learn the place from real samples ``(m, channels, length)`` or ``(m, channels, h, w)``.

        Example:
            >>> images = torch.zeros(3, 1, 9, 9)
            >>> images[:, :, 4, 4] = 1
            >>> Place.of(images).put(images.roll(2, 3)).equal(images)
            True
        """
        some = reference[:_SOME]
        middle = some.transpose(0, 1).flatten(1).median(dim=1).values
        draft = cls(middle.reshape(-1, *(1 for _ in some.shape[2:])), torch.zeros(some.ndim - 2))
        return cls(draft.background, draft._centres(some).median(dim=0).values)

    def put(self, x: Tensor) -> Tensor:
        """Return samples ``(n, channels, ...)`` at the place, moved by whole places.

        What comes in over the edge continues it.
        """
        by = (self._centres(x) - self.centre).round().long()
        for axis, length in enumerate(x.shape[2:]):
            step = by[:, axis].where(by[:, axis].abs() <= _LARGE * length, 0)
            rows = (torch.arange(length) + step[:, None]).clamp(0, length - 1)
            own = [len(x), *(1 for _ in x.shape[1:])]
            own[axis + 2] = length
            x = x.gather(axis + 2, rows.reshape(own).expand(x.shape))
        return x

    def _centres(self, x: Tensor) -> Tensor:
        mass = (x - self.background).abs().sum(dim=1)
        total = mass.flatten(1).sum(dim=1).clamp_min(1e-12)
        found = []
        for axis in range(1, mass.ndim):
            others = [other for other in range(1, mass.ndim) if other != axis]
            along = mass.sum(dim=others) if others else mass
            found.append(along @ torch.arange(float(mass.shape[axis])) / total)
        return torch.stack(found, dim=1)
