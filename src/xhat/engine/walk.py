"""A walk from neighbour to neighbour: what one candidate tries, and in which order.

A gradient says to first order what every move would change, so that the most promising are asked
about first (Ebrahimi, Rao, Lowd, Dou, "HotFlip: White-Box Adversarial Examples for Text
Classification", 2018). Constraints cost no pass through the model; they are looked at before it.
Where no single move helps two at once are tried, which keep a sum or move within a budget of
changes: the gradient after the first says what the second would change. Then a few random moves
are taken, more each time that they lead nowhere, from which the walk goes on (Lourenço, Martin,
Stützle, "Iterated Local Search", 2003; Mladenović, Hansen, "Variable Neighborhood Search", 1997).
What was asked once is not asked again.

A walk is a generator: it yields what it wants to know and is sent the answer, so that the questions
of many candidates are answered together.
"""

import torch
from torch import Tensor

from xhat.engine import refining
from xhat.engine.asked import Answered, Ask, Kind, Told
from xhat.engine.moves import Moves, combinations, pairs, singles
from xhat.spaces import Lattice

__all__ = ["Walk"]

_FIRST = 16  # moves asked about at once, doubled while none is better
_LOOKED = 32  # moves after which a gradient is asked for, at most
_PAIRED = 128  # single moves of which pairs are made where something is broken, at most
_NUMBERS = 4_000_000  # looked at together
_PARTS = 4  # of so many numbers, of which moves are tried
_KICKS, _FAR = 100, 4  # random restarts of the walk in a row that find nothing; their moves


