"""Searching along the data: from the start to what is wanted, every state on the way real.

A prior knows where real samples lie (``xhat.priors``). The search begins at the start, takes it for
a real sample of what is wanted that was hidden by much noise, and asks, at falling levels of noise,
what that sample was. Each answer is steered by the gradient of the searched model, and the state
goes a part of the way to it::

    e = D(z; σ, wanted, start)
    e ← e + near (e - D(z; σ)) + sure (e - D(z; σ, start))
    e ← e - step ∇ loss(f(e))
    z ← e + τ/σ (z - e)                                   τ, the next level

Where a value is wanted, the step leads along the data: the gradient goes back through the estimate
to ``z``. The estimate's Jacobian is the covariance of what the sample may have been, over ``σ²``.
And the step is as long as takes a squared error to 0::

    e ← e - 2 loss(f(e)) / (∇e loss · ∇z loss) ∇z loss

What ends far from the start is surer, what ends near it less so. Of several degrees of sureness
each start gets the least at which the searched model gives what is wanted, and a second classifier,
the guard, is as sure of it as of half of the real samples.

Source: the deterministic steps: Song, Meng, Ermon, "Denoising Diffusion Implicit Models", ICLR
2021; away from what anything would be: Ho, Salimans, "Classifier-Free Diffusion Guidance", 2022;
steering by a classifier that never saw noise: Chung et al., "Diffusion Posterior Sampling for
General Noisy Inverse Problems", ICLR 2023; the Jacobian of an estimate: Boys et al., "Tweedie
Moment Projected Diffusions for Inverse Problems", TMLR 2024.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.constraints import Constraint
from xhat.core import check_count, check_fraction, check_positive, per_row
from xhat.domain.references import label_loss
from xhat.engine import Problem, Progress, Result, Status, StopRule, Trajectory, solve
from xhat.methods.answers import answered, kept, untouched
from xhat.methods.base import Around, Method, Model, Options, Plan, Training, until
from xhat.objectives import CrossEntropy, Objective
from xhat.objectives.goals import Goal
from xhat.priors import FEWEST, at_once
from xhat.surrogates import ReferenceSamples

__all__ = ["Flow"]

_PART = 250  # rows at a time, which bounds the memory
_RESTORING = 100  # steps until constraints hold that cannot be projected onto
_AGAIN = 8  # passes at the last level for what does not give the wanted value yet
_INSIDE = 1.4  # of the step to a value, of which limits take a part


@dataclass(frozen=True)
class Flow(Method):
    """From the start along the data: a prior says where, the model's gradient says which way.

    The prior is told the wanted class or value where the domain knows it of its samples. Otherwise
    the gradient alone says which way. Where a value is wanted of samples that have classes, the
    class of the start is kept, as the guard sees it.

    Attributes:
        noise: the first level, over how far samples lie from the nearest of another class; the
            more, the farther from the start and the surer.
        least: the last level, over the deviation of real samples.
        levels: how many; each takes two passes through the prior, or three where it is to be surer.
        steering: length of a step along the model's gradient, over the distance from the start; to
            a value it is as long as it takes, but for 0, which never steps.
        nearness: how far away from what a sample would be without the start; 0 saves a pass.
        sureness: how far away from what a sample would be without the target, tried one after the
            other; the first level is raised by it, too.
        share: the guard is to be as sure as of this share, in (0, 1), of real samples.
    """

    name: ClassVar[str] = "flow"
    caption: ClassVar[str] = "from the start along the data to the target"
    needs: ClassVar[tuple[str, ...]] = ("prior",)
    options: ClassVar[tuple[str, ...]] = (
        "confidence", "max_steps", "seed", "trace", "on_progress",
    )  # fmt: skip
    noise: float = 0.6
    least: float = 0.05
    levels: int = 10
    steering: float = 0.3
    nearness: float = 0.5
    sureness: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    share: float = 0.8

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive("noise", self.noise)
        check_positive("least", self.least)
        check_count("levels", self.levels)
        check_fraction("share", self.share)

    def missing(self, domain: Around, goal: Goal) -> str | None:
        """Return why a domain cannot serve this method; see ``Method.missing``."""
        said = super().missing(domain, goal)
        return self.too_few(domain) if said is None else said

    def too_few(self, domain: Any) -> str | None:
        """Return a sentence where searches know too few samples for a prior, else None."""
        if (few := len(domain.halves[0])) >= FEWEST:
            return None
        return (
            f"the method {self.name!r} needs a prior, which takes {FEWEST} samples or more, "
            f"but searches know {few}; use the method 'nearest', or give more."
        )

    def knows(self, domain: Any, goal: Goal) -> bool:
        """Return whether real samples, or the model's slope, say where what is wanted lies."""
        return (
            (bool(domain.classes) and goal.labels is not None) if goal.by_class else goal.targeted
        )

    def quick(self, domain: Any) -> bool:
        """Return whether the prior has a closed form, so that it is there at once."""
        return at_once(domain.x.ndim, len(domain.halves[0]))

    def prepare(self, domain: Around, on_progress: Training | None = None) -> None:
        """Fit the prior, and the guard where there are classes."""
        domain.network("prior", on_progress)
        if domain.classes:
            domain.network("robust", on_progress)

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question that results are measured by."""
        return Plan(Problem(goal.objective(model), domain.space(x0), tuple(constraints)))

    def search(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
        options: Options | None = None,
    ) -> Result:
        """Search from every start; ``max_steps`` is the number of levels. See ``Method.search``."""
        given = self.checked(options)
        began = time.perf_counter()
        how = self if given.max_steps is None else replace(self, levels=given.max_steps)
        problem = self.plan(model, goal, x0, domain, constraints).problem
        seed = given.computing.seed
        with untouched(problem, x0, seed):
            confidence = _confidence(goal, given.confidence)
            flow = _Flow(how, model, goal, problem, x0, domain, confidence)
            status, passes = flow.searched(given.on_progress, began)
            flow.restore(until(goal, confidence))
            found = answered(
                problem,
                x0,
                flow.x,
                status=status,
                confidence=confidence,
                seed=seed,
                seconds=time.perf_counter() - began,
                steps=how.levels,
                evaluations=passes,
            )
        ended = tuple(
            Status.TARGET_REACHED if there else status for there in found.reached.tolist()
        )
        path = flow.path(given.trace, found) if given.trace else None
        return replace(found, status=ended, trajectory=path)


class _Flow:
    """One question, asked from every start."""

    def __init__(
        self,
        how: Flow,
        model: Model,
        goal: Goal,
        problem: Problem,
        x0: Tensor,
        domain: Any,
        confidence: float | None,
    ) -> None:
        self.how, self.problem, self.x0, self.confidence = how, problem, x0, confidence
        self.prior = domain.network("prior")
        self.to_value = goal.targeted and not goal.by_class
        labels = goal.labels_for(len(x0))
        if self.to_value and domain.classes:  # what is of one class stays of it
            with torch.no_grad():
                labels = domain.network("robust")(x0).argmax(dim=1)
        self.wanted = _wanted(self.prior, goal, labels, model, x0)
        self.objective = problem.objective
        self.guard, self.bound = None, None
        if labels is not None and int(labels.max()) < len(domain.classes):
            _check_known(labels, domain)
            guard = domain.network("robust")
            self.guard = CrossEntropy(guard, labels)
            self.bound = _typical(guard, domain, how.share)[labels]
        self.start = self.prior.coordinates.into(x0)
        self.x = x0.clone()
        self.frames = x0.expand(how.levels + 1, *x0.shape).clone()

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
        done, _ = self._sure(self.x0[rows], rows)
        rest, passes = rows[~done], 0
        least = torch.full((len(self.x0),), torch.inf)
        for sureness in self.how.sureness:
            if not len(rest):
                break
            x, frames = self._along(rest, sureness)
            passes += self.how.levels * (1 + bool(self.how.nearness) + bool(sureness))
            done, lacking = self._sure(x, rest)
            better = done | (lacking < least[rest])
            least[rest] = torch.minimum(least[rest], lacking)
            self.x[rest[better]] = x[better]
            self.frames[:, rest[better]] = frames[:, better]
            rest = rest[~done]
        return passes

    def restore(self, stop: tuple[StopRule, ...]) -> None:
        """Move what violates a constraint by gradient steps, to where it and the goal hold."""
        with torch.no_grad():
            x, _ = kept(self.problem, self.x)
        rows = (self.problem.violation(x) > self.problem.tolerance).nonzero()[:, 0]
        if len(rows):
            problem = self.problem.select(rows)
            found = solve(problem, x[rows], stop=stop, max_steps=_RESTORING).finished()
            self.x[rows] = found.x

    def path(self, every: int, found: Result) -> Trajectory:
        """Return the states of the search, the last of which is the result."""
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

    def _along(self, rows: Tensor, sureness: float) -> tuple[Tensor, Tensor]:
        """Return what is found from some starts, and the states on the way."""
        z, frames, x = self.start[rows], [self.x0[rows]], self.x0[rows]
        levels = self._levels(sureness)
        for sigma, lower in zip(levels, [*levels[1:], 0.0], strict=True):
            x, _ = self._kept(self._stepped(z, sigma, rows, sureness), rows)
            found = self.prior.coordinates.into(x)
            z = found + lower / sigma * (z - found)
            frames.append(x if lower == 0 else self._kept(z, rows)[0])
        if self.to_value:
            frames[-1] = x = self._nearer(x, levels[-1], rows, sureness)
        return x, torch.stack(frames)

    def _stepped(self, z: Tensor, sigma: float, rows: Tensor, sureness: float) -> Tensor:
        """Return where noisy states of some starts lead."""
        if self.to_value and self.how.steering:
            return self._towards(z, sigma, rows, sureness)
        with torch.no_grad():
            found = self._told(z, sigma, rows, sureness)
        guard = None if self.guard is None else self.guard.select(rows)
        return self._steered(found, self.start[rows], self.objective.select(rows), guard)

    def _nearer(self, x: Tensor, sigma: float, rows: Tensor, sureness: float) -> Tensor:
        """Return what is found, moved on to the wanted value where limits held it back."""
        x = x.clone()
        for _ in range(_AGAIN * bool(self.how.steering)):
            with torch.no_grad():
                missed = (~self.objective.select(rows).measure(x, x).reached).nonzero()[:, 0]
            if not len(missed):
                break
            z = self.prior.coordinates.into(x[missed])
            moved = self._towards(z, sigma, rows[missed], sureness, again=True)
            x[missed] = self._kept(moved, rows[missed])[0]
        return x

    @torch.no_grad()
    def _kept(self, u: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return what has these coordinates, moved to where the problem holds."""
        return kept(self.problem.select(rows), self.prior.coordinates.out(u).to(self.x0))

    def _told(self, z: Tensor, sigma: float, rows: Tensor, sureness: float) -> Tensor:
        """Return what the prior says that noisy states were."""
        prior, start = self.prior, self.start[rows]
        wanted = None if self.wanted is None else self.wanted[rows]
        told = prior.denoised(z, sigma, wanted, start)
        away = torch.zeros_like(told)
        with torch.no_grad():
            if self.how.nearness:
                away += self.how.nearness * (told - prior.denoised(z, sigma, None, None))
            if sureness and wanted is not None:
                away += sureness * (told - prior.denoised(z, sigma, None, start))
        return told + away

    def _towards(
        self, z: Tensor, sigma: float, rows: Tensor, sureness: float, *, again: bool = False
    ) -> Tensor:
        """Return estimates, or states ``again``, moved along the data to the wanted value."""
        objective = self.objective.select(rows)
        with torch.inference_mode(False), torch.enable_grad():
            z = z.detach().clone().requires_grad_(True)
            told = self._told(z, sigma, rows, sureness)
            found = (z if again else told).detach().clone().requires_grad_(True)
            x = self.prior.coordinates.out(found)
            loss = objective.measure(x, x).descended
            (steepest,) = torch.autograd.grad(loss.sum(), found)
            steepest = torch.nan_to_num(steepest, 0.0, 0.0, 0.0)
            (way,) = torch.autograd.grad(told, z, steepest)
        falls = (steepest * way).flatten(1).sum(dim=1)
        way = torch.where(per_row(falls > 0, way), way, steepest)  # also where way is no number
        falls = (steepest * way).flatten(1).sum(dim=1).clamp_min(1e-30)
        # a square falls to 0 in twice the way on which its tangent does
        length = _INSIDE * 2 * loss.detach() / falls
        most = float(self.prior.apart) / way.flatten(1).norm(dim=1).clamp_min(1e-30)
        return found.detach() - per_row(torch.minimum(length, most), way) * way

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

    @torch.no_grad()
    def _sure(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether what was found is sure enough, ``(n,)``, and how much it lacks."""
        measured = self.objective.select(rows).measure(x, x)
        lacking = torch.nan_to_num(measured.loss.float(), torch.inf, torch.inf, torch.inf)
        if measured.reached is None:
            return torch.zeros(len(x), dtype=torch.bool), lacking
        reached = measured.reached
        if self.confidence is not None and measured.confidence is not None:
            reached = reached & (measured.confidence >= self.confidence)
        if self.guard is None or self.bound is None:
            return reached, lacking
        doubt = self.guard.select(rows)(x)
        lacking = lacking + (doubt - self.bound[rows]).clamp_min(0)
        return reached & (doubt <= self.bound[rows]), lacking


def _lack(measured: Any) -> Tensor:
    """Return how much is missing, in [0, 1]: what the model does not give to the target."""
    if measured.confidence is not None:
        return 1 - measured.confidence.detach()
    if measured.reached is not None:
        return 1 - measured.reached.float()
    return torch.ones_like(measured.loss).detach()


def _wanted(
    prior: Any, goal: Goal, labels: Tensor | None, model: Model, x0: Tensor
) -> Tensor | None:
    """Return what is wanted in the words of the prior; None where it does not know them."""
    if prior.classes:
        return None if labels is None or int(labels.max()) >= prior.classes else labels
    if prior.quantities and not goal.by_class:
        with torch.no_grad():
            y = model(x0).reshape(len(x0), -1)
        return goal.aim(y) if y.shape[1] == prior.quantities else None
    return None


def _check_known(labels: Tensor, domain: Any) -> None:
    """Raise ``ValueError`` unless searches know a real sample of every wanted class."""
    known = domain.labels[domain.halves[0]].unique()
    missing = labels[~torch.isin(labels, known)]
    if len(missing):
        raise ValueError(
            f"searches know no real sample of the class {domain.classes[int(missing[0])]!r}, of "
            f"{len(domain.halves[0])} that they may use; give more samples of it."
        )


def _confidence(goal: Goal, given: float | None) -> float | None:
    if not goal.by_class:
        return None
    return 0.95 if given is None else given


def _typical(guard: Any, domain: Any, share: float) -> Tensor:
    """Return of each class how unsure the guard is of a share of its real samples."""
    mine = domain.halves[0]
    some = ReferenceSamples(domain.x[mine], domain.labels[mine]).first(200)
    return some.quantile(some.values(partial(label_loss, guard)), share)
