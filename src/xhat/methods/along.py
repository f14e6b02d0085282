"""The run of a search along the data: its levels, its states, and what is kept of them."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from xhat.core import generator
from xhat.engine import Problem, Progress, Result, Status, StopRule, Trajectory, solve
from xhat.methods.acceptance import Acceptance
from xhat.methods.answers import kept
from xhat.methods.base import Options
from xhat.methods.steering import along_data, towards_class, towards_value
from xhat.priors import Prior
from xhat.spaces import Space

__all__ = ["Along"]

_PART = 128  # rows at a time, which bounds the memory
_LEFT = 1 / 3  # noise of a state, over the level
_EVIDENCE = 0.5  # of the way to another class; a start moved farther says nothing of what is near
_AGAIN = 8  # passes at the last level for what does not give the wanted value yet
_RESTORING = 100  # steps until constraints hold that cannot be projected onto


class Along:
    """One question, asked from every start.

    Args:
        how: the method's settings.
        problem: what is searched for.
        x0: ``(n, *x_shape)``, the starts.
        prior: where samples lie.
        wanted: classes or values in the words of the prior; None where it does not know them.
        content: when a result is accepted.
        to_value: whether a value is wanted.
        given: seed, and whether to keep states.
        through: a larger space that states go through; answers end in that of the problem, and are
            accepted there. None for that of the problem.
    """

    def __init__(
        self,
        how: Any,
        problem: Problem,
        x0: Tensor,
        prior: Prior,
        wanted: Tensor | None,
        content: Acceptance,
        to_value: bool,
        given: Options,
        through: Space | None = None,
    ) -> None:
        self.how, self.problem, self.x0, self.prior = how, problem, x0, prior
        self.wanted, self.content, self.guard = wanted, content, content.guard
        self.to_value, self.seed = to_value, given.computing.seed
        self.going = problem if through is None else replace(problem, space=through)
        with torch.no_grad():
            self.x, _ = kept(problem, x0)
            self.start = prior.coordinates.into(self.x)
            moved = (self.start - prior.coordinates.into(x0)).flatten(1).norm(dim=1)
        self.evident = moved <= _EVIDENCE * prior.apart
        self.shown = self.evident & how.tells
        self.frames = x0.expand(how.levels + 1, *x0.shape).clone() if given.trace else None

    def searched(
        self, on_progress: Callable[[Progress], None] | None, began: float
    ) -> tuple[Status, int]:
        """Search from all starts; return how it ended, and how many passes each took at most."""
        passes = 0
        try:
            for rows in torch.arange(len(self.x0)).split(_PART):
                passes = max(passes, self.search(rows))
                if on_progress is not None:
                    seconds = time.perf_counter() - began
                    on_progress(Progress(int(rows[-1]) + 1, len(self.x0), seconds))
        except KeyboardInterrupt:
            return Status.INTERRUPTED, passes
        return Status.STEPS_SPENT, passes

    def search(self, rows: Tensor) -> int:
        """Search from some of the starts; return how many passes each took at most."""
        done, _ = self.content(self.x[rows], rows, average=True)
        rest = rows[~(done & self.evident[rows])]
        shown = self.shown[rest]
        return max(self._ladder(rest[shown], True), self._ladder(rest[~shown], False))

    def _ladder(self, rest: Tensor, shown: bool) -> int:
        """Search with more and more sureness; return how many passes that took at most."""
        least = torch.full((len(self.x0),), torch.inf)
        passes = 0
        for sureness in self.how.sureness:
            found = torch.zeros(len(rest), dtype=torch.bool)
            for draw in range(self.how.tries if len(rest) else 0):
                way = Way(sureness, shown, generator(self.seed, "flow", str(draw)))
                x, frames = self._along(rest, way)
                passes += way.passes
                fine, lacking = self.content(x, rest)
                # accepted ones count by how near they are, below any that is not
                order = torch.where(fine, lacking.new_tensor(-1.0) / self._far(x, rest), lacking)
                better = order < least[rest]
                least[rest[better]] = order[better]
                self.x[rest[better]] = x[better]
                if self.frames is not None:
                    self.frames[:, rest[better]] = frames[:, better]
                found |= fine
            rest = rest[~found]
        return passes

    def _far(self, x: Tensor, rows: Tensor) -> Tensor:
        apart = self.prior.coordinates.into(x) - self.start[rows]
        return apart.flatten(1).norm(dim=1).clamp_min(1e-6)

    def restore(self, stop: tuple[StopRule, ...]) -> None:
        """Move by gradient steps what violates a constraint, to where it and the goal hold.

        Also what the way to the problem's own space has taken from the goal.
        """
        with torch.no_grad():
            x, _ = kept(self.problem, self.x)
            broken = self.problem.violation(x) > self.problem.tolerance
            missed = torch.zeros_like(broken)
            if self.going is not self.problem:
                missed = ~self.content(x, torch.arange(len(x)), average=True)[0]
        rows = (broken | missed).nonzero()[:, 0]
        if len(rows):
            problem = self.problem.select(rows)
            found = solve(problem, x[rows], stop=stop, max_steps=_RESTORING).finished()
            better = broken[rows] | found.reached
            self.x[rows[better]] = found.x[better]

    def path(self, every: int, found: Result) -> Trajectory | None:
        """Return the states of the search, the last of which is the result; None if not kept."""
        if self.frames is None:
            return None
        steps = [*range(0, self.how.levels, every), self.how.levels]
        frames = self.frames[steps].clone()
        frames[-1] = found.x
        losses = torch.full((len(steps), len(found)), torch.nan)
        losses[-1] = found.loss
        return Trajectory(tuple(steps), frames, losses)

    def _levels(self, sureness: float) -> list[float]:
        first = max(self.how.noise * float(self.prior.apart) * (1 + sureness), self.how.least)
        ends = math.log10(first), math.log10(self.how.least)
        return torch.logspace(*ends, self.how.levels, dtype=torch.float64).tolist()

    def _along(self, rows: Tensor, way: "Way") -> tuple[Tensor, Tensor]:
        """Return what is found from some starts, and the states on the way."""
        z, frames, x = self.start[rows], [self.x0[rows]], self.x0[rows]
        levels = self._levels(way.sureness)
        for k, (sigma, lower) in enumerate(zip(levels, [*levels[1:], 0.0], strict=True)):
            x = self._kept(self._stepped(z, sigma, rows, way, self._pushed(k, way)), rows)
            found = self.prior.coordinates.into(x)
            z = found + lower / sigma * (z - found)
            if k and self.how.churn:  # one draw for all, so that starts do not matter to others
                z = z + self.how.churn * lower * torch.randn(z.shape[1:], generator=way.draws).to(z)
            if self.frames is not None:
                frames.append(x if lower == 0 else self._cleaned(z, lower, rows))
        frames[-1] = x = self._ended(x, levels[-1], rows, way)
        return x, torch.stack(frames)

    def _ended(self, x: Tensor, sigma: float, rows: Tensor, way: "Way") -> Tensor:
        """Return answers at the last level as they are handed on: in the problem's own space."""
        if self.to_value:
            x = self._nearer(x, sigma, rows, way)
        with torch.no_grad():
            return kept(self.problem.select(rows), x)[0]

    def _stepped(
        self, z: Tensor, sigma: float, rows: Tensor, way: "Way", push: tuple[float, float]
    ) -> Tensor:
        """Return where noisy states of some starts lead."""
        objective = self.problem.objective.select(rows)

        def told(z: Tensor) -> Tensor:
            return self._told(z, sigma, rows, way, push)

        if self.to_value and self.how.steering:
            return towards_value(told, z, objective, self.prior)
        guard = None if self.guard is None else self.guard.select(rows)
        if self.how.steering and self.how.through:
            length = self.how.steering * sigma * math.sqrt(z[0].numel())
            return along_data(told, z, objective, guard, self.prior, length)
        with torch.no_grad():
            found = told(z)
        if not self.how.steering:
            return found
        length = self.how.steering * (found - self.start[rows]).flatten(1).norm(dim=1)
        return towards_class(found, objective, guard, self.prior, length)

    def _nearer(self, x: Tensor, sigma: float, rows: Tensor, way: "Way") -> Tensor:
        """Return what is found, moved on to the wanted value where limits held it back."""
        x = x.clone()
        for _ in range(_AGAIN * bool(self.how.steering)):
            with torch.no_grad():
                there = self.problem.objective.select(rows).measure(x, x).reached
            if there is None or bool(there.all()):
                break
            missed = (~there).nonzero()[:, 0]
            z, some = self.prior.coordinates.into(x[missed]), rows[missed]
            told = partial(self._told, sigma=sigma, rows=some, way=way, push=(0.0, 0.0))
            objective = self.problem.objective.select(some)
            x[missed] = self._kept(towards_value(told, z, objective, self.prior, again=True), some)
        return x

    @torch.no_grad()
    def _kept(self, u: Tensor, rows: Tensor) -> Tensor:
        """Return what has these coordinates, moved to where the problem holds."""
        x, _ = kept(self.going.select(rows), self.prior.coordinates.out(u).to(self.x0))
        return x

    @torch.no_grad()
    def _cleaned(self, z: Tensor, sigma: float, rows: Tensor) -> Tensor:
        """Return states without their noise, whatever the start and what is wanted."""
        return self._kept(self.prior.denoised(z, _LEFT * sigma, None, None), rows)

    def _pushed(self, k: int, way: "Way") -> tuple[float, float]:
        """Return how far away from both alternatives the level ``k`` is pushed."""
        if k >= self.how.guided * self.how.levels or not self.how.nearness:
            return 0.0, 0.0
        near = self.how.nearness if way.shown else 0.0
        return near, way.sureness if self.wanted is not None else 0.0

    def _told(
        self, z: Tensor, sigma: float, rows: Tensor, way: "Way", push: tuple[float, float]
    ) -> Tensor:
        """Return what the prior says that noisy states were."""
        start = self.start[rows] if way.shown else None
        wanted = None if self.wanted is None else self.wanted[rows]
        told = self.prior.denoised(z, sigma, wanted, start)
        near, sure = push
        way.passes += 1 + bool(near) + bool(sure)
        away = torch.zeros_like(told)
        with torch.no_grad():
            if near:
                away += near * (told - self.prior.denoised(z, sigma, None, None))
            if sure:
                away += sure * (told - self.prior.denoised(z, sigma, None, start))
        return told + away


@dataclass
class Way:
    """One way to go: how sure, whether the prior sees the start, and which noise.

    Attributes:
        passes: that it took so far.
    """

    sureness: float
    shown: bool
    draws: torch.Generator
    passes: int = 0