class Walk:
    """The walk of one candidate.

    Args:
        starts: ``(k, d)``, where it begins, one after the other; the best of the first is refined
            where features move continuously.
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
        starts: Tensor,
        lattice: Lattice,
        *,
        budget: int,
        limit: int,
        cost: int,
        random: torch.Generator,
    ) -> None:
        self.starts, self.lattice, self.random = starts, lattice, random
        self.budget, self.limit, self.cost, self.spent = budget, limit, cost, 0
        self.best: Told | None = None
        self.tried = self.tried_all = self.skipped = False
        self.mixed = bool(lattice.free.any())
        self.rows = max(1, _NUMBERS // starts.shape[1])
        self.losses, self.left_behind = dict[int, float](), set[int]()

    @property
    def left(self) -> int:
        """Passes that may still be spent."""
        return self.budget - self.spent

    def run(self) -> Answered:
        """Walk until nothing is better, or the budget is spent."""
        told = yield from self.asked(self.starts)
        self.best = best = told.least()
        waiting = [told.row(i) for i in range(len(told.x))]
        count = self.lattice.combinations()
        if not self.mixed and count <= self.limit and self.left >= self.limit // 50:
            yield from self._all()
            return
        if self.mixed:
            waiting = [(yield from refining.begun(self, best))]
        here, fails = waiting.pop(0), 0
        while self.left > 0 and not here.ended:
            there = yield from self._round(here)
            if there is not here:
                here = there
                continue
            fails += 1
            if here.better(best):
                self.best, fails = (best := here), 0
            if torch.equal(here.x, best.x):
                self.tried = self.left > 0 and not self.skipped
            if self.left <= 0 or (fails > _KICKS and not waiting):
                return
            here = waiting.pop(0) if waiting else (yield from self._kicked(best, fails))
        if here.ended or here.better(best, 0.0):
            self.best, self.tried = here, False

    def asked(self, x: Tensor) -> Answered:
        """Ask about the values of some inputs, and remember their losses."""
        told = yield Ask(Kind.VALUES, x)
        losses = torch.where(told.excess > 0, torch.inf, told.loss.nan_to_num(torch.inf))
        self.losses |= dict(zip(_keys(told.x), losses.tolist(), strict=True))
        return told

    def _all(self) -> Answered:
        """Ask about every combination for which the constraints hold."""
        for part in combinations(self.starts[0], self.lattice).split(self.rows):
            made = yield Ask(Kind.HOLDS, part)
            holds = made.x[made.excess == 0]
            if len(holds) == 0:
                continue
            told = yield Ask(Kind.VALUES, holds)
            if (best := told.least()).better(self.best, 0.0):  # pyright: ignore[reportArgumentType]
                self.best = best
        self.tried_all = True

    def _round(self, here: Told) -> Answered:
        """Return a better neighbour, or ``here``."""
        x, (key,) = here.x[0], _keys(here.x)
        if key in self.left_behind:
            return here
        slopes = yield Ask(Kind.SLOPES, here.x)
        broken = float(here.excess) > 0
        moves = singles(x, self.lattice)
        some = self._within(x, moves)
        predicted = some.predicted(x, slopes.pull if broken else slopes.slope)[0]
        there, seen = yield from self._tried(here, some, predicted, self.left)
        if there is not here or there.ended:
            return there
        if self.mixed:
            there = yield from refining.neighbours(self, here, some, slopes, seen)
            if there is not here:
                return there
        both, predicted = yield from self._two(here, moves, some, slopes)
        there, _ = yield from self._tried(
            here, both, predicted, min(self.left, 2 * len(moves) + 64)
        )
        if there is here:
            self.left_behind.add(key)
        return there

    def _two(self, here: Told, moves: Moves, some: Moves, slopes: Told) -> Answered:
        """Return two moves at once, and what they are predicted to change.

        Where nothing is broken, the gradient after each of a few first moves is asked for.
        """
        x = here.x[0]
        if float(here.excess) > 0:
            first = self._promising(x, moves, slopes, _PAIRED)
            both, one, two = pairs(first, first)
            both, one, two = both[one < two], one[one < two], two[one < two]
            alone = first.predicted(x, slopes.pull)[0]
            return self._kept(x, both, alone[one] + alone[two])
        first = self._promising(x, some, slopes, min(_LOOKED, self.left // 8))
        if len(first) == 0:
            return first, torch.zeros(0)
        after = yield Ask(Kind.SLOPES, first.applied(x))
        both, one, two = pairs(first, moves)
        gain = after.loss.double().nan_to_num(torch.inf)[:, None]
        gain = gain + moves.predicted(x, after.slope)
        return self._kept(x, both, gain[one, two])

    def _kept(self, x: Tensor, moves: Moves, predicted: Tensor) -> tuple[Moves, Tensor]:
        """Return the most promising moves after which no more units differ than may."""
        order = predicted.argsort()[: _PARTS * self.rows]
        self.skipped |= len(order) < len(predicted)
        kept = self._fit(x, moves[order])
        return moves[order[kept]], predicted[order[kept]]

    def _within(self, x: Tensor, moves: Moves) -> Moves:
        """Return the moves after which no more units differ from the start than may."""
        return moves[self._fit(x, moves)]

    def _fit(self, x: Tensor, moves: Moves) -> Tensor:
        most = self.lattice.most
        if most is None or len(moves) == 0:
            return torch.arange(len(moves))
        kept = [
            self.changes(moves[rows].applied(x)).sum(dim=1) <= most
            for rows in torch.arange(len(moves)).split(self.rows)
        ]
        return torch.cat(kept).nonzero()[:, 0]

    def changes(self, x: Tensor) -> Tensor:
        """Return which units differ from the start, ``(m, units)`` of 0 and 1."""
        units, start = self.lattice.units, self.lattice.start
        differs = ((x.double() - start).abs() > 1e-6).double()  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        blank = torch.zeros(len(x), int(units.max()) + 1, dtype=torch.float64)
        return blank.scatter_reduce(1, units.expand(len(x), -1), differs, "amax")

    def _promising(self, x: Tensor, moves: Moves, slopes: Told, most: int) -> Moves:
        """Return the single moves of which pairs are made: back to the start, better, or freer."""
        if len(moves) <= most:
            return moves
        lists = [moves.predicted(x, slopes.slope)[0].argsort()]
        if bool(slopes.pull.any()):
            lists.append(moves.predicted(x, slopes.pull)[0].argsort())
        each = torch.stack(lists, dim=1).flatten()  # the first of each list, then the second
        if self.lattice.start is not None:
            home = self.changes(moves.applied(x)).sum(dim=1) < self.changes(x[None]).sum()
            each = torch.cat([home.nonzero()[:, 0], each])
        return moves[torch.tensor(list(dict.fromkeys(each.tolist()))[:most], dtype=torch.long)]

    def _tried(self, here: Told, moves: Moves, predicted: Tensor, most: int) -> Answered:
        """Try moves, the most promising first; return where one leads and what was seen."""
        x, seen = here.x[0], list[Told]()
        if len(moves) == 0:
            return here, seen
        broken = float(here.excess) > 0
        order = predicted.argsort()
        self.skipped |= len(order) > _PARTS * self.rows
        for part in order[: _PARTS * self.rows].split(self.rows):
            made = yield Ask(Kind.HOLDS, moves[part].applied(x))
            new = (made.x != x).any(dim=1)
            if broken:
                there = yield from self._less_broken(here, made, new)
                if there is not here:
                    return there, seen
                continue
            rows, size = self._unknown(made.x[new & (made.excess == 0)], here), _FIRST
            while len(rows) and most > 0:
                size = min(size, most, self.left)
                if size <= 0:
                    break
                told = yield from self.asked(rows[:size])
                most -= size
                seen.append(told)
                there = told.least()
                if there.better(here):
                    return there, seen
                rows, size = rows[size:], 2 * size
        return here, seen

    def _unknown(self, x: Tensor, here: Told) -> Tensor:
        """Return the inputs that were not asked about yet, or are known to be better than here."""
        least, known, rows = float(here.loss.nan_to_num(torch.inf)), set[int](), list[int]()
        for row, key in enumerate(_keys(x)):
            if key not in known and self.losses.get(key, -torch.inf) < least:
                rows.append(row)
            known.add(key)
        return x[rows]

    def _less_broken(self, here: Told, made: Told, new: Tensor) -> Answered:
        """Return the best of what breaks the least, or ``here``."""
        excess = torch.where(new, made.excess, torch.inf)
        if not float(excess.min()) < float(here.excess):
            return here
        most = _FIRST if float(excess.min()) == 0 else 1  # on the way one will do
        least = made.x[excess <= excess.min()][: max(1, min(most, self.left))]
        told = yield from self.asked(least)
        return told.least()

    def _kicked(self, best: Told, fails: int) -> Answered:
        """Return what some random moves make of the best; more of them where it failed before."""
        x = best.x[0]
        for _ in range(2 + fails % _FAR):
            moves = self._within(x, singles(x, self.lattice))
            if len(moves) == 0:
                return best
            pick = torch.randint(len(moves), (1,), generator=self.random)
            x = moves[pick].applied(x)[0]
        told = yield from self.asked(x[None])
        return told.least()


def _keys(x: Tensor) -> list[int]:
    """Return a number for each input by which it is known again."""
    return [hash(row.tobytes()) for row in (x + 0.0).numpy()]
