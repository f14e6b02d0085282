"""Rounds: descent, new multipliers, descent again, until the constraints hold and nothing falls.

One round is one pass of the loop (``Run``) over those candidates that are not done yet, on their
augmented Lagrangian; it ends for a candidate when its merit has settled. The best of all rounds is
kept, feasible over infeasible, and restored at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_count
from xhat.engine.answers import Answers
from xhat.engine.faults import guarded
from xhat.engine.lagrangian import AugmentedLagrangian, Lagrangian, Multipliers, columns
from xhat.engine.problem import Problem
from xhat.engine.restoration import Linearized, restore
from xhat.engine.run import Progress, Run
from xhat.engine.setup import snapshot
from xhat.engine.status import Ending, Status
from xhat.engine.stopping import Memory, Snapshot, StopRule, target_reached

__all__ = ["Rounds", "Settled"]

_PATIENCE = 12  # steps: more than a line search rejects in a row
_SAME = 1e-6  # relative change of the loss between two rounds that counts as none
_STUCK = 5  # rounds in a row that do not reduce a violation
_AWAY = 1e4  # times the first violation: the penalty was too weak to keep the candidate
_FIRMER = 100.0  # times the penalty that failed


@dataclass(frozen=True)
class Settled(StopRule):
    """The merit has not fallen by ``tolerance`` of itself within some steps, or they are spent.

    The count begins anew with every round.
    """

    steps: int
    tolerance: float
    status: ClassVar[Status] = Status.ROUND_ENDED
    replays: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the steps."""
        check_count("the step budget", self.steps)

    def init(self, n: int, device: torch.device) -> Memory:
        """Return the merit to beat, how long it has stood, and the steps of the round."""
        zero = torch.zeros(n, dtype=torch.long, device=device)
        best = torch.full((n,), torch.inf, dtype=torch.float64, device=device)
        return {"best": best, "since": zero, "taken": zero}

    def fired(self, now: Snapshot, memory: Memory) -> tuple[Tensor, Memory]:
        """Count the steps since the last real progress."""
        merit, best = now.merit.double(), memory["best"]
        better = best.isinf() & merit.isfinite()
        better |= merit < best - self.tolerance * (1 + best.abs())
        since = torch.where(better, 0, memory["since"] + 1)
        best = torch.minimum(best, merit.nan_to_num(torch.inf))
        fires = (since >= _PATIENCE) | (memory["taken"] >= self.steps)
        return fires, {"best": best, "since": since, "taken": memory["taken"] + 1}


