"""Searching by diffusion: what a generative model gives where others search.

It samples digits of the target from noise, or from the start with noise, which it forgets the more
the more noise there is (Meng et al., "SDEdit", ICLR 2022). Guidance may draw the sample to what
classifiers see as the target, and back towards the start.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_tensor, generator
from xhat.engine import Problem, Result, Status
from xhat.objectives import CrossEntropy, ScorePrior
from xhat.spaces import Space
from xhat.surrogates.diffusion import (
    ClassifierFree,
    ClassifierGuided,
    Conditional,
    Denoise,
    Near,
    noise_levels,
    noised,
    sample,
)
from xhat_zoo import digits
from xhat_zoo.digits.methods.method import Method

__all__ = ["Diffused"]

_PART = 250  # rows at a time, which bounds the memory
_SURE = 0.05  # cross-entropy, below which both classifiers are of most real digits
_FAR = 1e3
_HIDES = 5.0  # noise of which a start is not seen any more


@dataclass(frozen=True)
class Diffused(Method):
    """Samples of the shipped denoiser, of the target's class, instead of a search.

    Noise is drawn for all starts together, so that a result depends on its place among them.

    Attributes:
        noise: that is put on the start, in the units of pixels; 20 hides it.
        levels: of noise, one pass through the denoiser each, or two with guidance by class.
        scale: of guidance by class; 1 is the class itself and costs one pass less.
        eta: 0 for DDIM, 1 for DDPM.
        guidance: weight of the gradient of the surrogate and the robust classifier; 0 for none.
        near: weight of nearness to the start; 0 for none.
        tries: how many are sampled for each start; of those of which both classifiers are as sure
            as of most real digits, the one nearest to the start is kept.
    """

    noise: float = 20.0
    levels: int = 30
    scale: float = 2.0
    eta: float = 0.0
    guidance: float = 0.0
    near: float = 0.0
    tries: int = 1

    def problem(self, model: Any, x0: Tensor, target: Any, space: Space) -> Problem:
        """Return what a sample is to have: the target, by whatever guides it, and the density."""
        del x0
        target = check_tensor("the target", target, floating=False)
        prior = ScorePrior(digits.denoiser(), self._levels()[-1].item(), target)
        wanted = CrossEntropy(model, target) + prior
        if self.guidance or self.tries > 1:
            wanted = wanted + CrossEntropy(digits.surrogate("robust"), target)
        return Problem(wanted, space)

    def search(
        self,
        model: Any,
        x0: Tensor,
        target: Any,
        space: Space,
        *,
        confidence: float = 0.95,
        seed: int = 0,
        **options: Any,
    ) -> Result:
        """Sample one result for each start; of the options only the seed counts."""
        del options
        began = time.perf_counter()
        target = check_tensor("the target", target, floating=False)
        draws = generator(seed, "diffusion")
        x = self._sampled(model, x0, target, draws)
        least = self._lacks(model, x0, x, target)
        for _ in range(self.tries - 1):
            other = self._sampled(model, x0, target, draws)
            lacks = self._lacks(model, x0, other, target)
            x = torch.where((lacks < least)[:, None, None, None], other, x)
            least = torch.minimum(least, lacks)
        with torch.no_grad():
            found = CrossEntropy(model, target).measure(x, x)
        sure = x.new_zeros(len(x)) if found.confidence is None else found.confidence
        passes = self.tries * self.levels * (1 if self.scale == 1 else 2)
        return Result(
            x0=x0,
            x=x,
            z=space.encode(x),
            loss=found.loss,
            confidence=sure,
            reached=sure >= confidence,
            violation=x.new_zeros(len(x)),
            feasible=torch.ones(len(x), dtype=torch.bool),
            status=(Status.SAMPLED,) * len(x),
            steps=torch.full((len(x),), self.levels),
            evaluations=torch.full((len(x),), passes),
            targeted=True,
            seed=seed,
            seconds=time.perf_counter() - began,
        )

    def _sampled(self, model: Any, x0: Tensor, target: Tensor, draws: torch.Generator) -> Tensor:
        return torch.cat(list(self._samples(model, x0, target, draws))).clamp(0, 1)

    @staticmethod
    @torch.no_grad()
    def _lacks(model: Any, x0: Tensor, x: Tensor, target: Tensor) -> Tensor:
        """Return the distance to the start, and more than any distance for what is not sure."""
        unsure = torch.stack(
            [CrossEntropy(each, target)(x) for each in (model, digits.surrogate("robust"))]
        )
        excess = (unsure - _SURE).relu().sum(dim=0)
        return (x - x0).flatten(1).norm(dim=1) + _FAR * excess

    def _samples(
        self, model: Any, x0: Tensor, target: Tensor, draws: torch.Generator
    ) -> Iterator[Tensor]:
        levels = self._levels()
        for rows in torch.arange(len(x0)).split(_PART):
            start = x0[rows]
            hidden = self.noise >= _HIDES
            seen = torch.full_like(start, digits.denoiser().mean) if hidden else start
            x = noised(seen, levels[0], draws)
            denoise = self.denoise(model, start, target[rows])
            yield sample(denoise, x, levels, eta=self.eta, generator=draws)

    def _levels(self) -> Tensor:
        return noise_levels(self.levels, self.noise, power=7.0 if self.noise >= _HIDES else 3.0)

    def denoise(self, model: Any, start: Tensor, target: Tensor) -> Denoise:
        """Return what is sampled for these starts and targets."""
        denoiser = digits.denoiser()
        found: Denoise = Conditional(denoiser, target)
        if self.scale != 1:
            found = ClassifierFree(denoiser, target, self.scale)
        if self.guidance:
            both = (model, digits.surrogate("robust"))
            found = ClassifierGuided(found, both, target, self.guidance)
        return Near(found, start, self.near) if self.near else found
