"""The search in tables: few changes, found on a surrogate and confirmed by the model.

Round by round, every candidate that may still get better asks the model of one input: the one from
which it can expect most,

    expected gain = (share of the surrogate's networks that call it reached) × (what it would save)

What an input costs is the number of its changes, and less than one more for how odd and how far it
is. The inputs are proposed by a beam search and by gradient descent on the surrogate, by putting
changes back that seem to matter least, and by going half of the way back. Where the search begins,
a candidate already has the nearest real sample that the model accepts, if nothing forbids it. The
surrogate learns from every answer.

Source: Jones, Schonlau, Welch, "Efficient Global Optimization of Expensive Black-Box Functions",
1998 (expected improvement); Mothilal, Sharma, Tan, "Explaining Machine Learning Classifiers through
Diverse Counterfactual Explanations", FAT* 2020 (putting changes back).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from xhat.blackbox.answers import DOUBT, Known
from xhat.blackbox.distilling import Distillate
from xhat.blackbox.proposals import Pool, few_changes, nested
from xhat.blackbox.units import Units
from xhat.engine import Problem

__all__ = ["search_table"]

_ROUNDS = 24
_DEPTH = 4  # changes that are combined
_UNMET = 6.0  # what a candidate costs that has reached nothing
_LEAST = 4  # rounds of a search for the most or the least
_WORTH = 0.05  # the expected gain below which the model is not asked
_HOPE = 0.05  # of an input that no network calls reached
_PART = 20_000  # rows of a pass through the surrogate
_BY_GRADIENT = (0, 2, 5, 9)  # rounds in which the surrogate is searched by gradients, too
_FEW, _MANY = 4, 0.1  # changes that count fully, and what each beyond them costs
_ODD_OF_MANY = 3.0  # where many must change, being like a real sample matters more than how many
_ODD, _FAR = 0.6, 0.2  # weights of how odd and how far an input is, beside a change

Descend = Callable[[Tensor], Tensor]
"""``(a,) -> (a, d)``: what gradient descent on the surrogate finds for some candidates."""


def search_table(
    known: Known,
    distilled: Distillate,
    units: Units,
    *,
    descend: Descend,
    problem: Problem,
    reserve: int,
) -> int:
    """Search all candidates; ``known`` has the answers.

    Args:
        known: the candidates.
        distilled: the surrogate, and real samples.
        units: what may change.
        descend: searches the surrogate by gradients.
        problem: says what must hold of an input; none that breaks it is asked.
        reserve: evaluations that are kept for afterwards.

    Returns:
        How many rounds there were.
    """
    search = _Search(known, distilled, units, problem)
    search.begin()
    for number in range(_ROUNDS):
        pool = search.proposals(number, descend)
        left = known.box.left
        most = len(known.x) if left is None else left - reserve
        if most <= 0 or not search.ask(pool, most, number):
            return number
    return _ROUNDS


class _Search:
    def __init__(self, known: Known, distilled: Distillate, units: Units, problem: Problem) -> None:
        self.known, self.units = known, units
        self.surrogate, self.real, self.said = distilled.surrogate, distilled.real, distilled.said
        self.problem = problem
        self.accepted = torch.stack(
            [known.meaning(self.said, torch.full((len(self.real),), i)).reached
             for i in range(len(known.x))]
        )  # fmt: skip
        self.typical = self._typical()
        self.done = torch.zeros(len(known.x), dtype=torch.bool)

    def begin(self) -> None:
        """Take what is known already: of the starts, and of real samples that may be copied."""
        known = self.known
        rows = torch.arange(len(known.x))
        self.done = known.take(known.x0, known.box(known.x0), rows, torch.zeros(len(rows)))
        for i in rows[~known.reached].tolist():
            near = self._anchors(i)
            fine = near[self.known.box.knows(near)] if len(near) else near
            fine = fine[self._allowed(Pool(fine, torch.full((len(fine),), i)))]
            if len(fine):
                one = Pool(fine[:1], torch.tensor([i]))
                known.take(one.x, known.box(one.x), one.rows, self.cost(one))

    def proposals(self, number: int, descend: Descend) -> Pool:
        """Return inputs that may be asked in a round."""
        known, units = self.known, self.units
        least = torch.where(known.reached, units.count(known.x, known.x0), _DEPTH + 1)
        rows = (~self.done).nonzero()[:, 0]
        pool = Pool(known.x0[:0], rows[:0])
        if not len(rows):
            return pool
        stuck = ~known.reached[rows] & (number % 2 == 1)
        if not known.goal.targeted:
            stuck |= number > 0
        base = torch.where(stuck[:, None], known.x[rows], known.x0[rows])
        depth = min(_DEPTH, 1 + int(least[rows].max()))
        slope = self._slope(base, rows)
        pool += few_changes(units, base, rows, self._loss, slope, depth)
        if number in _BY_GRADIENT:
            x = units.snapped(descend(rows), known.x0[rows])
            pool += Pool(x, rows) + nested(units, x, known.x0[rows], rows, self._loss)
        some = rows[known.reached[rows]]
        if len(some):
            x, x0 = known.x[some], known.x0[some]
            pool += nested(units, x, x0, some, self._loss)
            pool += Pool(units.snapped((x + x0) / 2, x0), some)
        for i in rows[~known.reached[rows]].tolist() if number >= 2 else ():
            near = self._anchors(i)[:3]
            pool += Pool(near, torch.full((len(near),), i))
        return pool

    def ask(self, pool: Pool, most: int, number: int) -> bool:
        """Ask the model of the best proposal of each candidate; return whether any was asked."""
        known = self.known
        pool = pool.only(self._allowed(pool))
        if not len(pool):
            return False
        told = known.box.knows(pool.x)  # of another candidate, perhaps
        free, pool = pool.only(told), pool.only(~told)
        if len(free):
            known.take(free.x, known.box(free.x), free.rows, self.cost(free))
        if not len(pool):
            return False
        cost = self.cost(pool)
        gain = self._gain(pool, cost)
        best = gain.new_full((len(known.x),), -torch.inf).scatter_reduce(
            0, pool.rows, gain, "amax", include_self=False
        )
        if known.goal.targeted or number >= _LEAST:
            self.done |= best < _WORTH
        chosen = ((gain == best[pool.rows]) & ~self.done[pool.rows]).nonzero()[:, 0]
        first = {int(pool.rows[p]): int(p) for p in reversed(chosen.tolist())}
        places = torch.tensor(sorted(first.values(), key=lambda p: -float(gain[p]))[:most])
        if not len(places):
            return False
        places = places.long()
        known.ask(pool.x[places], pool.rows[places], cost[places])
        if (news := known.news()) is not None:
            self.surrogate.learn(*news)
        return True

    def cost(self, pool: Pool) -> Tensor:
        """Return what inputs cost: their changes, and less than one more for odd and far ones."""
        x0 = self.known.x0[pool.rows]
        count = self.units.count(pool.x, x0)
        far = self.units.distance(pool.x, x0) / count.clamp_min(1)
        odd = self._gap(pool) / self.typical
        few = count.clamp_max(_FEW) + (_MANY * (count - _FEW)).clamp_min(0)
        odd_costs = torch.where(count > _FEW, _ODD_OF_MANY, _ODD) * odd / (1 + odd)
        return few + _FAR * far / (1 + far) + odd_costs

    def _gain(self, pool: Pool, cost: Tensor) -> Tensor:
        """Return the expected gain of asking about each input, ``(p,)``."""
        known = self.known
        said = self._loss(pool.x, pool.rows)
        if not known.goal.targeted:
            spread = known.meaning(self.said, torch.zeros(len(self.said), dtype=torch.long)).loss
            spread = spread[spread.isfinite()].std().clamp_min(1e-9)
            return (known.loss[pool.rows] - said) / spread
        parts = range(0, len(pool), _PART)
        with torch.no_grad():
            members = torch.cat(
                [self.surrogate.net.members(pool.x[p : p + _PART]) for p in parts], dim=1
            )
        calls = torch.stack([known.meaning(y, pool.rows).reached for y in members]).float()
        together = known.meaning(members.mean(dim=0), pool.rows)
        mean, cost = together.reached.float(), cost + DOUBT * together.doubt
        share = (calls.sum(dim=0) + mean + _HOPE) / (len(members) + 1 + _HOPE)
        unmet = self.units.columns.shape[0] + 1.0
        have = known.cost[pool.rows].clamp_max(max(_UNMET, unmet))
        have = have.where(known.reached[pool.rows], torch.full_like(have, max(_UNMET, unmet)))
        short = ~known.reached[pool.rows]
        gain = share * (have - cost)
        ranked = 1e-3 * (-said.clamp(-10, 10))  # of what no network calls reached, the nearest
        return torch.where(short, gain.clamp_min(_WORTH) + ranked + 0.02, gain)

    def _loss(self, x: Tensor, rows: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat(
                [self.known.measure(self.surrogate(part), own).loss
                 for part, own in zip(x.split(_PART), rows.split(_PART), strict=True)]
            )  # fmt: skip

    def _slope(self, x: Tensor, rows: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_(True)
        with torch.enable_grad():
            loss = self.known.said.select(rows)
            y = self.surrogate(leaf)
            (slope,) = torch.autograd.grad(loss.measure(y, y).loss.sum(), leaf)
        return slope.nan_to_num()

    def _allowed(self, pool: Pool) -> Tensor:
        if not len(pool):
            return torch.zeros(0, dtype=torch.bool)
        return self.problem.select(pool.rows).certify(pool.x).feasible

    def _anchors(self, i: int) -> Tensor:
        """Return real samples that the model accepts for a candidate, the nearest first."""
        known, units = self.known, self.units
        if not known.goal.targeted:  # none is accepted, but one is the best
            said = known.meaning(self.said, torch.full((len(self.real),), i)).loss
            return torch.where(units.columns.any(dim=0), self.real[said.argsort()], known.x0[i])
        real = self.real[self.accepted[i]]
        x0 = known.x0[i].expand_as(real)
        free = units.columns.any(dim=0)
        real = torch.where(free, real, x0)
        near = units.distance(real, x0) + units.count(real, x0)
        return real[near.argsort()]

    def _gap(self, pool: Pool) -> Tensor:
        """Return how far inputs are from real samples that the model accepts, ``(p,)``."""
        scale = self.units.scale
        found = []
        for x, rows in zip(pool.x.split(4096), pool.rows.split(4096), strict=True):
            apart = torch.cdist(x / scale, self.real / scale)
            fine = self.accepted[rows]
            fine = fine | ~fine.any(dim=1, keepdim=True)
            found.append(apart.masked_fill(~fine, torch.inf).amin(dim=1))
        return torch.cat(found)

    def _typical(self) -> Tensor:
        """Return how far real samples are from their nearest ones, half of them."""
        some = self.real[:400] / self.units.scale
        apart = torch.cdist(some, some).fill_diagonal_(torch.inf)
        return apart.amin(dim=1).median().clamp_min(1e-6)
