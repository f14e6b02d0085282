"""The nouns of this room: what must hold, and what of it has a nearest point in closed form."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xhat.core import PerCandidate

__all__ = ["Constraint", "Linear", "Projected"]


class Constraint(PerCandidate, ABC):
    """A condition, or several, on every candidate's ``x``.

    Attributes:
        equality: whether ``values`` must be 0; otherwise they must be 0 or below.
    """

    equality: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return type(self).__name__

    @property
    def projection(self) -> "Projected | None":
        """The constraint itself, if it has a projection."""
        return None

    @abstractmethod
    def values(self, x: Tensor) -> Tensor:
        """Return the value of each of ``k`` conditions at ``x``, ``(n, *x_shape)``: ``(n, k)``.

        Differentiable, and in the unit of the condition itself (for a ball: distance beyond the
        radius).
        """

    def violation(self, x: Tensor) -> Tensor:
        """Return by how much ``x`` breaks the worst of the conditions: ``(n,)``, <= 0 if none."""
        values = self.values(x)
        return values.abs().amax(dim=1) if self.equality else values.amax(dim=1)


@dataclass(frozen=True)
class Linear:
    """The linear conditions of one candidate, on the flattened input of ``d`` features.

    Attributes:
        low: ``(d,)``, the least that each feature may be; None for no bounds.
        high: ``(d,)``, the most; None for no bounds.
        upper: ``(m, d)`` and ``(m,)``: ``A x <= b``.
        equal: ``(m, d)`` and ``(m,)``: ``A x = b``.
    """

    low: Tensor | None = None
    high: Tensor | None = None
    upper: tuple[Tensor, Tensor] | None = None
    equal: tuple[Tensor, Tensor] | None = None


class Projected(Constraint):
    """A constraint that has a closed-form projection.

    Attributes:
        survives_clipping: whether a feasible ``x`` stays feasible when its features are clipped to
            bounds, as long as the constraint's own centre lies within them.
        convex: whether every point between two feasible points is feasible.
    """

    survives_clipping: ClassVar[bool] = False
    convex: ClassVar[bool] = True

    @property
    def projection(self) -> "Projected":
        """The constraint itself."""
        return self

    @property
    def flat(self) -> "tuple[Projected, ...]":
        """The constraints that it is made of, none of them made of others."""
        return (self,)

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """Return the feasible point nearest to ``x`` in Euclidean distance; idempotent."""

    def linear(self, x: Tensor) -> Linear | None:  # noqa: ARG002 - for those that are
        """Return the conditions on inputs like ``x``, ``(1, *x_shape)``; None if one is not linear.

        The constraint must be narrowed to one candidate before.
        """
        return None

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless it can hold for inputs like ``x``, ``(1, *x_shape)``."""
