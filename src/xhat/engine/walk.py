"""A walk from neighbour to neighbour: what one candidate tries, and in which order.

A gradient says to first order what every move would change, so that the most promising are asked
about first (Ebrahimi, Rao, Lowd, Dou, "HotFlip: White-Box Adversarial Examples for Text
Classification", 2018). Constraints cost no pass through the model; they are looked at before it.
Where no single move helps two at once are tried, which keep a sum or move within a budget of
changes; then a few random ones, from which the walk goes on (Lourenço, Martin, Stützle, "Iterated
Local Search", 2003).

A walk is a generator: it yields what it wants to know and is sent the answer, so that the questions
of many candidates are answered together.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

import torch
from torch import Tensor

from xhat.engine.moves import Moves, combinations, pairs, singles
from xhat.engine.status import Ending
from xhat.spaces import Lattice

__all__ = ["Ask", "Kind", "Told", "Walk"]

_FIRST = 16  # moves asked about at once, doubled while none is better
_PAIRED = 128  # single moves of which pairs are made, at most
_NUMBERS = 4_000_000  # looked at together
_KICKS, _FAR = 12, 3  # random restarts of the walk in a row that find nothing, and their moves
_REFINED = 8  # neighbours whose continuous features are searched anew, at once
_LESS = 1e-6  # relative decrease of the loss that counts


class Kind(Enum):
    """What a walk wants to know of some inputs."""

    HOLDS = auto()  # whether the constraints hold
    VALUES = auto()  # the loss too
    SLOPES = auto()  # the gradients, of the loss and of what is broken
    REFINED = auto()  # what a search of the continuous features makes of them


@dataclass(frozen=True)
class Ask:
    """A question about ``m`` inputs of ``d`` features; ``free`` features are searched."""

    kind: Kind
    x: Tensor
    free: Tensor | None = None


@dataclass(frozen=True)
class Told:
    """What is known of ``m`` inputs, one row each; an input as the space makes it.

    Attributes:
        x: ``(m, d)``.
        z: ``(m, *z_shape)``.
        excess: ``(m,)``, the sum of what is broken; 0 where all holds.
        loss: ``(m,)``.
        reached: ``(m,)`` booleans.
        confidence: ``(m,)``.
        endings: of a stop rule that claims success, where one does.
        slope: ``(d,)``, the gradient of the loss.
        pull: ``(d,)``, the gradient of what is broken.
    """

    x: Tensor
    z: Tensor
    excess: Tensor
    loss: Tensor
    reached: Tensor
    confidence: Tensor
    endings: list[Ending | None]
    slope: Tensor
    pull: Tensor

    def row(self, i: int) -> "Told":
        """Return what is known of one of the inputs."""
        names = ("x", "z", "excess", "loss", "reached", "confidence")
        rows = {name: getattr(self, name)[i : i + 1] for name in names}
        return replace(self, **rows, endings=self.endings[i : i + 1])

    def better(self, other: "Told", margin: float = _LESS) -> bool:
        """Whether the one input is better than another: feasible, reached, of lower loss."""
        if float(self.excess) != float(other.excess):
            return float(self.excess) < float(other.excess)
        if bool(self.reached) != bool(other.reached):
            return bool(self.reached)
        least = float(other.loss.nan_to_num(torch.inf))
        slack = margin * (1 + abs(least)) if least < float("inf") else 0.0
        return float(self.loss.nan_to_num(torch.inf)) < least - slack


Answered = Generator[Ask, Told, Any]


class Walk:
    """The walk of one candidate.

    Args:
        x: ``(d,)``, where it begins.
        lattice: on which it walks.
        budget: passes through the objective.
        limit: combinations, up to which all are tried.
        cost: passes that a search of continuous features takes, about.
        random: of the moves where nothing is better.

    Attributes:
        best: what is known of the best input until now; None before the first answer.
        spent: passes through the objective.
        tried_all: whether every combination was tried.
        tried: whether every neighbour of the best was tried, and none is better.
    """

    def __init__(
        self,
        x: Tensor,
        lattice: Lattice,
        *,
        budget: int,
        limit: int,
        cost: int,
        random: torch.Generator,
    ) -> None:
        self.x, self.lattice, self.random = x, lattice, random
        self.budget, self.limit, self.cost, self.spent = budget, limit, cost, 0
        self.best: Told | None = None
        self.tried = self.tried_all = self.skipped = False
        self.mixed = bool(lattice.free.any())

    @property
    def left(self) -> int:
        """Passes that may still be spent."""
        return self.budget - self.spent

    def run(self) -> Answered:
        """Walk until nothing is better, or the budget is spent."""
        here = yield from self._seen(self.x[None])
        self.best = here
        if self.lattice.combinations() <= self.limit and self.left >= self.limit // 50:
            yield from self._all()
            return
        if self.mixed:
            here = yield from self._refined(here, here.x, self._free(here.x))
            if self.lattice.most is not None:
                here = yield from self._pursuit(here)
        fails = 0
        while self.left > 0 and not self._ended(here):
            there = yield from self._round(here)
            if there is not here:
                here = there
                continue
            if here is self.best or here.better(self.best):
                self.best, self.tried, fails = here, self.left > 0 and not self.skipped, 0
            else:
                fails += 1
            if fails > _KICKS or self.left <= 0:
                return
            here = yield from self._kicked(self.best)
        if self._ended(here) or here.better(self.best, 0.0):
            self.best, self.tried = here, False

    def _ended(self, here: Told) -> bool:
        return here.endings[0] is not None and float(here.excess) == 0.0

    def _seen(self, x: Tensor) -> Answered:
        """Return the best of some inputs."""
        told = yield Ask(Kind.VALUES, x)
        return _least(told)

    def _all(self) -> Answered:
        """Ask about every combination for which the constraints hold."""
        everything = combinations(self.x, self.lattice)
        for part in everything.split(max(1, _NUMBERS // len(self.x))):
            made = yield Ask(Kind.HOLDS, part)
            holds = made.x[made.excess == 0]
            if len(holds) == 0:
                continue
            best = yield from self._seen(holds)
            if best.better(self.best, 0.0):  # pyright: ignore[reportArgumentType]
                self.best = best
        self.tried_all = True

    def _round(self, here: Told) -> Answered:
        """Return a better neighbour, or ``here``."""
        x = here.x[0]
        slopes = yield Ask(Kind.SLOPES, here.x)
        moves = singles(x, self.lattice)
        some = self._within(x, moves)
        there, seen = yield from self._tried(here, some, slopes, self.left)
        if there is not here or self._ended(there):
            return there
        if self.mixed:
            there = yield from self._some_refined(here, some, slopes, seen)
            if there is not here:
                return there
        both = self._within(x, pairs(self._promising(x, moves, slopes)))
        there, _ = yield from self._tried(here, both, slopes, min(self.left, 2 * len(moves) + 64))
        return there

    def _within(self, x: Tensor, moves: Moves) -> Moves:
        """Return the moves after which no more units differ from the start than may."""
        most, start = self.lattice.most, self.lattice.start
        if most is None or start is None or len(moves) == 0:
            return moves
        kept = [
            self._changes(part.applied(x)).sum(dim=1) <= most
            for part in (moves[rows] for rows in torch.arange(len(moves)).split(self._rows))
        ]
        return moves[torch.cat(kept).nonzero()[:, 0]]

    @property
    def _rows(self) -> int:
        return max(1, _NUMBERS // len(self.x))

    def _changes(self, x: Tensor) -> Tensor:
        """Return which units differ from the start, ``(m, units)`` of 0 and 1."""
        units, start = self.lattice.units, self.lattice.start
        differs = ((x.double() - start).abs() > 1e-6).double()  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        blank = torch.zeros(len(x), int(units.max()) + 1, dtype=torch.float64)
        return blank.scatter_reduce(1, units.expand(len(x), -1), differs, "amax")

    def _promising(self, x: Tensor, moves: Moves, slopes: Told) -> Moves:
        """Return the single moves of which pairs are made."""
        if len(moves) <= _PAIRED:
            return moves
        half = _PAIRED // 2
        lists = [moves.predicted(x, slopes.slope).argsort()[:half]]
        if bool(slopes.pull.any()):
            lists.append(moves.predicted(x, slopes.pull).argsort()[:half])
        if self.lattice.start is not None:
            home = self._changes(moves.applied(x)).sum(dim=1) < self._changes(x[None]).sum()
            lists.append(home.nonzero()[:half, 0])
        return moves[torch.cat(lists).unique()]

    def _tried(self, here: Told, moves: Moves, slopes: Told, most: int) -> Answered:
        """Try moves, the most promising first; return where one leads and what was seen."""
        x, seen = here.x[0], list[Told]()
        if len(moves) == 0:
            return here, seen
        broken = float(here.excess) > 0
        order = moves.predicted(x, slopes.pull if broken else slopes.slope).argsort()
        self.skipped |= len(order) > 4 * self._rows
        for part in order[: 4 * self._rows].split(self._rows):
            made = yield Ask(Kind.HOLDS, moves[part].applied(x))
            new = (made.x != x).any(dim=1)
            if broken:
                there = yield from self._less_broken(here, made, new)
                if there is not here:
                    return there, seen
                continue
            rows = made.x[new & (made.excess == 0)]
            size = _FIRST
            while len(rows) and most > 0:
                size = min(size, most, self.left)
                if size <= 0:
                    break
                told = yield Ask(Kind.VALUES, rows[:size])
                most -= size
                seen.append(told)
                there = _least(told)
                if there.better(here):
                    return there, seen
                rows, size = rows[size:], 2 * size
        return here, seen

    def _less_broken(self, here: Told, made: Told, new: Tensor) -> Answered:
        """Return the best of what breaks the least, or ``here``."""
        excess = torch.where(new, made.excess, torch.inf)
        if not float(excess.min()) < float(here.excess):
            return here
        least = made.x[excess <= excess.min()][: max(1, min(_FIRST, self.left))]
        return (yield from self._seen(least))

    def _free(self, x: Tensor) -> Tensor:
        """Return the continuous features that may move in each input, ``(m, d)``."""
        free = self.lattice.free.expand_as(x)
        if self.lattice.most is None:
            return free
        return free & (self._changes(x).gather(1, self.lattice.units.expand_as(x).long()) > 0)

    def _refined(self, here: Told, x: Tensor, free: Tensor) -> Answered:
        """Search the continuous features of some inputs; return the best, or ``here``."""
        rows = self.left // self.cost
        if rows <= 0 or len(x) == 0 or not bool(free.any()):
            return here
        x, free = x[:rows], free[:rows]
        told = yield Ask(Kind.REFINED, x, free)
        there = _least(told)
        return there if there.better(here) else here

    def _some_refined(self, here: Told, moves: Moves, slopes: Told, seen: list[Told]) -> Answered:
        """Search the continuous features of the neighbours that promise most."""
        x = here.x[0]
        if len(moves) == 0:
            return here
        order = moves.predicted(x, slopes.slope + slopes.pull).argsort()
        rows = [moves[order[:_REFINED]].applied(x)]
        if seen:
            every, loss = (torch.cat([getattr(t, name) for t in seen]) for name in ("x", "loss"))
            rows.append(every[loss.nan_to_num(torch.inf).argsort()[:_REFINED]])
        some = torch.cat(rows).unique(dim=0)
        return (yield from self._refined(here, some, self._free(some)))

    def _pursuit(self, here: Told) -> Answered:
        """Choose one unit after the other by the gradient, and search it with those before.

        Source: Pati, Rezaiifar, Krishnaprasad, "Orthogonal Matching Pursuit", 1993.
        """
        lattice, units = self.lattice, self.lattice.units
        start = lattice.start.to(here.x)  # pyright: ignore[reportOptionalMemberAccess]
        span = (lattice.high - lattice.low).nan_to_num(1.0, 1.0, 1.0).clamp(max=1e30)
        chosen, x = list[int](), start[None]
        now = yield from self._seen(x)
        most = min(lattice.most or 0, int(units.max()) + 1)
        for turn in range(2 * most):  # once to find them, once to exchange each
            if turn >= most:
                chosen = chosen[1:]
                x = torch.where(torch.isin(units, torch.tensor(chosen)), now.x, start)
            slopes = yield Ask(Kind.SLOPES, x)
            gain = torch.where(lattice.free, slopes.slope.abs().double() * span, 0.0)
            by_unit = torch.zeros(int(units.max()) + 1, dtype=torch.float64)
            by_unit = by_unit.scatter_add(0, units, gain)
            by_unit[chosen] = -1.0
            some = by_unit.argsort(descending=True)[:_REFINED]
            some = some[by_unit[some] > 0][: self.left // self.cost]
            if len(some) == 0:
                break
            sets = [torch.tensor([*chosen, int(unit)]) for unit in some]
            free = torch.stack([torch.isin(units, one) & lattice.free for one in sets])
            told = yield Ask(Kind.REFINED, x.expand(len(some), -1), free)
            there = _least(told)
            won = next(i for i in range(len(some)) if torch.equal(told.x[i], there.x[0]))
            chosen = [*chosen, int(some[won])]
            now, x = there, there.x
            if now.better(here):
                here = now
        return here

    def _kicked(self, best: Told) -> Answered:
        """Return what some random moves make of the best."""
        x = best.x[0]
        for _ in range(_FAR):
            moves = self._within(x, singles(x, self.lattice))
            if len(moves) == 0:
                return best
            pick = torch.randint(len(moves), (1,), generator=self.random)
            x = moves[pick].applied(x)[0]
        return (yield from self._seen(x[None]))


def _least(told: Told) -> Told:
    """Return the best of the inputs."""
    keys = zip(
        told.excess.tolist(),
        (~told.reached).tolist(),
        told.loss.nan_to_num(torch.inf).tolist(),
        range(len(told.x)),
        strict=True,
    )
    return told.row(min(keys)[3])
