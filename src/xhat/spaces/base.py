"""The nouns of this room: a space, and a space around another."""

import copy
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from xhat.core import PerCandidate
from xhat.spaces.lattice import Lattice

__all__ = ["Space", "Wrapped"]


class Space(PerCandidate, ABC):
    """A parameterisation ``z -> x`` of the inputs among which to search.

    Attributes:
        exact: whether ``decode(encode(x))`` returns ``x`` for every ``x`` in the space.
        carries: whether a projection in ``x`` can be carried back to ``z``. That needs a convex set
            of inputs, in which ``decode(project(encode(x)))`` is the point nearest to ``x``.
        smooth: whether ``x`` changes smoothly with ``z``, but for what is countable.
        constraint: the name of the constraint that states the same condition on ``x``.
    """

    exact: ClassVar[bool] = True
    carries: ClassVar[bool] = False
    smooth: ClassVar[bool] = True
    constraint: ClassVar[str | None] = None

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return type(self).__name__

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of one input, where the space knows it."""
        return None

    @property
    def inner(self) -> "Space | None":
        """The space that this one is around, if it is around another."""
        return None

    @property
    def unit(self) -> Tensor | None:
        """What steppers count as 1: a length of each entry of ``z``, or one for all; None for 1.

        ``(1, *z_shape)`` or ``(1,)``.
        """
        return None

    @property
    def span(self) -> Tensor | None:
        """What restarts and distances count as 1: the range of each feature of ``x``; None for 1.

        ``(1, *x_shape)`` or ``(1,)``.
        """
        return None

    def in_ranges(self) -> "Space":
        """Return the same space, of which steppers count the range of each feature as 1.

        Itself where a unit was given, or where ``z`` is no input.
        """
        return self

    def in_units(self, z: Tensor) -> Tensor:
        """Return search variables in the unit of steppers."""
        return z if self.unit is None else z / self.unit

    def of_units(self, step: Tensor) -> Tensor:
        """Return a step in the unit of ``z``, given one in that of steppers.

        Also the derivative in the unit of steppers, given that by ``z``.
        """
        return step if self.unit is None else self.unit * step

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

    def nearest(self, x: Tensor) -> Tensor:
        """Return the input of the space nearest to each ``x``, where the space ``carries``."""
        return self.decode(self.project(self.encode(x)))

    def violation(self, x: Tensor) -> Tensor:
        """Return by how much each input misses the space, ``(n,)`` from 0, in the unit of ``x``.

        0 for a space whose inputs cannot be told from others, such as the range of a decoder.
        """
        return x.new_zeros(len(x))

    def intervals(self) -> tuple[Tensor, Tensor] | None:
        """Return the lower and upper ends, if the inputs are *all* those between them.

        Feature by feature, ``(n, *x_shape)``, ``(1, *x_shape)`` or ``(1,)`` each. Each feature must
        then depend on its own entry of ``z`` alone. None for every other space.
        """
        return None

    def equations(self) -> tuple[Tensor, Tensor] | None:
        """Return ``A``, ``(m, *x_shape)``, and ``b``, ``(n, m)``, if ``A x = b`` for all inputs."""
        return None

    @property
    def relaxed(self) -> "Space":
        """The space before anything in it jumps, with the same ``z``; itself where nothing does."""
        return self

    def lattice(self, x: Tensor) -> Lattice | None:  # noqa: ARG002 - for those that have one
        """Return what is countable in inputs like ``x``, ``(1, *x_shape)``; None for nothing.

        The space must be narrowed to one candidate before.
        """
        return None


class Wrapped(Space):
    """Another space, whose inputs are changed once more.

    Its inputs must have the structure of both spaces. A pair that cannot keep both is refused when
    it is made, or when a search begins if the shape of an input is known only then.
    """

    space: Space

    def __init__(self, space: Space) -> None:
        if not isinstance(space, Space):
            raise TypeError(f"{type(self).__name__} wraps a Space, not {type(space).__name__}.")
        self.space = space

    @property
    def name(self) -> str:
        """Its own name and that of the space in it."""
        return f"{type(self).__name__}({self.space.name})"

    @property
    def inner(self) -> Space:
        """The space in it."""
        return self.space

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of one input, where the space in it knows it."""
        return self.space.shape

    @property
    def unit(self) -> Tensor | None:
        """That of the space in it."""
        return self.space.unit

    @property
    def span(self) -> Tensor | None:
        """That of the space in it."""
        return self.space.span

    def in_ranges(self) -> Self:
        """Return the same around the space in it, in ranges."""
        inner = self.space.in_ranges()
        if inner is self.space:
            return self
        new = copy.copy(self)
        new.space = inner
        return new

    @property
    def exact(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the space in it is exact."""
        return self.space.exact

    @property
    def smooth(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the space in it is smooth."""
        return self.space.smooth

    @property
    def relaxed(self) -> Space:
        """The same around the relaxed space in it."""
        inner = self.space.relaxed
        if inner is self.space:
            return self
        new = copy.copy(self)
        new.space = inner
        return new

    def lattice(self, x: Tensor) -> Lattice | None:
        """Return that of the space in it."""
        return self.space.lattice(x)

    def encode(self, x: Tensor) -> Tensor:
        """Encode by the space in it."""
        return self.space.encode(x)

    def begin(self, x: Tensor) -> Tensor:
        """Begin by the space in it."""
        return self.space.begin(x)

    def project(self, z: Tensor) -> Tensor:
        """Project by the space in it."""
        return self.space.project(z)

    def check(self, x: Tensor) -> None:
        """Check by the space in it."""
        self.space.check(x)

    def violation(self, x: Tensor) -> Tensor:
        """Return the larger of what misses this space and what misses the one in it."""
        return torch.maximum(self.misses(x), self.space.violation(x))

    @abstractmethod
    def misses(self, x: Tensor) -> Tensor:
        """Return by how much ``x`` misses what this space adds to the one in it, ``(n,)``."""


def largest(off: Tensor) -> Tensor:
    """Return the largest value of each row, at least 0: ``(n, ...)`` to ``(n,)``."""
    return off.flatten(1).amax(dim=1).clamp_min(0)


def beyond(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Return by how much the farthest feature of each input lies beyond its bounds, ``(n,)``."""
    ends: list[Any] = [torch.as_tensor(end).to(x) for end in (low, high)]
    return largest(torch.maximum(ends[0] - x, x - ends[1]))
