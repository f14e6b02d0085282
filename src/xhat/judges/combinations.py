"""Tables: values and combinations of values that real rows do not have.

A column may hold whole numbers or a few values only, several columns may be one category of which
exactly one is 1, and two values may never come together, though each is common. Distances see
little of all that.
"""

from dataclasses import dataclass
from itertools import combinations, pairwise

import torch
from torch import Tensor

from xhat.judges.axes import ManifoldAxis

__all__ = ["Combinations"]

_FEW = 20  # different values of a column that holds categories
_OFTEN = 0.01  # of the rows, that have each value of such a column, if it is no whole number
_PAIRS = 300  # of columns that are looked at together
_OFF = 20.0  # what a value halfway between two known ones counts, in units of -log of a share


@dataclass(frozen=True)
class _Column:
    place: int
    known: Tensor  # ascending
    gap: float  # between its values, the least

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the index of the nearest known value, and how far off it is, in gaps."""
        apart = (x[:, self.place, None] - self.known).abs().min(dim=1)
        return apart.indices, apart.values / self.gap


class Combinations(ManifoldAxis):
    """How rare a row's combinations of values are, and how far from values that are possible.

    Args:
        reference: real rows ``(m, columns)``.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0, 0.3], [0.0, 1.0, 0.7]]).repeat(20, 1)
        >>> rows[:, 2] += torch.arange(40) / 100
        >>> axis = Combinations(rows)
        >>> possible, both = axis.scores(torch.tensor([[1.0, 0.0, 0.5], [1.0, 1.0, 0.5]]))[:, 0]
        >>> bool(both > possible + 10)
        True
    """

    def __init__(self, reference: Tensor) -> None:
        self.names, self.two_sided = ("combinations",), (False,)
        self.columns = [found for k in range(reference.shape[1]) if (found := _seen(reference, k))]
        few = [column for column in self.columns if len(column.known) <= _FEW]
        binary = [c.place for c in few if c.known.tolist() == [0, 1]]
        self.groups = _groups(reference, binary)
        self.few, self.total = few, len(reference)
        self.pairs = list(combinations(range(len(few)), 2))[:_PAIRS]
        index = [column.nearest(reference)[0] for column in few]
        self.counts = [self._joint(index, pair).bincount(minlength=_FEW**2) for pair in self.pairs]

    def scores(self, x: Tensor) -> Tensor:
        """Return what the rarest pair and the least possible value count, ``(n, 1)``."""
        off = torch.zeros(len(x))
        for column in self.columns:
            off = torch.maximum(off, column.nearest(x)[1])
        for group in self.groups:
            off = torch.maximum(off, (x[:, group].sum(dim=1) - 1).abs())
        index = [column.nearest(x)[0] for column in self.few]
        rare = torch.zeros(len(x))
        for pair, counts in zip(self.pairs, self.counts, strict=True):
            share = (counts[self._joint(index, pair)] + 0.5) / self.total
            rare = torch.maximum(rare, -share.log())
        return (rare + 2 * _OFF * off)[:, None]

    @staticmethod
    def _joint(index: list[Tensor], pair: tuple[int, int]) -> Tensor:
        return index[pair[0]] * _FEW + index[pair[1]]


def _seen(reference: Tensor, place: int) -> _Column | None:
    """Return what a column holds, if that is whole numbers or a few values."""
    known, counts = reference[:, place].unique(return_counts=True)
    whole = bool((known == known.round()).all())
    few = len(known) <= _FEW and int(counts.min()) >= max(3, _OFTEN * len(reference))
    if len(known) < 2 or not (whole or few):
        return None
    if whole:  # numbers between those seen are possible
        low, high = int(known[0]), int(known[-1])
        if high - low > 100_000:
            return None
        return _Column(
            place, torch.arange(low, high + 1).float() if high - low > _FEW else known, 1
        )
    return _Column(place, known, min(float(b - a) for a, b in pairwise(known.tolist())))


def _groups(reference: Tensor, binary: list[int]) -> list[list[int]]:
    """Return runs of columns of which in every row exactly one is 1."""
    found, at = [], 0
    while at < len(binary):
        total = torch.zeros(len(reference))
        for end in range(at, len(binary)):
            total = total + reference[:, binary[end]]
            if bool((total > 1).any()):
                break
            if end > at and bool((total == 1).all()):
                found.append(binary[at : end + 1])
                at = end
                break
        at += 1
    return found
