"""The augmented Lagrangian of every candidate: how general constraints enter what is descended.

    merit(z) = w f(x) + sum_i [ max(0, m_i + r c_i(x))^2 - m_i^2 ] / (2 r)

with ``c_i = s_i g_i`` for ``g_i(x) <= 0``; for ``h_i(x) = 0`` the same without the ``max``. After
each round of descent the multipliers become ``m_i = max(0, m_i + r c_i)``, and the penalty ``r``
grows where the violation did not shrink: Hestenes, "Multiplier and Gradient Methods" (1969);
Powell, "A Method for Nonlinear Constraints in Minimization Problems" (1969); Rockafellar, "The
Multiplier Method of Hestenes and Powell Applied to Convex Programming" (1973). First penalty,
scales and the test of progress are those of Birgin and Martinez, "Practical Augmented Lagrangian
Methods for Constrained Optimization" (SIAM, 2014). Every candidate has its own.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from xhat.constraints import Constraint
from xhat.core import PerCandidate, check_count, check_fraction, check_kind, check_positive
from xhat.engine.steppers import LBFGS, State, Stepper
from xhat.objectives import Measurement, Objective

__all__ = ["Around", "AugmentedLagrangian", "Lagrangian", "Multipliers", "columns"]

_LARGEST_MULTIPLIER = 1e12
_SMALLEST_SCALE = 1e-8


class Around(Stepper):
    """A stepper around another, which it is where a problem has no constraints to keep.

    Attributes:
        stepper: the other.
    """

    stepper: Stepper

    @property
    def open(self) -> bool:
        """Whether the length of the steps of its stepper is left open."""
        return self.stepper.open

    @property
    def recovers(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether its stepper can go back from a trial whose loss is not finite."""
        return self.stepper.recovers

    @property
    def curved(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether its stepper learns curvature."""
        return self.stepper.curved

    @property
    def rotates(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a step of its stepper commutes with every orthogonal map."""
        return self.stepper.rotates

    def init(self, z: Tensor) -> State:
        """Return the memory of its stepper."""
        return self.stepper.init(z)

    def step(self, z: Tensor, loss: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Step as its stepper does; the gradient is that of the merit in a round."""
        return self.stepper.step(z, loss, gradient, state)


@dataclass(frozen=True)
class AugmentedLagrangian(Around):
    """A stepper that keeps constraints without a projection, by rounds of another's descent.

    Where a problem has none, it is that other stepper.

    Attributes:
        stepper: descends in every round.
        rounds: of descent, each followed by new multipliers; at most.
        growth: by what the penalty is multiplied where a round did not help enough; above 1.
        progress: the share to which a round must reduce the violation, in (0, 1).

    Raises:
        TypeError: the stepper is none, or another ``AugmentedLagrangian``.
        ValueError: a value is out of range.

    Example:
        >>> from xhat.constraints import Inequality
        >>> from xhat.engine import Problem, solve
        >>> from xhat.spaces import Box
        >>> right = Inequality(lambda x: 0.5 - x[:, 0])
        >>> problem = Problem(lambda x: x.square().sum(dim=1), Box(-1, 1), right)
        >>> how = AugmentedLagrangian(LBFGS(history=5), rounds=10)
        >>> solve(problem, torch.zeros(1, 2), stepper=how).x.round(decimals=3)
        tensor([[0.5000, 0.0000]])
    """

    stepper: Stepper = field(default_factory=LBFGS)
    rounds: int = 40
    growth: float = 10.0
    progress: float = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        check_kind("stepper", self.stepper, Stepper)
        if self.stepper.lagrangian is not None:
            raise TypeError(
                "an AugmentedLagrangian must be given a plain stepper such as LBFGS(), not another "
                "AugmentedLagrangian."
            )
        check_count("rounds", self.rounds)
        check_positive("growth", self.growth)
        if self.growth <= 1:
            raise ValueError(f"growth must be above 1, but is {self.growth}.")
        check_fraction("progress", self.progress)

    @property
    def lagrangian(self) -> "AugmentedLagrangian":
        """Itself."""
        return self


@dataclass(frozen=True)
class Multipliers(PerCandidate):
    """What the method knows of ``n`` candidates and their ``k`` conditions.

    Attributes:
        values: ``(n, k)``, the multipliers.
        penalty: ``(n,)``.
        scales: ``(n, k)``, by which each condition is multiplied.
        weight: ``(n,)``, by which the loss is multiplied.
        equality: ``(1, k)`` booleans, which conditions must be 0.
        measure: ``(n,)``, violation and complementarity after the last round.
    """

    per_candidate: ClassVar[tuple[str, ...]] = (
        "values",
        "penalty",
        "scales",
        "weight",
        "equality",
        "measure",
    )

    values: Tensor
    penalty: Tensor
    scales: Tensor
    weight: Tensor
    equality: Tensor
    measure: Tensor

    @classmethod
    def begin(
        cls, loss: Tensor, slope: Tensor, conditions: Tensor, slopes: Tensor, equality: Tensor
    ) -> "Multipliers":
        """Return the first ones.

        Args:
            loss: ``(n,)``, at the start.
            slope: ``(n,)``, the largest component of its gradient.
            conditions: ``(n, k)``, at the start.
            slopes: ``(n, k)``, the largest component of the gradient of each.
            equality: ``(1, k)`` booleans.
        """
        weight = _scale(slope)
        scales = _scale(slopes)
        broken = torch.where(equality, conditions, conditions.clamp_min(0)) * scales
        size = broken.square().sum(dim=1) / 2
        penalty = 10 * (weight * loss).abs().clamp_min(1) / size.clamp_min(1)
        return cls(
            torch.zeros_like(conditions),
            penalty.nan_to_num(10.0).clamp(1e-6, 10.0),
            scales,
            weight,
            equality,
            torch.full_like(loss, torch.inf),
        )

    def firmer(self, times: float) -> "Multipliers":
        """Return the same with a larger penalty."""
        return replace(self, penalty=self.penalty * times)

    def merit(self, loss: Tensor, conditions: Tensor) -> Tensor:
        """Return what is descended, ``(n,)``."""
        penalty = self.penalty[:, None]
        pushed = self._pushed(conditions)
        term = (pushed.square() - self.values.square()) / (2 * penalty)
        return self.weight * loss + term.sum(dim=1)

    def updated(self, conditions: Tensor, how: AugmentedLagrangian) -> "Multipliers":
        """Return the multipliers after a round that ended at these conditions."""
        measure = self.complementarity(conditions)
        slow = measure > how.progress * self.measure
        pushed = self._pushed(conditions).clamp(-_LARGEST_MULTIPLIER, _LARGEST_MULTIPLIER)
        penalty = torch.where(slow, self.penalty * how.growth, self.penalty)
        return replace(self, values=pushed, penalty=penalty, measure=measure)

    def complementarity(self, conditions: Tensor) -> Tensor:
        """Return how far conditions and multipliers are from optimal, ``(n,)``; 0 is optimal."""
        scaled = self.scales * conditions
        least = -self.values / self.penalty[:, None]
        return torch.where(self.equality, scaled, torch.maximum(scaled, least)).abs().amax(dim=1)

    def _pushed(self, conditions: Tensor) -> Tensor:
        pushed = self.values + self.penalty[:, None] * self.scales * conditions
        return torch.where(self.equality, pushed, pushed.clamp_min(0))


class Lagrangian(Objective):
    """An objective whose merit holds constraints up; its loss stays the objective's own.

    A target counts as reached only where the constraints hold, and the loss is infinite where they
    do not, so that no stop rule claims success there.
    """

    def __init__(
        self,
        objective: Objective,
        constraints: tuple[Constraint, ...],
        multipliers: Multipliers,
        tolerance: float,
    ) -> None:
        self.objective, self.constraints = objective, constraints
        self.multipliers, self.tolerance = multipliers, tolerance

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Measure objective and constraints."""
        found = self.objective.measure(x, z)
        conditions = columns(self.constraints, x)
        merit = self.multipliers.merit(found.loss, conditions)
        equality = self.multipliers.equality
        worst = torch.where(equality, conditions.abs(), conditions).amax(dim=1).detach()
        holds = worst <= self.tolerance
        loss = torch.where(holds, found.loss.detach(), torch.inf)
        reached = None if found.reached is None else found.reached & holds
        return Measurement(loss, reached, found.confidence, merit)


def columns(constraints: tuple[Constraint, ...], x: Tensor) -> Tensor:
    """Return how ``x`` stands to all conditions of all constraints, ``(n, k)``."""
    return torch.cat([constraint.values(x) for constraint in constraints], dim=1)


def _scale(slope: Tensor) -> Tensor:
    return (1 / slope.nan_to_num(1.0).clamp_min(1)).clamp_min(_SMALLEST_SCALE)
