"""Searching from real samples: the default method.

Every other method begins at the start and goes for the target, and may leave the data on its
way. This one begins at a real sample of the target, the one nearest to the start, where everything
is as it should be but the distance, and bends it towards the start for as long as it stays what it
is::

    minimise   |x - x0|^2   and how much is bent
    such that  every classifier stays as sure as it is of half of the real samples,
               and it does not become more average than real samples are
    over       x = a real sample of the target, bent by smooth maps that never fold
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.engine import Problem, Result, solve
from xhat.objectives import AtMost, Central, CrossEntropy, InLatent, Objective, Proximity
from xhat.spaces import Space, Warped
from xhat.surrogates import Exemplars
from xhat_zoo.digits.methods.known import Known, unsure
from xhat_zoo.digits.methods.method import Method

__all__ = ["Exemplary"]

_EVEN = math.log(2)  # the cross-entropy of even odds


@dataclass(frozen=True)
class Exemplary(Method):
    """A search that begins at the nearest real sample of the target, and bends it.

    A start that the surrogate already takes for the target, with even odds or better, is its own
    exemplar, and stays as it is. No classifier must be surer than it is of the exemplar.

    Attributes:
        known: makes what real samples are known; called when a search needs them.
        nearer: the distance to the start that is wanted, as a share of the exemplar's own; what is
            nearer costs nothing more.
        bending: weight of the energy of bending.
        certainty: weight of what every classifier lacks of being sure.
        share: of the real samples, as surely as which the target must be seen.
        shell: weight of how much nearer the middle of the latent space it lies than real samples.
        middle: the share of real samples that lie nearer to the middle.
        levels: of the lattices.
    """

    known: Callable[[], Known] | None = None
    nearer: float = 0.82
    bending: float = 0.03
    certainty: float = 5.0
    share: float = 0.5
    shell: float = 1.0
    middle: float = 0.1
    levels: tuple[int, ...] = (7, 16)

    def describe(self) -> dict[str, Any]:
        """Return everything it says but its caption, as JSON."""
        return super().describe() | {"known": getattr(self.known, "__name__", None)}

    def given(self) -> Known:
        """Return what real samples are known.

        Raises:
            ValueError: the method was made without any.
        """
        if self.known is None:
            raise ValueError(f"the method {self.name} needs real samples; give known=.")
        return self.known()

    def space_for(self, model: Callable[[Tensor], Tensor], x0: Tensor, target: Tensor) -> Warped:
        """Return the space of bent exemplars for these starts and targets."""
        known = self.given()
        exemplars = known.exemplars.nearest(x0, target)
        there = Exemplars(x0, target).values(partial(unsure, model)) <= _EVEN
        chosen = torch.where(there[:, None, None, None], x0, exemplars)
        return Warped(chosen, self.levels)

    def problem(
        self, model: Callable[[Tensor], Tensor], x0: Tensor, target: Any, space: Space
    ) -> Problem:
        """Return the question that this method asks of ``model`` and the guards.

        Raises:
            TypeError: a space of another kind.
        """
        if not isinstance(space, Warped):
            raise TypeError(
                f"the method {self.name} searches in Warped, not {type(space).__name__}."
            )
        known, target = self.given(), check_tensor("the target", target, floating=False)
        wanted = (space.exemplars - x0).flatten(1).square().sum(1) * self.nearer**2
        objective: Objective = self.proximity * AtMost(Proximity(x0), wanted)
        objective = objective + self.bending * InLatent(space.bending)
        begun = Exemplars(space.exemplars, target)
        for each in (model, *known.guards):
            loss = partial(unsure, each)
            usual = known.usually_unsure(each, self.share)[target]
            bound = torch.maximum(usual, begun.values(loss))
            sure = AtMost(CrossEntropy(each, target), bound)
            objective = objective + self.certainty * sure
        if known.encoder is not None and self.shell:
            central = Central(known.encoder)
            usual = known.usually_central(1 - self.middle)[target]
            loss = partial(_whatever_class, central)
            bound = torch.maximum(usual, begun.values(loss))
            objective = objective + self.shell * AtMost(central, bound)
        return Problem(objective, space)

    def search(
        self,
        model: Callable[[Tensor], Tensor],
        x0: Tensor,
        target: Any,
        space: Space,
        *,
        confidence: float = 0.95,
        **options: Any,
    ) -> Result:
        """Search until the steps are spent, since nearer is always better.

        ``confidence`` is not used: the target is to be as sure as it is of real samples.
        """
        del confidence
        options = {"stepper": self.stepper, "max_steps": self.max_steps} | options
        return solve(self.problem(model, x0, target, space), x0, **options).finished()


def _whatever_class(objective: Objective, x: Tensor, labels: Tensor) -> Tensor:
    del labels
    return objective(x)