class Rounds:
    """All rounds of a search with general constraints.

    Args:
        run: of the problem as it was asked.
        how: rounds and penalties.
        steps: the step budget of one round.
    """

    def __init__(self, run: Run, how: AugmentedLagrangian, steps: int) -> None:
        self.run, self.how, self.steps = run, how, steps
        rules = run.setup.rules
        final = tuple(rule for rule in rules if rule.certain or rule.deadline < inf)
        self.final = {rule.ending for rule in final}
        self.kept = final + tuple(rule for rule in rules if rule.ends_rounds)
        self.budget = min(rule.budget for rule in rules)
        self.tolerance = run.setup.problem.tolerance

    def once(self, ids: Tensor, number: int, before: Answers | None = None) -> Answers:
        """Return the answers of one try of the candidates ``ids``.

        Where answers of another method came ``before``, it goes on from there.
        """
        state, failed = self._begin(ids, number, before)
        if state is None:
            answers = Answers(len(self.run.x0), self.run.watch.trace)
            answers.leave_out(failed, self.run.starts)
            return answers
        stopped = self.run.setup.stopped
        for count in range(self.how.rounds):
            live = (~state.done).nonzero()[:, 0]
            if not len(live) or stopped.is_set():
                break
            try:
                self._one_round(state, live, count)
            except KeyboardInterrupt:
                stopped.set()
        answers = state.answers
        if stopped.is_set():
            unfinished = (~state.done).nonzero()[:, 0].tolist()
            state.failed = dict.fromkeys(unfinished, Ending(Status.INTERRUPTED)) | state.failed
        else:
            self._each(state, ids[~state.lost[ids]], lambda part: self._restore(state, part))
        self._tell_what_pulls(state, ids)
        unwritten = {i: why for i, why in state.failed.items() if answers.endings[i] is None}
        answers.leave_out(unwritten, self.run.starts)
        for i, why in state.failed.items():
            answers.endings[i] = why
        return answers

    def _one_round(self, state: "_State", live: Tensor, count: int) -> None:
        """Descend once more, and keep what is better."""
        found = self._round(state, live, count)
        if count == 0:
            state.answers = found
        looked, status = found.columns["evaluations"][live] > 0, found.status
        looked |= torch.tensor([status[i] is Status.TIME_SPENT for i in live.tolist()])
        self._each(state, live[looked], lambda part: self._look(state, part, found))
        if count > 0:
            state.answers.follow(found, live)
            state.answers.keep_better(found, live, self.tolerance)
        state.steps += found.columns["steps"]
        self._decide(state, live, found, last=count == self.how.rounds - 1)

    def _each(self, state: "_State", ids: Tensor, work: Callable[[Tensor], None]) -> None:
        """Work on a chunk at a time; whoever makes it raise is done, and it is told."""
        for part in ids.split(self.run.chunk):
            for i, ending in guarded(part, work).items():
                state.failed[i] = ending
                state.done[i] = state.lost[i] = True

    def _begin(
        self, ids: Tensor, number: int, before: Answers | None
    ) -> "tuple[_State | None, dict[int, Ending]]":
        """Return where the candidates stand, and why some could not begin."""
        n, parts = len(self.run.x0), list[tuple[Tensor, Tensor, Multipliers, Tensor]]()

        def begin(part: Tensor) -> None:
            if before is None:
                z = self.run.begin(part, number)
            else:
                z = before.columns["z"][part].to(self.run.setup.device)
            problem = self.run.setup.narrowed(part)
            with torch.no_grad():
                first = problem.violation(problem.space.decode(z)).clamp_min(0)
            multipliers = _first_multipliers(problem, z).to("cpu", z.dtype)
            parts.append((part, z.cpu(), multipliers, first.cpu()))

        failed = dict[int, Ending]()
        for part in ids.split(self.run.chunk):
            failed |= guarded(part, begin)
        if not parts:
            return None, failed
        begun = torch.cat([part for part, _, _, _ in parts])
        z = _spread(torch.cat([z for _, z, _, _ in parts]), begun, n)
        state = _State(self.run, z, _joined([m for _, _, m, _ in parts], begun, n), begun)
        state.first = _spread(torch.cat([first for _, _, _, first in parts]), begun, n)
        if before is not None:
            state.steps[begun] = before.columns["steps"][begun]
            state.spent[begun] = before.columns["evaluations"][begun]
        state.failed = failed
        state.lost[list(failed)] = True
        return state, failed

    def _round(self, state: "_State", live: Tensor, count: int) -> Answers:
        setup = self.run.setup
        problem = replace(
            setup.problem,
            objective=Lagrangian(
                setup.problem.objective, setup.problem.general, state.multipliers, self.tolerance
            ),
            constraints=setup.problem.projected,
        )
        settled = Settled(self.steps, max(10.0 ** -(4 + count), 1e-11))
        run = replace(
            self.run,
            setup=replace(setup, problem=problem, rules=(*self.kept, settled)),
            restarts=None,
            watch=replace(self.run.watch, on_progress=self._counted(len(live))),
        )
        found = run.along(live, lambda part: state.z[part].to(setup.device), state.steps)
        found.columns["steps"][live] -= state.steps[live]
        found.columns["own"][live] = False
        return found

    def _counted(self, live: int) -> Callable[[Progress], None] | None:
        """Return the caller's callback, told of the candidates that are done for good."""
        tell = self.run.watch.on_progress
        if tell is None:
            return None
        return lambda now: tell(replace(now, done=now.total - live))

    def _look(self, state: "_State", live: Tensor, found: Answers) -> None:
        """Measure where a round ended by the problem as it was asked."""
        z = found.columns["z"][live].to(self.run.setup.device)
        seen = _Seen.of(self.run, live, z)
        state.before[live] = state.loss[live]
        state.z[live], state.conditions[live] = z.cpu(), seen.conditions.cpu()
        state.loss[live], state.violation[live] = seen.loss.cpu(), seen.violation.cpu()
        seen.write(found, live)
        found.columns["evaluations"][live] += 1

    def _decide(self, state: "_State", live: Tensor, found: Answers, *, last: bool) -> None:
        """Say of every live candidate whether it is done, and update the multipliers."""
        answers = state.answers
        multipliers, conditions = state.multipliers.select(live), state.conditions[live]
        measure = multipliers.complementarity(conditions)
        holds = state.violation[live] <= self.tolerance
        loss = state.loss[live]
        same = (loss - state.before[live]).abs() <= _SAME * (1 + loss.abs())
        idle = (multipliers.values == 0).all(dim=1) & (conditions < 0).all(dim=1)
        converged = holds & (measure <= self.tolerance) & (same | idle)
        stuck = ~holds & ~(measure < 0.9 * multipliers.measure)
        state.stuck[live] = torch.where(stuck, state.stuck[live] + 1, 0)
        away = ~(state.violation[live] <= _AWAY * (1 + state.first[live]))
        state.stuck[live] = torch.where(away, _STUCK, state.stuck[live])
        endings = [found.endings[i] for i in live.tolist()]
        ended = torch.tensor(
            [e is not None and (e in self.final or e.status.hopeless) for e in endings]
        )
        ended |= state.lost[live]
        lost = (state.stuck[live] >= _STUCK) & ~ended
        state.done[live] = ended | converged | (lost & state.rescued[live])
        spent = answers.columns["evaluations"][live] + state.spent[live] >= self.budget
        state.done[live] |= spent
        for i in live[ended].tolist():
            answers.endings[i] = found.endings[i]
        over = state.done[live] & ~ended
        if last:
            self._end(answers, live[~over & ~ended], Status.ROUNDS_SPENT)
        # lost a second time; what was kept may still be feasible
        self._end(answers, live[over], Status.NO_PROGRESS)
        self._end(answers, live[over & spent], Status.EVALUATIONS_SPENT)
        self._end(answers, live[over & converged], Status.CONVERGED)
        state.multipliers = _joined(
            [multipliers.updated(conditions, self.how)], live, len(state.z), state.multipliers
        )
        lost = live[lost & ~state.done[live]]
        if len(lost):
            self._rescue(state, lost)

    @staticmethod
    def _end(answers: Answers, ids: Tensor, status: Status) -> None:
        """Say why the search of some candidates ended."""
        for i in ids.tolist():
            answers.endings[i] = Ending(status)

    def _rescue(self, state: "_State", ids: Tensor) -> None:
        """Begin anew with a firm penalty, from the nearest feasible point to the start."""

        def rescue(part: Tensor) -> None:
            problem, z = self.run.setup.narrowed(part), state.start[part].to(self.run.setup.device)
            equality = state.multipliers.equality.to(z.device)
            state.z[part] = restore(problem, z, equality).cpu()
            firm = _first_multipliers(problem, z).firmer(_FIRMER).to("cpu", z.dtype)
            state.multipliers = _joined([firm], part, len(state.z), state.multipliers)

        self._each(state, ids, rescue)
        state.rescued[ids], state.stuck[ids] = True, 0

    def _restore(self, state: "_State", ids: Tensor) -> None:
        """Move what does not hold well within the tolerance to where it does."""
        answers, had = state.answers, state.answers.columns
        part = ids[had["violation"][ids] > 0.1 * self.tolerance]
        if len(part):
            problem = self.run.setup.narrowed(part)
            z = had["z"][part].to(self.run.setup.device)
            equality = state.multipliers.equality.to(z.device)
            seen = _Seen.of(self.run, part, restore(problem, z, equality))
            better = (seen.violation.cpu() < had["violation"][part]) & seen.loss.isfinite().cpu()
            seen.write(answers, part, better)
        for i in ids[~(had["violation"][ids] <= self.tolerance)].tolist():
            if answers.endings[i] not in self.final:
                answers.endings[i] = Ending(Status.INFEASIBLE)

    def _tell_what_pulls(self, state: "_State", ids: Tensor) -> None:
        """Name the constraint that keeps a candidate from its goal, or from being feasible."""
        pull = state.multipliers.values.abs() * state.multipliers.scales
        pull = torch.where(state.lost[:, None], 0.0, pull / state.multipliers.weight[:, None])
        tell_what_pulls(self.run, state.answers, pull, ids)


