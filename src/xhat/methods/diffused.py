"""Sampling by diffusion: what a generative model gives where others search.

It samples images of the target from noise, or from the start with added noise: the more noise, the
less of the start is kept (Meng et al., "SDEdit", ICLR 2022). Guidance may draw the sample to what
classifiers see as the target, and back towards the start.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.constraints import Constraint
from xhat.core import check_count, generator
from xhat.engine import Problem, Result, Status
from xhat.methods.answers import answered, kept
from xhat.methods.base import Around, Method, Model, Options, Plan, distinct
from xhat.objectives import CrossEntropy
from xhat.objectives.goals import Goal
from xhat.surrogates.diffusion import (
    ClassifierFree,
    ClassifierGuided,
    Conditional,
    Constrained,
    Denoise,
    Proximal,
    noise_levels,
    noised,
    sample,
)

__all__ = ["Diffused"]

_PART = 250  # rows at a time, which bounds the memory
_SURE = 0.05  # cross-entropy, below which classifiers are of most real samples
_FAR = 1e3
_HIDES = 5.0  # noise of which a start is not seen any more


@dataclass(frozen=True)
class Diffused(Method):
    """Samples of the domain's denoiser, of the wanted class, instead of a search.

    Every denoised image is projected onto the constraints, where there are any.

    Noise is drawn for all starts at once, so a result depends on its row in the batch.

    Attributes:
        noise: standard deviation of the noise that is added to the start, in the domain's units; at
            20 nothing of the start is left.
        levels: number of noise levels; each costs one pass through the denoiser, or two with
            guidance by class.
        scale: strength of the classifier-free guidance; 1 is none, and saves a pass at each level.
        eta: 0 for DDIM, 1 for DDPM.
        guidance: weight of the gradient of the model and the robust classifier; 0 for none.
        near: weight of the squared distance to the start, in the domain's units; 0 for none.
        tries: number of samples for each start. Kept is the one nearest to the start, among those
            of which both classifiers are as confident as of most real samples.
    """

    name: ClassVar[str] = "diffused"
    caption: ClassVar[str] = "samples of a diffusion model, of the wanted class"
    needs: ClassVar[tuple[str, ...]] = ("images", "classes", "denoiser", "robust")
    options: ClassVar[tuple[str, ...]] = ("confidence", "max_steps", "seed")
    from_start: ClassVar[bool] = False
    noise: float = 20.0
    levels: int = 30
    scale: float = 2.0
    eta: float = 0.0
    guidance: float = 0.0
    near: float = 0.0
    tries: int = 1

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question that a sample is measured by."""
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
        """Sample one result for each start; ``max_steps`` is the number of levels."""
        given = self.checked(options)
        began = time.perf_counter()
        levels = (
            self.levels if given.max_steps is None else check_count("max_steps", given.max_steps)
        )
        problem = self.plan(model, goal, x0, domain, constraints).problem
        of = _Sampling(self, model, problem, goal, x0, domain, levels)
        draws = generator(given.computing.seed, "diffusion")
        x = of.sampled(draws)
        least = of.lacks(x)
        for _ in range(self.tries - 1):
            other = of.sampled(draws)
            lacks = of.lacks(other)
            x = torch.where((lacks < least)[:, None, None, None], other, x)
            least = torch.minimum(least, lacks)
        passes = self.tries * levels * (1 if self.scale == 1 else 2)
        return answered(
            problem,
            x0,
            x,
            status=Status.SAMPLED,
            confidence=0.95 if given.confidence is None else given.confidence,
            seed=given.computing.seed,
            seconds=time.perf_counter() - began,
            steps=levels,
            evaluations=passes,
        )


class _Sampling:
    """One question, asked of a diffusion."""

    def __init__(
        self,
        how: Diffused,
        model: Model,
        problem: Problem,
        goal: Goal,
        x0: Tensor,
        domain: Any,
        levels: int,
    ) -> None:
        target = goal.labels_for(len(x0))
        if target is None:
            raise ValueError(f"samples of a class are wanted, but {goal!r} names none.")
        self.how, self.x0, self.target = how, x0, target
        self.held = problem if problem.constraints or domain.structured else None
        self.denoiser, self.unit = domain.network("denoiser"), float(domain.scale.max())
        self.ends = float(domain.low.min()), float(domain.high.max())
        self.classifiers = distinct(model, domain.network("robust"))
        power = 7.0 if self.hidden else 3.0
        self.levels = self.unit * noise_levels(levels, how.noise, power=power)

    @property
    def hidden(self) -> bool:
        """Whether so much noise hides the start."""
        return self.how.noise >= _HIDES

    def sampled(self, draws: torch.Generator) -> Tensor:
        """Return one sample for every start, within the limits."""
        return torch.cat(list(self._samples(draws))).clamp(*self.ends)

    @torch.no_grad()
    def lacks(self, x: Tensor) -> Tensor:
        """Return the distance to the start, and more than any distance for what is not sure."""
        unsure = torch.stack([CrossEntropy(each, self.target)(x) for each in self.classifiers])
        excess = (unsure - _SURE).relu().sum(dim=0)
        return (x - self.x0).flatten(1).norm(dim=1) / self.unit + _FAR * excess

    def _samples(self, draws: torch.Generator) -> Iterator[Tensor]:
        for rows in torch.arange(len(self.x0)).split(_PART):
            start = self.x0[rows]
            seen = torch.full_like(start, self.denoiser.mean) if self.hidden else start
            x = noised(seen, self.levels[0], draws)
            denoise = self._denoise(start, rows)
            yield sample(denoise, x, self.levels, eta=self.how.eta, generator=draws)

    def _denoise(self, start: Tensor, rows: Tensor) -> Denoise:
        target = self.target[rows]
        found: Denoise = Conditional(self.denoiser, target)
        if self.how.scale != 1:
            found = ClassifierFree(self.denoiser, target, self.how.scale)
        if self.how.guidance:
            found = ClassifierGuided(found, self.classifiers, target, self.how.guidance)
        near = self.how.near / self.unit**2
        found = Proximal(found, start, near) if near else found
        if self.held is None:
            return found
        there = self.held.select(rows)
        return Constrained(found, lambda x: kept(there, x)[0])
