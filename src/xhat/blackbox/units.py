"""What may change of an input, and into what: the units of a search that counts changes.

In a table a unit is a column, or the columns of one category, which change together; its values are
those that the domain's own rows have. Elsewhere (images, fields, signals) every input is one whole,
and what counts is how far it moves.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.domain import Domain
from xhat.judges.combinations import Combinations

__all__ = ["Units", "units_of"]

_VALUES = 16  # of a unit that are proposed
_CLIPPED = 1e-6  # of a column's range, by which a limit may be rounded


@dataclass(frozen=True)
class Units:
    """What may change in rows ``(n, d)``, and into what.

    Attributes:
        columns: ``(units, d)`` booleans, which columns each unit has; those that must not change
            belong to none.
        whole: ``(d,)`` booleans, columns of whole numbers.
        groups: ``(groups, d)`` booleans, columns of which exactly one is 1.
        at: ``(moves,)``, the unit that each move changes.
        to: ``(moves, d)``, into what; only the columns of its unit count.
        scale: ``(d,)``, how far rows of the domain lie apart in each column.
    """

    columns: Tensor
    whole: Tensor
    groups: Tensor
    at: Tensor
    to: Tensor
    scale: Tensor

    def changed(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return which units differ between rows ``(n, d)`` and starts, ``(n, units)``."""
        return ((x != x0).float() @ self.columns.float().T) > 0

    def count(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return how many units differ, ``(n,)``."""
        return self.changed(x, x0).sum(dim=1)

    def moved(self, x: Tensor, moves: Tensor) -> Tensor:
        """Return rows ``(n, d)`` each changed by one move, ``(n,)``."""
        return torch.where(self.columns[self.at[moves]], self.to[moves], x)

    def put_back(self, x: Tensor, x0: Tensor, unit: Tensor) -> Tensor:
        """Return rows with one unit, ``(n,)``, as it was in the start."""
        return torch.where(self.columns[unit], x0, x)

    def snapped(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return rows that are possible: whole numbers, one of each category, the rest as it was.

        A column that did not change keeps what the start has, whatever that is.
        """
        near = torch.where(self.whole, x.round(), x)
        for group in self.groups:
            part = torch.zeros_like(near[:, group])
            part.scatter_(1, x[:, group].argmax(dim=1, keepdim=True), 1.0)
            near[:, group] = part
        same = (near - x0).abs() <= _CLIPPED * self.scale
        near = torch.where(same & ~self.groups.any(dim=0), x0, near)
        return torch.where(self.columns.any(dim=0), near, x0)

    def distance(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return how far rows are from their starts, in deviations of each column: ``(n,)``."""
        return ((x - x0) / self.scale).abs().sum(dim=1)


def units_of(domain: Domain) -> Units:
    """Return what may change in rows of a domain, and into what.

    What the columns are is asked of the domain's schema; what it does not say, such as categories
    that came as columns of 0 and 1, is seen from the samples (``Combinations``).

    Args:
        domain: of a table.
    """
    x = domain.x[domain.halves[0]]
    d = x.shape[1]
    whole, places = _kinds(domain, x)
    low, high = (end.reshape(-1).expand(d) for end in (domain.low, domain.high))
    free = domain.free.reshape(-1)
    groups = [torch.zeros(d, dtype=torch.bool).index_fill(0, place, True) for place in places]
    free_groups = [group for group in groups if bool(free[group].all())]
    held = torch.stack(groups).any(dim=0) if groups else torch.zeros(d, dtype=torch.bool)
    alone = [torch.arange(d) == k for k in range(d) if bool(free[k]) and not bool(held[k])]
    columns = [*alone, *free_groups]
    at, to = [], []
    for number, unit in enumerate(columns):
        values = _values_of(x[:, unit].clamp(low[unit], high[unit]))
        full = torch.zeros(len(values), d)
        full[:, unit] = values
        at += [number] * len(values)
        to.append(full)
    empty = torch.zeros(0, d)
    return Units(
        columns=torch.stack(columns) if columns else empty.bool(),
        whole=whole & free,
        groups=torch.stack(free_groups) if free_groups else empty.bool(),
        at=torch.tensor(at, dtype=torch.long),
        to=torch.cat(to) if to else empty,
        scale=_spread(x),
    )


def _kinds(domain: Domain, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return which columns are whole numbers, ``(d,)``, and the columns of each category."""
    seen, whole = Combinations(x), torch.zeros(x.shape[1], dtype=torch.bool)
    if domain.schema is None:
        for column in seen.columns:
            whole[column.place] = bool((column.known == column.known.round()).all())
        return whole, [torch.tensor(group) for group in seen.groups]
    every = torch.arange(x.shape[1])
    told = [every[group] for group in domain.schema.groups()]
    known = set(torch.cat(told).tolist()) if told else set()
    # people code categories themselves, too, one column of yes or no for each
    own = [torch.tensor(group) for group in seen.groups if known.isdisjoint(group)]
    return domain.schema.whole, [*told, *own]


def _values_of(x: Tensor) -> Tensor:
    """Return values of a unit that rows have: all, or some that are spread evenly over the rows."""
    known = x.unique(dim=0)
    if len(known) <= _VALUES or x.shape[1] > 1:
        return known
    ordered = x[:, 0].sort().values
    places = torch.linspace(0, len(ordered) - 1, _VALUES).round().long()
    return ordered[places].unique()[:, None]


def _spread(x: Tensor) -> Tensor:
    spread = x.std(dim=0)
    return torch.where(spread > 0, spread, 1.0)
