"""The finish over whole numbers: the neighbours of what a search found.

A relaxed search ends near the best input on a grid, or in categories, seldom at it. Each candidate
then walks on from neighbour to neighbour (``walk``), all candidates in one batch, with as many
passes through the objective as ten times the step budget. Where there are few combinations, all of
them are tried. Continuous features are searched anew beside the neighbours that promise most.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from xhat.constraints import Constraint
from xhat.core import candidate_noise
from xhat.engine.answers import Answers
from xhat.engine.asked import ROWS, Ask, Kind, Told
from xhat.engine.faults import guarded
from xhat.engine.lagrangian import AugmentedLagrangian
from xhat.engine.problem import Problem
from xhat.engine.rounds import Rounds
from xhat.engine.run import Run, Watch
from xhat.engine.setup import measured, snapshot
from xhat.engine.status import Ending, Status
from xhat.engine.steppers import LBFGS
from xhat.engine.stopping import MaxSteps, target_reached
from xhat.engine.walk import Walk
from xhat.objectives import Measurement
from xhat.spaces import Masked

__all__ = ["Neighbours"]

_TIMES = 10  # passes for each step of the budget
_MIXED = 40  # the same where continuous features are searched beside
_COUNTED = 50  # combinations for each step of the budget, up to which all are tried
_STEPS, _ROUNDS = 30, 8  # of a search of continuous features
_ROUNDING = 32  # of the length of an input, by which computing it may miss its space


class Neighbours:
    """The walks of the candidates of a run.

    Args:
        run: of the problem as it was asked.
        steps: the step budget of a try.
    """

    def __init__(self, run: Run, steps: int) -> None:
        self.run, self.setup, self.steps = run, run.setup, steps
        self.deadline = min(rule.deadline for rule in run.setup.rules)
        self.most = min(rule.budget for rule in run.setup.rules)

    def improve(self, answers: Answers, ids: Tensor) -> None:
        """Put better neighbours in the place of answers; say what was tried."""
        space = self.setup.problem.space
        if not space.exact or space.relaxed is space:  # nothing to search, or nothing countable
            return
        todo = torch.tensor([i for i in ids.tolist() if self._worth(answers, i)], dtype=torch.long)
        for part in todo.split(self.run.chunk):
            for i, why in guarded(part, lambda some: self._part(answers, some)).items():
                if answers.status[i] in _NO_LESS:  # it was not seen
                    answers.endings[i] = why

    def _worth(self, answers: Answers, i: int) -> bool:
        """Whether there is anything left to do for a candidate."""
        ending = answers.endings[i]
        if ending is None or ending.status.cut_short or ending.status in _SPENT:
            return False
        claimed = any(ending == rule.ending for rule in self.setup.rules if rule.certain)
        holds = float(answers.columns["violation"][i]) <= self.setup.problem.tolerance
        return not (claimed and holds)

    def _part(self, answers: Answers, ids: Tensor) -> None:
        first = self.setup.problem.select(ids[:1]).space
        if first.lattice(answers.columns["x"][ids[:1]].detach()) is None:
            return  # a space is countable for all candidates, or for none
        walks = {i: walk for i in ids.tolist() if (walk := self._walk(answers, i)) is not None}
        running = {i: walk.run() for i, walk in walks.items()}
        asks = {i: next(steps) for i, steps in running.items()}
        try:
            while asks and self.setup.clock() < self.deadline:
                told = self._told(asks, walks)
                for i in list(asks):
                    try:
                        asks[i] = running[i].send(told[i])
                    except StopIteration:
                        del asks[i]
        except KeyboardInterrupt:
            self.setup.stopped.set()
        for i, walk in walks.items():
            self._write(answers, i, walk, unfinished=i in asks)

    def _walk(self, answers: Answers, i: int) -> Walk | None:
        x = answers.columns["x"][i].detach()
        problem = self.setup.problem.select(torch.tensor([i]))
        lattice = problem.space.lattice(x[None])
        if lattice is None:
            return None
        start = self.run.x0[i : i + 1]
        starts = torch.stack([x.flatten(), start[0].flatten().to(x)]).to(self.setup.dtype)
        if lattice.most is not None:  # all moves are open where nothing is changed yet
            starts = starts.flip(0)
        if torch.equal(*starts):
            starts = starts[:1]
        key = candidate_noise(start, self.run.seed, "neighbours").flatten()[:1]
        random = torch.Generator().manual_seed(int((key.double() + 1) * 2**30))
        mixed = bool(lattice.free.any())
        budget = (_MIXED if mixed else _TIMES) * self.steps
        if int(lattice.numbers().clamp(max=3).sum()) - x.numel() > budget:
            if answers.status[i] in _NO_LESS:
                answers.endings[i] = Ending(Status.EVALUATIONS_SPENT, " before the neighbours")
            return None  # features so many that not even their next steps could be tried
        left = self.most - int(answers.columns["evaluations"][i])
        return Walk(
            starts,
            lattice,
            budget=int(min(budget, left)),
            limit=_COUNTED * self.steps,
            cost=_STEPS * (2 if problem.constraints else 1) + 2,
            random=random,
        )

    def _told(self, asks: dict[int, Ask], walks: dict[int, Walk]) -> dict[int, Told]:
        """Answer the questions of all candidates, those of one kind together."""
        told = dict[int, Told]()
        for kind in Kind:
            some = {i: ask for i, ask in asks.items() if ask.kind is kind}
            if not some:
                continue
            sizes = [len(ask.x) for ask in some.values()]
            ids = torch.repeat_interleave(torch.tensor(list(some)), torch.tensor(sizes))
            x = torch.cat([ask.x for ask in some.values()])
            if kind is Kind.REFINED:
                free = torch.cat([ask.free for ask in some.values() if ask.free is not None])
                x, passes = self._refined(ids, x, free)
            else:
                passes = torch.full((len(ids),), self._passes(kind))
            found = self._seen(ids, x, kind)
            for i, part, cost in zip(
                some, torch.arange(len(ids)).split(sizes), passes.split(sizes), strict=True
            ):
                walks[i].spent += int(cost.sum())
                rows = {name: value[part] for name, value in found.items()}
                told[i] = _one(rows, self._endings(rows) if kind is not Kind.HOLDS else None)
        return told

    def _passes(self, kind: Kind) -> int:
        """Return how often the objective is asked about an input."""
        return {Kind.HOLDS: 0, Kind.SLOPES: 1}.get(kind, self.setup.passes)

    def _seen(self, ids: Tensor, x: Tensor, kind: Kind) -> dict[str, Tensor]:
        rows = max(1, _HELD // x.shape[1]) if kind is Kind.HOLDS else self.run.chunk
        parts = [
            self._look(ids[part], x[part], kind) for part in torch.arange(len(ids)).split(rows)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _look(self, ids: Tensor, x: Tensor, kind: Kind) -> dict[str, Tensor]:
        """Return what is known of some inputs, a row each; on the CPU."""
        problem = self.setup.narrowed(ids)
        shaped = x.to(self.setup.device).reshape(-1, *self.run.x0.shape[1:])
        with torch.no_grad():
            z = problem.space.encode(shaped)
            made = problem.space.decode(z).to(z.dtype)
            excess = _excess(problem, made)
        none, nothing = torch.full_like(excess, torch.nan), torch.zeros_like(made).flatten(1)
        seen = {
            "x": made.flatten(1), "z": z, "excess": excess, "loss": none, "confidence": none,
            "merit": none, "reached": none > 0, "slope": nothing, "pull": nothing,
        }  # fmt: skip
        if kind is Kind.SLOPES:
            loss, slope = _slope(made, lambda leaf: problem.objective.measure(leaf, z).loss)
            seen |= {"loss": loss, "slope": slope}
            if bool((excess > 0).any()) or problem.constraints:
                seen["pull"] = _slope(made, lambda leaf: _excess(problem, leaf, _NEAR))[1]
        elif kind is not Kind.HOLDS:
            with torch.no_grad():
                _, found = measured(problem, z, passes=self.setup.passes)
            now = snapshot(found, torch.zeros_like(ids), torch.zeros_like(ids), 0.0)
            reached = target_reached(self.setup.rules, now)
            seen |= {"loss": found.loss, "merit": now.merit}
            seen |= {} if reached is None else {"reached": reached}
            seen |= {} if found.confidence is None else {"confidence": found.confidence}
        return {name: value.detach().cpu() for name, value in seen.items()}

    def _endings(self, rows: dict[str, Tensor]) -> list[Ending | None]:
        """Return the stop rule that claims success, of each input; None where none does."""
        none = torch.zeros(len(rows["x"]), dtype=torch.long)
        targeted = any(rule.aims for rule in self.setup.rules)
        sure = rows["confidence"]
        reached = rows["reached"] if targeted else None
        endings: list[Ending | None] = [None] * len(none)
        for rule in reversed(self.setup.rules):
            if not rule.certain:
                continue
            if rule.aims:
                fires = rows["reached"]
            else:
                now = replace(
                    snapshot(_measurement(rows), none, none, 0.0), reached=reached, confidence=sure
                )
                fires = rule.fired(now, rule.init(len(none), none.device))[0]
            for row in (fires & rows["loss"].isfinite()).nonzero()[:, 0].tolist():
                endings[row] = rule.ending
        return endings

    def _refined(self, ids: Tensor, x: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs whose continuous features were searched anew, and the passes it took."""
        shaped = x.reshape(-1, *self.run.x0.shape[1:])
        problem = self.setup.problem.select(ids)
        mask = free.reshape(shaped.shape)
        space = Masked(
            problem.space.relaxed, mask.flatten(1).any(0).reshape(mask.shape[1:]), shaped
        )
        space.mask = mask  # each has features of its own that move
        problem = replace(problem, space=space)
        setup = replace(self.setup, problem=problem, stepper=LBFGS(), rules=(MaxSteps(_STEPS),))
        run = Run(setup, shaped, None, self.run.seed, self.run.chunk, Watch())
        how = AugmentedLagrangian(LBFGS(), rounds=_ROUNDS)
        search = Rounds(run, how, _STEPS) if problem.general else run
        found = search.once(torch.arange(len(x)), 0)
        return found.columns["x"].flatten(1).to(x), found.columns["evaluations"] + self.setup.passes

    def _write(self, answers: Answers, i: int, walk: Walk, *, unfinished: bool) -> None:
        had, best = answers.columns, walk.best
        had["evaluations"][i] += walk.spent
        if best is None:
            return
        moved = self._improves(had, i, best)
        problem = self.setup.narrowed(torch.tensor([i]))
        if moved:
            x = best.x.reshape(1, *had["x"].shape[1:])
            had["x"][i] = x[0].to(had["x"])
            had["z"][i] = best.z[0].to(had["z"])
            had["violation"][i] = problem.violation(x.to(self.setup.device))[0].to(had["violation"])
            for name in ("loss", "reached", "confidence"):
                had[name][i] = getattr(best, name)[0].to(had[name])
            had["own"][i] = True
        answers.endings[i] = self._ending(answers, i, walk, moved, unfinished)

    def _improves(self, had: dict[str, Tensor], i: int, best: Told) -> bool:
        """Whether a walk ended at another input, and that is better than where it began."""
        there = best.x[0].reshape(had["x"][i].shape).to(had["x"])
        if torch.equal(there, had["x"][i]):
            return False
        tolerance = self.setup.problem.tolerance
        held, holds = float(had["violation"][i]) <= tolerance, float(best.excess) == 0.0
        if held != holds:
            return holds
        if bool(best.reached) != bool(had["reached"][i]):
            return bool(best.reached)
        return not holds or not float(best.loss) >= float(had["loss"][i])

    def _ending(
        self, answers: Answers, i: int, walk: Walk, moved: bool, unfinished: bool
    ) -> Ending | None:
        before, best = answers.endings[i], walk.best
        if best is None or before is None:
            return before
        holds = float(best.excess) == 0.0
        if holds and best.endings[0] is not None:
            return best.endings[0]
        if unfinished:
            return Ending(Status.INTERRUPTED if self.setup.stopped.is_set() else Status.TIME_SPENT)
        if walk.tried_all:
            count = f"{walk.lattice.combinations():.0f} combinations"
            if holds:
                return Ending(Status.BEST_OF_ALL, f" ({count})")
            return Ending(Status.INFEASIBLE, f": none of {count} fulfils the constraints")
        if not holds:
            return Ending(Status.INFEASIBLE)
        if walk.tried:
            return Ending(Status.NO_BETTER_NEIGHBOUR, f" ({walk.spent} tried)")
        if moved or before.status in _NO_LESS:
            return Ending(Status.EVALUATIONS_SPENT, " among the neighbours")
        return before


