"""Searching from real samples: the nearest one of the target, as it is or bent towards the start.

Every other method begins at the start and goes for the target, and may leave the data on its way.
These begin at a real sample of the target, where everything is as it should be but the distance.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from xhat.constraints import Constraint
from xhat.core import check_fraction
from xhat.domain import References
from xhat.domain.references import unsure
from xhat.engine import Adam, Problem, Result, Status
from xhat.methods.answers import answered
from xhat.methods.base import Around, Method, Model, Options, Plan, Training, distinct, held
from xhat.objectives import AtMost, Central, CrossEntropy, InLatent, Objective, Proximity
from xhat.objectives.goals import Goal
from xhat.spaces import Warped
from xhat.surrogates import Exemplars

__all__ = ["Bent", "Nearest"]

_EVEN = math.log(2)  # the cross-entropy of even odds
_COARSE, _FINE = 4.0, 1.75  # pixels between the points of the two lattices


class _FromReal(Method):
    """What both have: real samples of the domain."""

    needs: ClassVar[tuple[str, ...]] = ("classes",)

    def prepare(self, domain: Around, on_progress: Training | None = None) -> None:
        """Choose the real samples, and train what says which of them are good ones."""
        domain.references(on_progress)  # pyright: ignore[reportAttributeAccessIssue]

    @staticmethod
    def _nearest(model: Model, goal: Goal, x0: Tensor, domain: Around) -> Tensor:
        """Return the nearest real sample of the target; a start that is one already stays."""
        target = goal.labels_for(len(x0))
        if target is None:
            raise ValueError(f"real samples of a class are wanted, but {goal!r} names none.")
        known: References = domain.references()  # pyright: ignore[reportAttributeAccessIssue]
        found = known.exemplars.nearest(x0, target)
        there = Exemplars(x0, target).values(partial(unsure, model)) <= _EVEN
        return torch.where(there.reshape(-1, *(1,) * (x0.ndim - 1)), x0, found)


@dataclass(frozen=True)
class Nearest(_FromReal):
    """The nearest real sample of the target, untouched: no search at all.

    What every search must be better than, in nearness, at the same share of genuine results.

    Source: Wexler et al., "The What-If Tool", IEEE TVCG 2020.
    """

    name: ClassVar[str] = "nearest"
    caption: ClassVar[str] = "the nearest real sample of the target, untouched"
    options: ClassVar[tuple[str, ...]] = ("confidence", "seed")

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question that the sample is measured by."""
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
        """Return the samples; see ``Method.search``."""
        given = self.checked(options)
        began = time.perf_counter()
        x = self._nearest(model, goal, x0, domain)
        problem = self.plan(model, goal, x0, domain, constraints).problem
        return answered(
            problem,
            x0,
            x,
            status=Status.LOOKED_UP,
            confidence=given.confidence,
            seed=given.seed,
            seconds=time.perf_counter() - began,
        )


@dataclass(frozen=True)
class Bent(_FromReal):
    """The nearest real sample of the target, bent towards the start while it stays what it is.

    ::

        minimise   |x - x0|^2   and how much is bent
        such that  every classifier stays as sure as it is of half of the real samples,
                   and it does not become more average than real samples are
        over       x = a real sample of the target, bent by smooth maps that never fold

    A start that the model already takes for the target, with even odds or better, is its own
    sample. No classifier must be surer than it is of the sample that it begins at.

    Attributes:
        nearer: the distance to the start that is wanted, as a share of the sample's own; what is
            nearer costs nothing more.
        proximity: weight of the squared distance to the start, in the domain's units.
        bending: weight of the energy of bending.
        certainty: weight of what every classifier lacks of being sure.
        share: every classifier must become as sure as of this share of the real samples.
        shell: weight of how much nearer the middle of the latent space it lies than real samples.
        middle: the share of real samples that lie nearer to the middle.
        rate: of Adam's steps, in pixels.
        max_steps: the step budget.
    """

    name: ClassVar[str] = "xhat"
    caption: ClassVar[str] = "the nearest real sample of the target, bent towards the start"
    options: ClassVar[tuple[str, ...]] = ("max_steps", "seed", "compute", "trace", "on_progress")
    needs: ClassVar[tuple[str, ...]] = ("images", "classes", "robust", "autoencoder")
    nearer: float = 0.82
    proximity: float = 0.1
    bending: float = 0.03
    certainty: float = 5.0
    share: float = 0.5
    shell: float = 1.0
    middle: float = 0.1
    rate: float = 0.15
    max_steps: int = 40

    def __post_init__(self) -> None:
        """Check the shares."""
        check_fraction("share", self.share)
        check_fraction("middle", self.middle)

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the question over bent samples."""
        target = goal.labels_for(len(x0))
        if target is None:
            raise ValueError(f"real samples of a class are wanted, but {goal!r} names none.")
        known: References = domain.references()  # pyright: ignore[reportAttributeAccessIssue]
        warped = Warped(self._nearest(model, goal, x0, domain), _levels(x0))
        away = (warped.exemplars - x0) / domain.scale.to(x0)
        wanted = away.flatten(1).square().sum(1) * self.nearer**2
        objective: Objective = self.proximity * AtMost(Proximity(x0, unit=domain.scale), wanted)
        objective = objective + self.bending * InLatent(warped.bending)
        begun = Exemplars(warped.exemplars, target)
        for each in distinct(model, *known.guards):
            loss = partial(unsure, each)
            typical = known.typically_unsure(each, self.share)[target]
            bound = torch.maximum(typical, begun.values(loss))
            objective = objective + self.certainty * AtMost(CrossEntropy(each, target), bound)
        if known.encoder is not None and self.shell:
            central = Central(known.encoder)
            typical = known.typically_central(1 - self.middle)[target]
            bound = torch.maximum(typical, begun.values(partial(_whatever_class, central)))
            objective = objective + self.shell * AtMost(central, bound)
        problem = Problem(objective, held(warped, domain, x0), tuple(constraints))
        # until the steps are spent, since nearer is always better
        how = {"stepper": Adam(self.rate), "max_steps": self.max_steps, "stop": ()}
        return Plan(problem, how)


def _levels(x0: Tensor) -> tuple[int, int]:
    """Return how many points the two lattices have along a side, for images of any size."""
    side = max(x0.shape[-2:])
    coarse = max(4, round(side / _COARSE))
    return coarse, max(coarse + 1, round(side / _FINE))


def _whatever_class(objective: Objective, x: Tensor, labels: Tensor) -> Tensor:
    del labels
    return objective(x)
