"""Proposals in tables: inputs with few changes of which the surrogate thinks that they will do."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.blackbox.units import Units

__all__ = ["Pool", "few_changes", "nested"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""``(x (p, d), rows (p,)) -> (p,)``: what the surrogate says, without a graph."""

_LOOKED_AT = 256  # moves that are tried of each, the best by the gradient
_NEXT_TO = 3  # values of one unit that are kept
_KEPT = (12, 8, 6, 4)  # proposals of one change, of two, and so on
_MOST = 6  # changes of a proposal that keeps part of another


@dataclass(frozen=True)
class Pool:
    """Inputs that the model may be asked.

    Attributes:
        x: ``(p, d)``.
        rows: ``(p,)``, the candidates that they are for.
    """

    x: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: "Pool") -> "Pool":
        return Pool(torch.cat([self.x, other.x]), torch.cat([self.rows, other.rows]))

    def only(self, which: Tensor) -> "Pool":
        """Return those that are meant by a mask or by places."""
        return Pool(self.x[which], self.rows[which])


def few_changes(
    units: Units, base: Tensor, rows: Tensor, loss: Loss, slope: Tensor, depth: int
) -> Pool:
    """Return the best inputs that differ from a base in one unit, in two, up to ``depth``.

    A beam search on the surrogate: the best single changes are combined with the best so far.

    Args:
        units: what may change, and into what.
        base: ``(a, d)``, from where.
        rows: ``(a,)``, whose these are.
        loss: of the surrogate.
        slope: ``(a, d)``, its gradient at the base, by which moves are chosen where there are many.
        depth: changes, 1 to 4.
    """
    moves = _singles(units, base, rows, loss, slope)
    found, width = [], moves.shape[1]
    beam = base[:, None, :]
    for kept in _KEPT[:depth]:
        a, b, d = len(base), beam.shape[1], base.shape[1]
        at = beam[:, :, None, :].expand(a, b, width, d).reshape(-1, d)
        move = moves[:, None, :].expand(a, b, width).reshape(-1)
        x = units.moved(at, move)
        own = rows[:, None].expand(a, b * width).reshape(-1)
        same = (x == at).all(dim=1)
        said = loss(x, own).masked_fill(same, torch.inf).reshape(a, b * width)
        x = x.reshape(a, b * width, d)
        said = _once(said, x)
        best = said.topk(min(kept, b * width), dim=1, largest=False).indices
        beam = x.gather(1, best[:, :, None].expand(-1, -1, d))
        found.append(beam)
    every = torch.cat(found, dim=1)
    return Pool(every.reshape(-1, base.shape[1]), rows.repeat_interleave(every.shape[1]))


def _singles(units: Units, base: Tensor, rows: Tensor, loss: Loss, slope: Tensor) -> Tensor:
    """Return the best moves of each, ``(a, t)``, at most a few of one unit."""
    count = len(units.at)
    mask = units.columns[units.at].float()
    if count > _LOOKED_AT:
        gain = slope @ (units.to * mask).T - (slope * base) @ mask.T
        moves = gain.topk(_LOOKED_AT, dim=1, largest=False).indices
    else:
        moves = torch.arange(count).expand(len(base), count)
    width = moves.shape[1]
    at = base.repeat_interleave(width, dim=0)
    x = units.moved(at, moves.reshape(-1))
    said = loss(x, rows.repeat_interleave(width))
    said = said.masked_fill((x == at).all(dim=1), torch.inf).reshape(len(base), width)
    some = said.topk(min(4 * _KEPT[0], width), dim=1, largest=False)
    moves = moves.gather(1, some.indices)
    unit = units.at[moves]
    before = (unit[:, :, None] == unit[:, None, :]).tril(-1).sum(dim=2)
    first = some.values.masked_fill(before >= _NEXT_TO, torch.inf)
    best = first.topk(min(_KEPT[0], first.shape[1]), dim=1, largest=False).indices
    return moves.gather(1, best)


def _once(said: Tensor, x: Tensor) -> Tensor:
    """Return losses ``(a, b)``, infinite where the same input ``(a, b, d)`` came before."""
    if x.shape[1] > _LOOKED_AT:
        return said
    draws = torch.Generator().manual_seed(0)
    key = x.double() @ torch.rand(x.shape[2], generator=draws, dtype=torch.double)
    again = (key[:, :, None] == key[:, None, :]).tril(-1).any(dim=2)
    return said.masked_fill(again, torch.inf)


def nested(units: Units, x: Tensor, x0: Tensor, rows: Tensor, loss: Loss) -> Pool:
    """Return inputs that keep only some of the changes of ``x``, those that matter most.

    What a change is worth is what the surrogate loses when it alone is put back; then one change is
    kept, two, and so on, and all but one.

    Args:
        units: what may change.
        x: ``(a, d)``, changed inputs.
        x0: ``(a, d)``, their starts.
        rows: ``(a,)``, whose these are.
        loss: of the surrogate.
    """
    changed = units.changed(x, x0)
    count, (a, d) = changed.shape[1], x.shape
    every = torch.arange(count).repeat(a)
    without = units.put_back(
        x.repeat_interleave(count, dim=0), x0.repeat_interleave(count, dim=0), every
    )
    worth = loss(without, rows.repeat_interleave(count)).reshape(a, count)
    worth = worth.masked_fill(~changed, -torch.inf)
    rank = worth.argsort(dim=1, descending=True).argsort(dim=1)
    total = changed.sum(dim=1, keepdim=True)
    found, owners = [], []
    for keep in (*range(1, _MOST + 1), -1, -2):
        most = keep if keep > 0 else total + keep
        kept = changed & (rank < most)
        sense = (kept.sum(dim=1) > 0) & (kept.sum(dim=1) < total[:, 0])
        columns = (kept.float() @ units.columns.float()) > 0
        found.append(torch.where(columns, x, x0)[sense])
        owners.append(rows[sense])
    return Pool(torch.cat(found).reshape(-1, d), torch.cat(owners))