_HELD = 4_000_000  # numbers for which constraints are looked at together
_NEAR = -1e-2  # how near a condition must be to count when moves are ranked
_NO_LESS = (Status.CONVERGED, Status.NO_PROGRESS)  # what a better neighbour would deny
_SPENT = (Status.TIME_SPENT, Status.EVALUATIONS_SPENT, Status.NOT_SEARCHED)


def _excess(problem: Problem, x: Tensor, near: float | None = None) -> Tensor:
    """Return the sum of what is broken, ``(n,)``; infinite where it is not a number."""
    tolerance = problem.tolerance if near is None else near
    total = x.new_zeros(len(x))
    for constraint in problem.constraints:
        total = total + _beyond(constraint, x, tolerance)
    if near is not None:
        return total
    size = torch.linalg.vector_norm(x.flatten(1), dim=1)
    off = problem.space.violation(x) - _ROUNDING * torch.finfo(x.dtype).eps * size
    return (total + off.clamp_min(0)).nan_to_num(torch.inf)


def _beyond(constraint: Constraint, x: Tensor, tolerance: float) -> Tensor:
    values = constraint.values(x)
    values = values.abs() if constraint.equality else values
    return torch.where(values > tolerance, values, 0.0 * values).sum(dim=1)


def _slope(x: Tensor, function: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return a function of ``x`` and its gradient, flattened; 0 where there is none."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_(True)
        value = function(leaf)
        gradient = None
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
    found = torch.zeros_like(x) if gradient is None else gradient
    return value.detach(), found.flatten(1).nan_to_num(0.0, 0.0, 0.0)


def _measurement(rows: dict[str, Tensor]) -> Measurement:
    return Measurement(rows["loss"])


def _one(rows: dict[str, Tensor], endings: list[Ending | None] | None) -> Told:
    return Told(**{name: rows[name] for name in ROWS}, endings=endings or [None] * len(rows["x"]))
