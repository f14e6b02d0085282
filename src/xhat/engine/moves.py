"""Moves on a lattice: one feature along its grid, one category to another, and two of them at once.

A move sets a few features of an input to new values. It is written as their places and values,
``(m, w)`` each, where place ``d``, one beyond the last feature, stands for nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.spaces import Lattice

__all__ = ["Moves", "combinations", "pairs", "singles"]

_ALL = 17  # values of a feature, up to which each is tried; of more, steps of 1, 2, 4, ...
_SAME = 1e-3  # of a step


@dataclass(frozen=True)
class Moves:
    """Moves from one input of ``d`` features.

    Attributes:
        places: ``(m, w)``, which features are set.
        values: ``(m, w)``, to what.
        unit: ``(m, u)``, which units of the lattice they change.
    """

    places: Tensor
    values: Tensor
    unit: Tensor

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Tensor) -> "Moves":
        return Moves(self.places[index], self.values[index], self.unit[index])

    def applied(self, x: Tensor) -> Tensor:
        """Return ``x``, ``(d,)``, after each of the moves, ``(m, d)``."""
        wide = torch.cat([x, x.new_zeros(1)]).expand(len(self), -1)
        return wide.scatter(1, self.places, self.values.to(x))[:, :-1]

    def predicted(self, x: Tensor, slope: Tensor) -> Tensor:
        """Return what each changes to first order, ``(k, m)``, for gradients ``(k, d)``."""
        wide = torch.cat([x.double(), torch.zeros(1)])
        slope = torch.cat([slope.double(), torch.zeros(len(slope), 1)], dim=1)
        return (slope[:, self.places] * (self.values - wide[self.places])).sum(dim=2)


def singles(x: Tensor, lattice: Lattice) -> Moves:
    """Return the moves of one feature along its grid, and of one category to another."""
    units, none = lattice.units, len(x)
    places, values = list[Tensor](), list[Tensor]()
    grid = (lattice.step > 0).nonzero()[:, 0]
    now, step = x[grid].double(), lattice.step[grid]
    low, high = lattice.low[grid], lattice.high[grid]
    few = lattice.numbers()[grid] <= _ALL
    for size in _sizes(lattice):
        for sign in (1, -1):
            to = now + sign * size * step
            within = (to >= low - _SAME * step) & (to <= high + _SAME * step)
            within &= few if size & (size - 1) else True
            places.append(torch.stack([grid[within], torch.full_like(grid[within], none)], dim=1))
            values.append(torch.stack([to[within], torch.zeros_like(to[within])], dim=1))
    if lattice.start is not None:  # back to where changes are counted from
        home = lattice.start[grid]
        away = (home - now).abs() > _SAME * step
        places.append(torch.stack([grid[away], torch.full_like(grid[away], none)], dim=1))
        values.append(torch.stack([home[away], torch.zeros_like(home[away])], dim=1))
    member = (lattice.group >= 0) & (x <= 0.5)
    others = member.nonzero()[:, 0]
    taken = torch.zeros(int(lattice.group.max()) + 1, dtype=torch.long)
    chosen = ((lattice.group >= 0) & (x > 0.5)).nonzero()[:, 0]
    taken[lattice.group[chosen]] = chosen
    places.append(torch.stack([taken[lattice.group[others]], others], dim=1))
    values.append(torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(len(others), 2))
    where = torch.cat(places)
    last = torch.where(where[:, 1] < none, where[:, 1], where[:, 0])
    return Moves(where, torch.cat(values), units[last][:, None])


def _sizes(lattice: Lattice) -> list[int]:
    """Return by how many steps features move."""
    grid = lattice.step > 0
    if not bool(grid.any()):
        return []
    numbers = lattice.numbers()[grid]
    small = numbers[numbers <= _ALL]
    sizes = set(range(1, int(small.max()))) if len(small) else set[int]()
    largest = float(numbers.clamp(max=2.0**20).max())
    return sorted(sizes | {2**k for k in range(20) if 2**k < largest})


def pairs(first: Moves, second: Moves) -> tuple[Moves, Tensor, Tensor]:
    """Return all two moves at once that change different units, and which two each is of."""
    one, two = (first.unit[:, :1] != second.unit[:, 0]).nonzero().T
    both = (
        torch.cat([getattr(first, part)[one], getattr(second, part)[two]], dim=1)
        for part in ("places", "values", "unit")
    )
    return Moves(*both), one, two


def combinations(x: Tensor, lattice: Lattice) -> Tensor:
    """Return every input on the lattice, ``(m, d)``, with the features of no grid as in ``x``."""
    found = x[None].double()
    for place in (lattice.step > 0).nonzero()[:, 0].tolist():
        count = int(lattice.numbers()[place])
        values = lattice.low[place] + lattice.step[place] * torch.arange(count)
        found = found.repeat_interleave(count, dim=0)
        found[:, place] = values.repeat(len(found) // count)
    for number in lattice.group[lattice.group >= 0].unique().tolist():
        members = (lattice.group == number).nonzero()[:, 0]
        count = len(members)
        found = found.repeat_interleave(count, dim=0)
        found[:, members] = torch.eye(count, dtype=found.dtype).repeat(len(found) // count, 1)
    return found.to(x)
