"""The one noun of this room."""

from abc import ABC, abstractmethod

from torch import Tensor

from xhat.core import PerCandidate

__all__ = ["Constraint"]


class Constraint(PerCandidate, ABC):
    """A condition on every candidate's ``x``."""

    @abstractmethod
    def violation(self, x: Tensor) -> Tensor:
        """Return by how much ``x``, ``(n, *x_shape)``, breaks the condition: ``(n,)``, <= 0 if not.

        The unit is that of the condition itself (for a ball: distance beyond the radius).
        """

    @abstractmethod
    def project(self, x: Tensor) -> Tensor:
        """Return the feasible point nearest to ``x`` in Euclidean distance; idempotent."""