def tell_what_pulls(run: Run, answers: Answers, pull: Tensor, ids: Tensor) -> None:
    """Name the constraint that keeps a candidate from its goal, or from being feasible.

    Args:
        run: of the problem as it was asked.
        answers: of all ``n`` starts.
        pull: ``(n, k)``, the multiplier of every condition.
        ids: ``(m,)``, places among the starts that were searched.
    """
    had, setup = answers.columns, run.setup
    if "violation" not in had or not pull.numel():  # nobody has been looked at
        return
    largest, most = pull.max(dim=1)
    held_up = had["violation"] > setup.problem.tolerance
    if answers.targeted:
        held_up |= ~had["reached"]
    held_up &= largest > 0
    for i in ids.tolist():
        setup.noticed.pulled.pop(i, None)
    for i in ids[held_up[ids]].tolist():
        x = had["x"][[i]].to(setup.device)
        names = [
            part.name
            for part in setup.narrowed(torch.tensor([i])).general
            for _ in range(part.values(x).shape[1])
        ]
        setup.noticed.pulled[i] = names[int(most[i])], float(largest[i])


class _State:
    """What is known of all ``n`` candidates between rounds; on the CPU."""

    def __init__(self, run: Run, z: Tensor, multipliers: Multipliers, ids: Tensor) -> None:
        n = len(run.x0)
        self.answers = Answers(n, run.watch.trace)
        self.z, self.multipliers = z, multipliers
        self.conditions = torch.zeros_like(multipliers.values)
        self.start, self.first = z.clone(), torch.zeros(n, dtype=z.dtype)
        self.loss = torch.full((n,), torch.inf, dtype=z.dtype)
        self.before, self.violation = self.loss.clone(), self.loss.clone()
        self.steps, self.stuck, self.spent = torch.zeros(3, n, dtype=torch.long)
        self.done = torch.ones(n, dtype=torch.bool)
        self.done[ids] = False
        self.rescued, self.lost = torch.zeros(2, n, dtype=torch.bool)
        self.failed: dict[int, Ending] = {}


