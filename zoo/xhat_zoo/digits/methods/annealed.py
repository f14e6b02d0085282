"""Searching by MAP with a denoiser as the prior, from much noise to little.

At each level of noise the question is the same, and the prior sees less of the whole and more of
the edges::

    minimise  σ² (prior at σ)  +  cross-entropy of each classifier  +  distance to the start

Source: Graikos, Malkin, Jojic, Samaras, "Diffusion Models as Plug-and-Play Priors", NeurIPS 2022;
Mardani, Song, Kautz, Vahdat, "A Variational Perspective on Solving Inverse Problems with Diffusion
Models", ICLR 2024.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_tensor, generator
from xhat.engine import GradientDescent, Problem, Result, solve
from xhat.objectives import CrossEntropy, Objective, Proximity, ScorePrior
from xhat.spaces import Space
from xhat.surrogates.diffusion import noise_levels
from xhat_zoo import digits
from xhat_zoo.digits.methods.method import Method

__all__ = ["Annealed"]


@dataclass(frozen=True)
class Annealed(Method):
    """A search among pixels, at falling levels of noise, each from where the last one ended.

    Attributes:
        noise: the first level, in the units of pixels.
        levels: how many.
        certainty: weight of each classifier's cross-entropy: the surrogate's, and the robust one's.
        of_class: whether the prior is that of the target, or of all digits.
    """

    noise: float = 1.2
    levels: int = 30
    certainty: float = 1.0
    of_class: bool = True

    def stage(
        self, model: Any, x0: Tensor, target: Tensor, space: Space, sigma: float, noise: Tensor
    ) -> Problem:
        """Return the question at one level of noise."""
        label = target if self.of_class else None
        objective: Objective = sigma**2 * ScorePrior(digits.denoiser(), sigma, label, noise)
        if self.certainty:
            for each in (model, digits.surrogate("robust")):
                objective = objective + self.certainty * sigma**2 * CrossEntropy(each, target)
        if self.proximity:
            objective = objective + self.proximity * sigma**2 * Proximity(x0)
        return Problem(objective, space)

    def problem(self, model: Any, x0: Tensor, target: Any, space: Space) -> Problem:
        """Return the question at the last level."""
        target = check_tensor("the target", target, floating=False)
        sigma = float(self._levels()[-1])
        return self.stage(model, x0, target, space, sigma, torch.zeros_like(x0))

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
        """Search level by level; ``confidence`` is not used, since nearer is always better."""
        del confidence
        options = {"stepper": GradientDescent(1.0), "max_steps": 1} | {
            name: value for name, value in options.items() if name in ("compute",)
        }
        target = check_tensor("the target", target, floating=False)
        draws, x, parts = generator(seed, "annealed"), x0, []
        for sigma in self._levels().tolist():
            noise = torch.randn(x0.shape, generator=draws)
            problem = self.stage(model, x0, target, space, sigma, noise)
            parts.append(solve(problem, x, seed=seed, **options).finished())
            x = parts[-1].x
        return replace(
            parts[-1],
            x0=x0,
            steps=torch.stack([part.steps for part in parts]).sum(0),
            evaluations=torch.stack([part.evaluations for part in parts]).sum(0),
            seconds=sum(part.seconds for part in parts),
        )

    def _levels(self) -> Tensor:
        return noise_levels(self.levels, self.noise, power=3.0)
