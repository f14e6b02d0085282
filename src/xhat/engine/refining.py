"""Walks of inputs that are continuous beside what is countable.

The continuous features of neighbours are searched anew. Where a walk has few combinations of the
countable ones, those of all combinations are.
"""

from typing import Protocol

import torch
from torch import Tensor

from xhat.engine.asked import Answered, Ask, Kind, Told
from xhat.engine.moves import Moves, combinations
from xhat.spaces import Lattice

__all__ = ["begun", "neighbours"]

_REFINED = 8  # neighbours whose continuous features are searched anew, at once


class Walking(Protocol):
    """The walk of one candidate (``Walk``)."""

    lattice: Lattice
    cost: int

    @property
    def left(self) -> int:
        """Passes that may still be spent."""
        ...

    def asked(self, x: Tensor) -> Answered:
        """Ask about the values of some inputs."""
        ...

    def changes(self, x: Tensor) -> Tensor:
        """Return which units differ from the start."""
        ...


def begun(walk: Walking, here: Told) -> Answered:
    """Return where a walk begins: what refining makes of the best."""
    here = yield from _refined(walk, here, here.x, _free(walk, here.x))
    if walk.lattice.most is not None:
        return (yield from _pursuit(walk, here))
    if not here.ended and walk.lattice.combinations() * walk.cost <= walk.left:
        for part in combinations(here.x[0], walk.lattice).split(4 * _REFINED):
            here = yield from _refined(walk, here, part, _free(walk, part))
    return here


def neighbours(walk: Walking, here: Told, moves: Moves, slopes: Told, seen: list[Told]) -> Answered:
    """Search the continuous features of the neighbours that promise most."""
    x = here.x[0]
    if len(moves) == 0:
        return here
    order = moves.predicted(x, slopes.slope + slopes.pull)[0].argsort()
    rows = [moves[order[:_REFINED]].applied(x)]
    if seen:
        every, loss = (torch.cat([getattr(t, name) for t in seen]) for name in ("x", "loss"))
        rows.append(every[loss.nan_to_num(torch.inf).argsort()[:_REFINED]])
    some = torch.cat(rows).unique(dim=0)
    return (yield from _refined(walk, here, some, _free(walk, some)))


def _free(walk: Walking, x: Tensor) -> Tensor:
    """Return the continuous features that may move in each input, ``(m, d)``."""
    lattice = walk.lattice
    free = lattice.free.expand_as(x)
    if lattice.most is None:
        return free
    return free & (walk.changes(x).gather(1, lattice.units.expand_as(x).long()) > 0)


def _refined(walk: Walking, here: Told, x: Tensor, free: Tensor) -> Answered:
    """Search the continuous features of some inputs; return the best, or ``here``."""
    rows = walk.left // walk.cost
    if rows <= 0 or len(x) == 0 or not bool(free.any()):
        return here
    told = yield Ask(Kind.REFINED, x[:rows], free[:rows])
    there = told.least()
    return there if there.better(here) else here


def _pursuit(walk: Walking, here: Told) -> Answered:
    """Choose one unit after the other by the gradient, and search it with those before.

    Source: Pati, Rezaiifar, Krishnaprasad, "Orthogonal Matching Pursuit", 1993.
    """
    lattice, units = walk.lattice, walk.lattice.units
    start = lattice.start.to(here.x)  # pyright: ignore[reportOptionalMemberAccess]
    span = (lattice.high - lattice.low).nan_to_num(1.0, 1.0, 1.0).clamp(max=1e30)
    chosen, x = list[int](), start[None]
    now = yield from walk.asked(x)
    most = min(lattice.most or 0, int(units.max()) + 1)
    for turn in range(2 * most):  # once to find them, once to exchange each
        if turn >= most:
            chosen = chosen[1:]
            x = torch.where(torch.isin(units, torch.tensor(chosen)), now.x, start)
        slopes = yield Ask(Kind.SLOPES, x)
        gain = torch.where(lattice.free, slopes.slope[0].abs().double() * span, 0.0)
        by_unit = torch.zeros(int(units.max()) + 1, dtype=torch.float64)
        by_unit = by_unit.scatter_add(0, units, gain)
        by_unit[chosen] = -1.0
        some = by_unit.argsort(descending=True)[:_REFINED]
        some = some[by_unit[some] > 0][: walk.left // walk.cost]
        if len(some) == 0:
            break
        sets = [torch.tensor([*chosen, int(unit)]) for unit in some]
        free = torch.stack([torch.isin(units, one) & lattice.free for one in sets])
        told = yield Ask(Kind.REFINED, x.expand(len(some), -1), free)
        there = told.least()
        won = next(i for i in range(len(some)) if torch.equal(told.x[i], there.x[0]))
        chosen = [*chosen, int(some[won])]
        now, x = there, there.x
        if now.better(here):
            here = now
    return here
