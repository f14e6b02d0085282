"""Searching by MAP with a denoiser as the prior, from much noise to little.

At each level of noise the question is the same, and the prior sees less of the whole and more of
the edges::

    minimise  σ² (prior at σ)  +  what the goal says by each classifier  +  distance to the start

Source: Graikos, Malkin, Jojic, Samaras, "Diffusion Models as Plug-and-Play Priors", NeurIPS 2022;
Mardani, Song, Kautz, Vahdat, "A Variational Perspective on Solving Inverse Problems with Diffusion
Models", ICLR 2024.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.constraints import Constraint
from xhat.core import check_count, generator
from xhat.engine import GradientDescent, Problem, Progress, Result, Trajectory, solve
from xhat.methods.base import Around, Method, Model, Options, Plan
from xhat.methods.features import both
from xhat.objectives import Objective, Proximity, ScorePrior
from xhat.objectives.goals import Goal
from xhat.surrogates.diffusion import noise_levels

__all__ = ["Annealed"]


@dataclass(frozen=True)
class Annealed(Method):
    """A search in pixels at falling levels of noise; each level begins where the last one ended.

    Attributes:
        noise: the first level, in the domain's units.
        levels: the number of levels; each takes one step.
        certainty: weight of the goal's objective, for each classifier.
        proximity: weight of the squared distance to the start, in the domain's units.
        of_class: whether the denoiser is given the wanted class, if the goal names one.
    """

    name: ClassVar[str] = "annealed"
    caption: ClassVar[str] = "a denoiser as the prior, from much noise to little"
    needs: ClassVar[tuple[str, ...]] = ("images", "classes", "denoiser", "robust")
    options: ClassVar[tuple[str, ...]] = ("max_steps", "seed", "compute", "trace", "on_progress")
    noise: float = 1.2
    levels: int = 30
    certainty: float = 1.0
    proximity: float = 0.0
    of_class: bool = True

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question at the last level."""
        sigma = float(noise_levels(self.levels, self.noise, power=3.0)[-1])
        still = torch.zeros_like(x0[:1])
        return self._stage(model, goal, x0, domain, constraints, sigma, still)

    def search(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
        options: Options | None = None,
    ) -> Result:
        """Search level by level; ``max_steps`` is the number of levels. See ``Method.search``."""
        given = self.checked(options)
        compute, trace = given.computing, given.trace
        levels = (
            self.levels if given.max_steps is None else check_count("max_steps", given.max_steps)
        )
        draws, x, parts = generator(compute.seed, "annealed"), x0, []
        frames = [(0, x0)]
        for step, sigma in enumerate(noise_levels(levels, self.noise, power=3.0).tolist(), 1):
            noise = torch.randn(x0.shape, generator=draws)
            plan = self._stage(model, goal, x0, domain, constraints, sigma, noise)
            found = solve(plan.problem, x, compute=compute, **plan.options).finished()
            parts.append(found.finished())
            x = found.x
            if trace and step % trace == 0:
                frames.append((step, x))
            if given.on_progress is not None:
                done = len(x0) if step == levels else 0
                given.on_progress(Progress(done, len(x0), sum(part.seconds for part in parts)))
        return replace(
            parts[-1],
            x0=x0,
            steps=torch.stack([part.steps for part in parts]).sum(0),
            evaluations=torch.stack([part.evaluations for part in parts]).sum(0),
            seconds=sum(part.seconds for part in parts),
            trajectory=_path(frames, x, levels, parts[-1].loss) if trace else None,
        )

    def _stage(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Any,
        constraints: Sequence[Constraint],
        sigma: float,
        noise: Tensor,
    ) -> Plan:
        """Return the question at one level of noise."""
        label = goal.labels_for(len(x0)) if self.of_class else None
        prior = ScorePrior(
            domain.network("denoiser"), sigma * float(domain.scale.max()), label, noise
        )
        objective: Objective = sigma**2 * prior
        if self.certainty:
            objective = objective + self.certainty * sigma**2 * both(model, goal, domain)
        if self.proximity:
            near = Proximity(x0, unit=domain.scale)
            objective = objective + self.proximity * sigma**2 * near
        problem = Problem(objective, domain.space(x0), tuple(constraints))
        return Plan(problem, {"stepper": GradientDescent(1.0), "max_steps": 1})


def _path(frames: list[tuple[int, Tensor]], x: Tensor, steps: int, loss: Tensor) -> Trajectory:
    """Return the frames and the final input as a trajectory; only the last loss is known."""
    if frames[-1][0] != steps:
        frames = [*frames, (steps, x)]
    losses = torch.full((len(frames), len(x)), torch.nan)
    losses[-1] = loss
    return Trajectory(
        tuple(step for step, _ in frames), torch.stack([each for _, each in frames]), losses
    )
