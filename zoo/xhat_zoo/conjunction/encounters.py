"""Encounters: who passes whom, how well that is known, and what a manoeuvre may do."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from xhat.core import PerCandidate, check_tensor
from xhat_zoo.conjunction.orbits import check_bound
from xhat_zoo.conjunction.probability import check_covariance

__all__ = ["Encounters", "Limits"]

SLOWEST = 100.0
"""m/s of relative speed, below which an encounter is not short."""


class _RowEach(PerCandidate):
    """One row for each encounter; a single one is never meant for all."""

    def select(self, index: Tensor) -> Self:
        return self._map(lambda rows: rows[index], lambda part: part.select(index))


@dataclass(frozen=True)
class Limits(_RowEach):
    """What the manoeuvre of each encounter may do.

    Attributes:
        thrust: ``(n,)``, m/s, the largest ‖Δv‖.
        earliest: ``(n,)``, s before the closest approach, when the burn window opens.
        latest: ``(n,)``, s before the closest approach, when it closes; 0 or more.
        band: ``(n,)``, m, the most that the semi-major axis may change either way.

    Raises:
        ValueError: numbers out of range, or limits that contradict each other.

    Example:
        >>> Limits(torch.tensor([0.1]), torch.tensor([9e2]), torch.tensor([6e3]), torch.ones(1))
        Traceback (most recent call last):
        ValueError: the burn window of encounter 0 closes (6000 s before the closest approach) \
before it opens (900 s); earliest must exceed latest.
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("thrust", "earliest", "latest", "band")

    thrust: Tensor
    earliest: Tensor
    latest: Tensor
    band: Tensor

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in self.per_candidate:
            value = check_tensor(f"the limit {name!r}", getattr(self, name)).double()
            object.__setattr__(self, name, value)
            wrong = value < 0 if name == "latest" else value <= 0
            for i in wrong.nonzero()[:1, 0].tolist():
                least = "0 or more" if name == "latest" else "above 0"
                raise ValueError(f"the limit {name!r} must be {least}, but is {value[i]:g}.")
        for i in (self.latest >= self.earliest).nonzero()[:1, 0].tolist():
            raise ValueError(
                f"the burn window of encounter {i} closes ({self.latest[i]:.0f} s before the "
                f"closest approach) before it opens ({self.earliest[i]:.0f} s); earliest must "
                f"exceed latest."
            )


@dataclass(frozen=True)
class Encounters(_RowEach):
    """States and covariances as a conjunction data message gives them, and limits.

    Attributes:
        primary: ``(n, 6)``, inertial position and velocity of the satellite that can burn, m and
            m/s, at the predicted closest approach.
        secondary: ``(n, 6)``, of what it must avoid, at the same time.
        primary_covariance: ``(n, 3, 3)``, m², of its position, in its own radial, transverse and
            normal axes. A burn is taken to leave it as it is.
        secondary_covariance: likewise.
        radius: ``(n,)``, m, the hard-body radius of both together.
        limits: what a manoeuvre may do.

    Raises:
        TypeError: not numbers.
        ValueError: shapes that do not fit, a hyperbolic orbit, a covariance that is not positive
            definite, a relative speed of (nearly) zero, a radius that is not above 0.
    """

    per_candidate: ClassVar[tuple[str, ...]] = (
        "primary",
        "secondary",
        "primary_covariance",
        "secondary_covariance",
        "radius",
    )

    primary: Tensor
    secondary: Tensor
    primary_covariance: Tensor
    secondary_covariance: Tensor
    radius: Tensor
    limits: Limits

    def __post_init__(self) -> None:
        """Check all of it."""
        n = len(torch.as_tensor(self.primary))
        for who in ("primary", "secondary"):
            state = self._take(who, (n, 6))
            check_bound(f"the {who}", state)
            name = f"{who}_covariance"
            check_covariance(f"the {who}'s covariance", self._take(name, (n, 3, 3)))
        radius = self._take("radius", (n,))
        for i in (radius <= 0).nonzero()[:1, 0].tolist():
            raise ValueError(f"the hard-body radius must be above 0, but is {radius[i]:g}.")
        if not isinstance(self.limits, Limits) or len(self.limits.thrust) != n:
            raise ValueError(f"limits must be a Limits for {n} encounters.")
        self._check_speed()

    def __len__(self) -> int:
        return len(self.primary)

    @property
    def speed(self) -> Tensor:
        """The relative speed, m/s, ``(n,)``."""
        return torch.linalg.vector_norm(self.primary[:, 3:] - self.secondary[:, 3:], dim=1)

    def _take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        value: Any = check_tensor(name.replace("_", " "), getattr(self, name)).double()
        if tuple(value.shape) != shape:
            raise ValueError(
                f"{name} must have shape {shape} for {shape[0]} encounters, but has "
                f"{tuple(value.shape)}."
            )
        object.__setattr__(self, name, value)
        return value

    def _check_speed(self) -> None:
        for i in (self.speed < SLOWEST).nonzero()[:1, 0].tolist():
            raise ValueError(
                f"the relative speed of encounter {i} is {self.speed[i]:.3g} m/s, below "
                f"{SLOWEST:g}: the two fly together, and the probability of a short encounter "
                f"does not apply."
            )
