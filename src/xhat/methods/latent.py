"""Searching in the latent space of an autoencoder, where real images are dense."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xhat.constraints import Constraint, Projected
from xhat.engine import Adam, Problem
from xhat.methods.base import Around, Method, Model, Plan
from xhat.methods.features import both
from xhat.objectives import GaussianEnergy, InLatent, Objective
from xhat.objectives.goals import Goal
from xhat.spaces import Held, Latent

__all__ = ["Guided", "InLatentSpace"]


@dataclass(frozen=True)
class InLatentSpace(Method):
    """The latent space of an autoencoder, by the gradient of the model alone.

    Attributes:
        prior: weight of ``|z|^2 / 2``, the energy of a standard normal latent.
        rate: of Adam's steps.
        max_steps: the step budget.
    """

    name: ClassVar[str] = "latent"
    caption: ClassVar[str] = "the latent space of an autoencoder"
    needs: ClassVar[tuple[str, ...]] = ("images", "autoencoder")
    prior: float = 0.0
    rate: float = 0.1
    max_steps: int = 150

    def plan(
        self,
        model: Model,
        goal: Goal,
        x0: Tensor,
        domain: Around,
        constraints: Sequence[Constraint] = (),
    ) -> Plan:
        """Return the goal's objective over latents."""
        objective = self._wanted(model, goal, domain)
        if self.prior:
            objective = objective + self.prior * InLatent(GaussianEnergy())
        space, others = domain.hold(self._space(domain), x0), list[Constraint]()
        for each in constraints:  # what has a nearest point holds exactly, as pixels do
            if isinstance(each, Projected):
                space = Held(space, each)
            else:
                others.append(each)
        problem = Problem(objective, space, tuple(others))
        return Plan(problem, {"stepper": Adam(self.rate), "max_steps": self.max_steps})

    def _space(self, domain: Around) -> Latent:
        net = domain.network("autoencoder")  # pyright: ignore[reportAttributeAccessIssue]
        return Latent(net.encode, net.decode)

    def _wanted(self, model: Model, goal: Goal, domain: Around) -> Objective:
        del domain
        return goal.objective(model)


@dataclass(frozen=True)
class Guided(InLatentSpace):
    """The latent space, also through an adversarially trained classifier, with a prior."""

    name: ClassVar[str] = "latent-robust"
    caption: ClassVar[str] = "latent space, adversarially trained classifier, a prior"
    needs: ClassVar[tuple[str, ...]] = ("images", "classes", "autoencoder", "robust")
    prior: float = 0.1

    def _wanted(self, model: Model, goal: Goal, domain: Around) -> Objective:
        return both(model, goal, domain)
