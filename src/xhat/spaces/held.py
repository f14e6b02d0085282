"""Spaces whose every input is put onto what must hold."""

from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from xhat.core import PerCandidate, check_tensor
from xhat.spaces.base import Space, Wrapped, largest
from xhat.spaces.nesting import check_made

__all__ = ["HasProjection", "Held"]


@runtime_checkable
class HasProjection(Protocol):
    """What projects inputs: a ``Projected`` of the room ``constraints``."""

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest input that holds, ``(n, *x_shape)`` both."""
        ...


class Held(Wrapped):
    """The inputs of another space, projected onto what must hold: ``project(space.decode(z))``.

    The constraint holds at every step, as exactly as the projection is computed. The gradient flows
    through the projection; a linear one (symmetric images, frozen pixels) does not distort it.

    Args:
        space: whose inputs are projected.
        project: ``x -> x``, or ``(x, reference) -> x``; differentiable, idempotent, and each
            candidate by itself. Or a constraint with a projection, such as
            ``xhat.constraints.Monotone()``.
        reference: ``(n, ...)`` or ``(1, ...)``, data of each candidate for the projection, such as
            its start; None for none.

    Raises:
        TypeError: the space is no ``Space``, or the projection not callable.
        ValueError: the reference is not finite.

    Example:
        >>> from xhat.spaces import Box
        >>> mirrored = Held(Box(0, 1), lambda x: (x + x.flip(-1)) / 2)
        >>> mirrored.decode(torch.tensor([[1.0, 0.0]]))
        tensor([[0.5000, 0.5000]])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("reference",)
    models: ClassVar[tuple[str, ...]] = ("onto",)

    def __init__(
        self,
        space: Space,
        project: Callable[..., Tensor] | HasProjection,
        reference: Tensor | None = None,
    ) -> None:
        super().__init__(space)
        if not callable(project) and not _projects(project):
            raise TypeError(f"the projection must be callable, not {type(project).__name__}.")
        self.onto, self.refers = project, reference is not None
        if self.refers and not callable(project):
            raise TypeError("a constraint brings what it needs; drop the reference.")
        self.reference = torch.zeros(1) if reference is None else reference
        check_tensor("the reference", self.reference)
        if not callable(project):  # a function may be made for one device, type or shape
            check_made(self)

    @property
    def smooth(self) -> bool:
        """False: a projection may be anything, such as onto rows of a table."""
        return False

    def decode(self, z: Tensor) -> Tensor:
        """Return the projected input."""
        return self._put(self.space.decode(z))

    def misses(self, x: Tensor) -> Tensor:
        """Return how far the projection still moves a feature of ``x``."""
        return largest((self._put(x) - x).abs())

    def check(self, x: Tensor) -> None:
        """Check the starts as the inner space does, and that the constraint is for such inputs."""
        self.space.check(x)
        if not callable(self.onto) and (check := getattr(self.onto, "check", None)) is not None:
            check(x[:1])

    def _put(self, x: Tensor) -> Tensor:
        if not callable(self.onto):
            return self.onto.project(x)
        return self.onto(x, self.reference) if self.refers else self.onto(x)


def _projects(thing: object) -> bool:
    return isinstance(thing, PerCandidate) and isinstance(thing, HasProjection)
