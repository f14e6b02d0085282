"""The record of one way to search: which surrogate, where, with which penalties, in which steps."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from torch import Tensor

from xhat.constraints import LinfBall
from xhat.engine import Adam, Problem, Result, Stepper, TargetReached, solve
from xhat.objectives import CrossEntropy, GaussianEnergy, InLatent, Objective, Proximity
from xhat.spaces import Box, Latent, Space
from xhat_zoo import digits

__all__ = ["Method"]


@dataclass(frozen=True)
class Method:
    """How to search: which surrogate, where, with which penalties, in which steps.

    Attributes:
        name: as on the command line.
        caption: what it is, in one line.
        surrogate: which of a task's surrogates is differentiated.
        space: ``"box"`` searches the features themselves, ``"latent"`` a decoder's inputs,
            ``"warped"`` how a real sample of the target is bent.
        radius: of an Linf ball around the start; None for no ball.
        proximity: weight of the squared distance to the start, in ``x``.
        prior: weight of ``|z|^2 / 2``, the energy of a standard normal latent.
        penalty: makes a further objective of the model, such as ``xhat.objectives.Entropy``.
        penalty_weight: its weight.
        stepper: how to step.
        max_steps: the step budget.
    """

    name: str
    caption: str
    surrogate: Literal["plain", "robust"] = "plain"
    space: Literal["box", "latent", "warped"] = "box"
    radius: float | None = None
    proximity: float = 0.0
    prior: float = 0.0
    penalty: Callable[[Any], Objective] | None = None
    penalty_weight: float = 1.0
    stepper: Stepper = field(default_factory=Adam)
    max_steps: int = 150

    def describe(self) -> dict[str, Any]:
        """Return everything it says but its caption, as JSON."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        penalty = None if self.penalty is None else self.penalty.__name__
        return told | {"penalty": penalty, "stepper": repr(self.stepper), "caption": None}

    def space_for(self, model: Callable[[Tensor], Tensor], x0: Tensor, target: Tensor) -> Space:
        """Return where this method searches for digits.

        Args:
            model: the surrogate.
            x0: ``(n, 1, 28, 28)``, the starts.
            target: ``(n,)`` classes.

        Raises:
            ValueError: the space is ``"warped"``, which needs real samples.
        """
        del model, x0, target
        if self.space == "box":
            return Box(0, 1)
        if self.space == "warped":
            raise ValueError(
                f"the method {self.name} searches among bent real samples, but knows none; make it "
                f"an Exemplary, with known=."
            )
        vae = digits.vae()
        return Latent(vae.encode, vae.decode)

    def problem(
        self, model: Callable[[Tensor], Tensor], x0: Tensor, target: Any, space: Space
    ) -> Problem:
        """Return the question that this method asks of ``model``.

        Args:
            model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
            x0: ``(n, *x_shape)``, the starts.
            target: class, classes or distributions.
            space: of the kind that the method is for.
        """
        objective: Objective = CrossEntropy(model, target)
        if self.proximity:
            objective = objective + self.proximity * Proximity(x0)
        if self.prior:
            objective = objective + self.prior * InLatent(GaussianEnergy())
        if self.penalty is not None:
            objective = objective + self.penalty_weight * self.penalty(model)
        ball = () if self.radius is None else (LinfBall(x0, self.radius),)
        return Problem(objective, space, ball)

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
        """Search until ``model`` gives the target with ``confidence``; options are ``solve``'s.

        Raises:
            TypeError, ValueError: as ``solve``.
        """
        options = {"stepper": self.stepper, "max_steps": self.max_steps} | options
        problem = self.problem(model, x0, target, space)
        return solve(problem, x0, stop=TargetReached(confidence), **options).finished()
