"""The run of a search along the data: its levels, its states, and what is kept of them."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.core import generator
from xhat.engine import Problem, Progress, Result, Status, StopRule, Trajectory, solve
from xhat.methods.acceptance import Acceptance
from xhat.methods.answers import kept
from xhat.methods.base import Options
from xhat.objectives import Objective

__all__ = ["Along"]

_PART = 128  # rows at a time, which bounds the memory
_LEFT = 1 / 3  # noise of a state, over the level
_RESTORING = 100  # steps until constraints hold that cannot be projected onto


class Along:
    """One question, asked from every start."""

    def __init__(
        self,
        how: Any,
        problem: Problem,
        x0: Tensor,
        prior: Any,
        wanted: Tensor | None,
        content: Acceptance,
        given: Options,
    ) -> None:
        self.how, self.problem, self.x0, self.prior = how, problem, x0, prior
        self.wanted, self.content, self.guard = wanted, content, content.guard
        self.seed = given.computing.seed
        self.start = prior.coordinates.into(x0)
        self.x = x0.clone()
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
        done, _ = self.content(self.x0[rows], rows, real=True)
        rest, passes = rows[~done], 0
        least = torch.full((len(self.x0),), torch.inf)
        for sureness in self.how.sureness:
            found = torch.zeros(len(rest), dtype=torch.bool)
            for tried in range(self.how.tries if len(rest) else 0):
                x, frames, took = self._along(rest, sureness, tried)
                passes += took
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
        """Move what violates a constraint by gradient steps, to where it and the goal hold."""
        with torch.no_grad():
            x, _ = kept(self.problem, self.x)
        rows = (self.problem.violation(x) > self.problem.tolerance).nonzero()[:, 0]
        if len(rows):
            problem = self.problem.select(rows)
            found = solve(problem, x[rows], stop=stop, max_steps=_RESTORING).finished()
            self.x[rows] = found.x

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

    def _along(self, rows: Tensor, sureness: float, tried: int) -> tuple[Tensor, Tensor, int]:
        """Return what is found from some starts, the states on the way, and passes of each."""
        prior, start = self.prior, self.start[rows]
        wanted = None if self.wanted is None else self.wanted[rows]
        objective = self.problem.objective.select(rows)
        guard = None if self.guard is None else self.guard.select(rows)
        problem = self.problem.select(rows)
        draws = generator(self.seed, "flow", str(tried))
        z, frames, x, passes = start, [self.x0[rows]], self.x0[rows], 0
        levels = self._levels(sureness)
        for k, (sigma, lower) in enumerate(zip(levels, [*levels[1:], 0.0], strict=True)):
            with torch.no_grad():
                found, took = self._guided(z, sigma, wanted, start, self._pushed(k, sureness))
            passes += took
            found = self._steered(found, start, objective, guard)
            with torch.no_grad():
                x, _ = kept(problem, prior.coordinates.out(found).to(self.x0))
                found = prior.coordinates.into(x)
                z = found + lower / sigma * (z - found)
                if k and self.how.churn:  # one draw for all, so that starts do not matter to others
                    fresh = torch.randn(z.shape[1:], generator=draws).to(z)
                    z = z + self.how.churn * lower * fresh
                if self.frames is not None:
                    frames.append(x if lower == 0 else kept(problem, self._cleaned(z, lower))[0])
        return x, torch.stack(frames), passes

    def _pushed(self, k: int, sureness: float) -> tuple[float, float]:
        """Return how far away from both alternatives the level ``k`` is pushed."""
        if k >= self.how.guided * self.how.levels:
            return 0.0, 0.0
        return self.how.nearness, max(sureness, 0.0) if self.wanted is not None else 0.0

    def _guided(
        self,
        z: Tensor,
        sigma: float,
        wanted: Tensor | None,
        start: Tensor,
        pushed: tuple[float, float],
    ) -> tuple[Tensor, int]:
        """Return what states are taken for, and how many passes that took."""
        told = found = self.prior.denoised(z, sigma, wanted, start)
        near, sure = pushed
        if near:
            found = found + near * (told - self.prior.denoised(z, sigma, None, None))
        if sure:
            found = found + sure * (told - self.prior.denoised(z, sigma, None, start))
        return found, 1 + bool(near) + bool(sure)

    def _cleaned(self, z: Tensor, sigma: float) -> Tensor:
        """Return states without their noise, whatever the start and what is wanted."""
        return self.prior.coordinates.out(self.prior.denoised(z, _LEFT * sigma, None, None)).to(
            self.x0
        )

    def _steered(
        self, found: Tensor, start: Tensor, objective: Objective, guard: Objective | None
    ) -> Tensor:
        """Return estimates moved along minus the gradient of what is not met yet."""
        if not self.how.steering:
            return found
        with torch.inference_mode(False), torch.enable_grad():
            u = found.detach().clone().requires_grad_(True)
            x = self.prior.coordinates.out(u)
            measured = objective.measure(x, x)
            loss = measured.descended
            if guard is not None:
                loss = loss + guard(x)
            (gradient,) = torch.autograd.grad(loss.sum(), u)
        gradient = torch.nan_to_num(gradient, 0.0, 0.0, 0.0)
        size = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
        far = (found - start).flatten(1).norm(dim=1)
        step = self.how.steering * _lack(measured) * far / size
        return found - step.reshape(-1, *(1,) * (u.ndim - 1)) * gradient


def _lack(measured: Any) -> Tensor:
    """Return how much is missing, in [0, 1]: what the model does not give to the target."""
    if measured.confidence is not None:
        return 1 - measured.confidence.detach()
    if measured.reached is not None:
        return 1 - measured.reached.float()
    return torch.ones_like(measured.loss).detach()