@dataclass(frozen=True)
class _Seen:
    """What the problem, as it was asked, says of some candidates."""

    x: Tensor
    z: Tensor
    loss: Tensor
    violation: Tensor
    conditions: Tensor
    reached: Tensor | None
    confidence: Tensor | None

    @classmethod
    def of(cls, run: Run, ids: Tensor, z: Tensor) -> "_Seen":
        problem = run.setup.narrowed(ids)
        with torch.no_grad():
            x = problem.space.decode(z)
            found = problem.objective.measure(x, z)
            conditions = columns(problem.general, x)
            violation = problem.violation(x)
        none = torch.zeros_like(ids)
        reached = target_reached(run.setup.rules, snapshot(found, none, none, 0.0))
        return cls(x, z, found.loss, violation, conditions, reached, found.confidence)

    def write(self, answers: Answers, ids: Tensor, which: Tensor | None = None) -> None:
        """Put it into the answers of the candidates ``ids``, or of those that are chosen."""
        chosen = slice(None) if which is None else which
        for name in ("x", "z", "loss", "violation", "reached", "confidence"):
            value = getattr(self, name)
            if value is not None:
                value = value.to(answers.columns[name])
                answers.columns[name][ids[chosen]] = value[chosen]
        answers.columns["own"][ids[chosen]] = True


def _first_multipliers(problem: Problem, z: Tensor) -> Multipliers:
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        x = problem.space.decode(z)
        loss = problem.objective.measure(x, z).loss
        (gradient,) = torch.autograd.grad(loss.sum(), z, allow_unused=True)
    slope = torch.zeros_like(loss)
    if gradient is not None:
        slope = problem.space.of_units(gradient).flatten(1).abs().amax(dim=1)
    here = Linearized(problem, z)
    widths = [(c.equality, c.values(x.detach()).shape[1]) for c in problem.general]
    equality = torch.tensor([equal for equal, width in widths for _ in range(width)])
    return Multipliers.begin(
        loss.detach(), slope.detach(), here.values, here.steepness(), equality[None]
    )


def _spread(rows: Tensor, ids: Tensor, n: int, into: Tensor | None = None) -> Tensor:
    spread = rows.new_zeros(n, *rows.shape[1:]) if into is None else into.clone()
    spread[ids] = rows
    return spread


def _joined(
    parts: list[Multipliers], ids: Tensor, n: int, into: Multipliers | None = None
) -> Multipliers:
    """Return multipliers of ``n`` candidates: those given at ``ids``, the others as they were."""

    def whole(name: str) -> Tensor:
        rows = torch.cat([getattr(part, name) for part in parts])
        return _spread(rows, ids, n, None if into is None else getattr(into, name))

    names = [name for name in Multipliers.per_candidate if name != "equality"]
    return Multipliers(equality=parts[0].equality, **{name: whole(name) for name in names})
