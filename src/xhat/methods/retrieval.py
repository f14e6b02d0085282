"""Searching from real samples: the nearest one of the target, as it is or bent towards the start.

Every other method begins at the start and moves towards the target, and may leave the data on its
way. These begin at a real sample of the target: it is genuine, and only its distance to the start
is too large.
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
from xhat.domain.references import label_loss
from xhat.engine import Adam, Problem, Result, Status
from xhat.methods.answers import answered
from xhat.methods.base import Around, Method, Model, Options, Plan, Training, distinct
from xhat.objectives import CrossEntropy, Hinge, InLatent, Objective, Proximity, TypicalityPenalty
from xhat.objectives.goals import Goal
from xhat.spaces import Warped
from xhat.surrogates import ReferenceSamples

__all__ = ["Nearest", "Retrieval"]

_EVEN = math.log(2)  # the cross-entropy of even odds
_FEWEST = 4  # points of a lattice along a side


class _FromReal(Method):
    """What both have: real samples of the domain."""

    needs: ClassVar[tuple[str, ...]] = ("classes",)
    from_start: ClassVar[bool] = False

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
        there = ReferenceSamples(x0, target).values(partial(label_loss, model)) <= _EVEN
        return torch.where(there.reshape(-1, *(1,) * (x0.ndim - 1)), x0, found)


@dataclass(frozen=True)
class Nearest(_FromReal):
    """The nearest real sample of the target, untouched: no search at all.

    A baseline: at the same share of genuine results, a search is useful only if it ends nearer to
    the start.

    Source: Wexler et al., "The What-If Tool", IEEE TVCG 2020.
    """

    name: ClassVar[str] = "nearest"
    caption: ClassVar[str] = "the nearest real sample of the target, untouched"
    gradient: ClassVar[bool] = False
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
            seed=given.computing.seed,
            seconds=time.perf_counter() - began,
        )


@dataclass(frozen=True)
class Retrieval(_FromReal):
    """The nearest real sample of the target, bent towards the start while it stays what it is.

    ::

        minimise   |x - x0|^2   and how much is bent
        such that  every classifier stays as sure as it is of half of the real samples,
                   and it does not become more average than real samples are
        over       x = a real sample of the target, bent by smooth maps that never fold

    If the model already gives the start a probability of at least 1/2 for the target, the start
    itself is the sample. No classifier is asked to be more confident than it is of the sample at
    which the search begins.

    Attributes:
        nearer: the wanted distance to the start, as a share of the distance at which the search
            begins; below it the distance no longer adds to the loss.
        proximity: weight of the squared distance to the start, in the domain's units.
        bending: weight of the energy of bending.
        certainty: weight of the penalty for each classifier that is less confident than it should
            be.
        share: every classifier's loss must fall to this quantile, in (0, 1), of its loss on real
            samples of the target; 0.5 asks for the confidence that it has of half of them.
        shell: weight of the typicality penalty, for results nearer to the middle of the latent
            space than real samples are.
        middle: the share of real samples, in (0, 1), that lie nearer to the middle than the penalty
            allows.
        lattices: distance in pixels between the control points of each lattice that is bent, the
            coarsest first.
        rate: step size of Adam, in pixels.
        max_steps: the step budget.
    """

    name: ClassVar[str] = "retrieval"
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
    lattices: tuple[float, ...] = (4.0, 1.75)
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
        warped = Warped(self._nearest(model, goal, x0, domain), self._levels(x0))
        away = (warped.exemplars - x0) / domain.scale.to(x0)
        wanted = away.flatten(1).square().sum(1) * self.nearer**2
        objective: Objective = self.proximity * Hinge(Proximity(x0, unit=domain.scale), wanted)
        objective = objective + self.bending * InLatent(warped.bending)
        begun = ReferenceSamples(warped.exemplars, target)
        for each in distinct(model, *known.guards):
            loss = partial(label_loss, each)
            typical = known.typical_uncertainty(each, self.share)[target]
            bound = torch.maximum(typical, begun.values(loss))
            objective = objective + self.certainty * Hinge(CrossEntropy(each, target), bound)
        if known.encoder is not None and self.shell:
            central = TypicalityPenalty(known.encoder)
            typical = known.typical_centrality(1 - self.middle)[target]
            bound = torch.maximum(typical, begun.values(partial(_whatever_class, central)))
            objective = objective + self.shell * Hinge(central, bound)
        problem = Problem(objective, domain.hold(warped, x0), tuple(constraints))
        # until the steps are spent, since nearer is always better
        how = {"stepper": Adam(self.rate), "max_steps": self.max_steps, "stop": ()}
        return Plan(problem, how)

    def _levels(self, x0: Tensor) -> tuple[int, ...]:
        """Return how many points every lattice has along a side, for images of any size."""
        found: list[int] = []
        for between in self.lattices:
            least = found[-1] + 1 if found else _FEWEST
            found.append(max(least, round(max(x0.shape[-2:]) / between)))
        return tuple(found)


def _whatever_class(objective: Objective, x: Tensor, labels: Tensor) -> Tensor:
    del labels
    return objective(x)
