"""The one noun of this room."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from xhat.core import PerCandidate

__all__ = ["Space"]


class Space(PerCandidate, ABC):
    """A parameterisation ``z -> x`` of the inputs among which to search.

    Attributes:
        exact: whether ``decode(encode(x))`` returns ``x`` for every ``x`` in the space.
        carries: whether the inputs of the space are a convex set, of which
            ``decode(project(encode(x)))`` is the nearest to any ``x``: then a constraint's
            projection in ``x`` can be carried back to ``z``.
    """

    exact: ClassVar[bool] = True
    carries: ClassVar[bool] = False

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Return the inputs ``x``, ``(n, *x_shape)``, of search variables ``(n, *z_shape)``."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return search variables whose ``decode`` is ``x``, or nearest to it."""

    def begin(self, x: Tensor) -> Tensor:
        """Return where the search from ``x`` starts: ``encode``, moved to where gradients live."""
        return self.encode(x)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts ``x`` lie in the space and have its shape."""

    def project(self, z: Tensor) -> Tensor:
        """Return ``z`` moved to the nearest point where the space is defined; idempotent."""
        return z
