"""Searching among the features themselves, as attacks and counterfactuals do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from xhat.constraints import Bounds, Constraint, LinfBall
from xhat.engine import Adam, NormalizedDescent, Problem, SignDescent, Stepper
from xhat.methods.base import Around, Method, Model, Plan, distinct
from xhat.objectives import Objective, Proximity
from xhat.objectives.goals import Goal

__all__ = ["Guarded", "InBall", "NearStart", "Pixels"]


@dataclass(frozen=True)
class Pixels(Method):
    """The textbook loop: gradient steps on the features until the model gives the goal.

    Attributes:
        stepper: how to step, in the domain's units.
        max_steps: the step budget.
    """

    name: ClassVar[str] = "plain"
    caption: ClassVar[str] = "the textbook loop: Adam on the features until the model is sure"
    stepper: Stepper = field(default_factory=Adam)
    max_steps: int = 150

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the goal's objective within the domain's limits."""
        problem = Problem(goal.objective(model), domain.space(x0), tuple(constraints))
        return Plan(problem, {"stepper": self.stepper, "max_steps": self.max_steps})


@dataclass(frozen=True)
class InBall(Method):
    """Projected gradient descent in an Linf ball around the start: adversarial discovery.

    Source: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to
    Adversarial Attacks", ICLR 2018.

    Attributes:
        radius: the largest change of a feature, in the domain's units.
        rate: the size of a step, in the domain's units.
        max_steps: the step budget.
    """

    name: ClassVar[str] = "pgd"
    caption: ClassVar[str] = "adversarial discovery: no feature may change by more than 0.3"
    radius: float = 0.3
    rate: float = 0.02
    max_steps: int = 150

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the goal's objective with the ball as a constraint."""
        far = self.radius * domain.scale.to(x0)
        ball = LinfBall(x0, float(far)) if far.numel() == 1 else Bounds(x0 - far, x0 + far)
        problem = Problem(goal.objective(model), domain.space(x0), (ball, *constraints))
        return Plan(problem, {"stepper": SignDescent(self.rate), "max_steps": self.max_steps})


@dataclass(frozen=True)
class NearStart(Method):
    """Features, staying near the start: MAP search with a Gaussian prior around it.

    Source: Wachter, Mittelstadt, Russell, "Counterfactual Explanations without Opening the Black
    Box", Harvard Journal of Law & Technology 2018.

    Attributes:
        proximity: weight of the squared distance to the start, in the domain's units.
        stepper: how to step.
        max_steps: the step budget.
    """

    name: ClassVar[str] = "proximal"
    caption: ClassVar[str] = "features, staying near the start: MAP with a Gaussian prior"
    proximity: float = 0.05
    stepper: Stepper = field(default_factory=lambda: Adam(0.02))
    max_steps: int = 150

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the goal's objective and the distance to the start."""
        near = self.proximity * Proximity(x0, unit=domain.scale)
        problem = Problem(goal.objective(model) + near, domain.space(x0), tuple(constraints))
        return Plan(problem, {"stepper": self.stepper, "max_steps": self.max_steps})


@dataclass(frozen=True)
class Guarded(Method):
    """Features, also through a classifier that was trained against an adversary.

    Both must be confident. Only the second has gradients that look like the classes.

    Source: Santurkar, Tsipras, Tran, Ilyas, Engstrom, Madry, "Image Synthesis with a Single
    (Robust) Classifier", NeurIPS 2019.

    Attributes:
        rate: the length of a step, in the domain's units.
        max_steps: the step budget.
    """

    name: ClassVar[str] = "robust"
    caption: ClassVar[str] = "features, through an adversarially trained classifier"
    needs: ClassVar[tuple[str, ...]] = ("images", "classes", "robust")
    rate: float = 3.0
    max_steps: int = 150

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the goal's objective for both classifiers."""
        problem = Problem(both(model, goal, domain), domain.space(x0), tuple(constraints))
        # Adam would give every pixel a step of one size, noise as much as strokes
        stepper = NormalizedDescent(self.rate * (x0[0].numel() / _TUNED) ** 0.5)
        return Plan(problem, {"stepper": stepper, "max_steps": self.max_steps})


_TUNED = 784  # pixels of the images for which the rate was chosen


def both(model: Model, goal: Goal, domain: Around) -> Objective:
    """Return the goal's objective for the model and, where it is another, the robust network."""
    robust = domain.network("robust")  # pyright: ignore[reportAttributeAccessIssue]
    first, *others = (goal.objective(each) for each in distinct(model, robust))
    return sum(others, first)
