"""Constraints of the user's own: any differentiable function of ``x``."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from xhat.constraints.base import Constraint
from xhat.core import Model

__all__ = ["Equality", "Inequality", "as_constraint"]


class _OfFunction(Constraint):
    per_candidate: ClassVar[tuple[str, ...]] = ("given",)
    models: ClassVar[tuple[str, ...]] = ("function",)

    def __init__(
        self,
        function: Callable[..., Tensor],
        given: Tensor | None = None,
        *,
        name: str | None = None,
    ) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(
                f"the function of {type(self).__name__} must be callable as x -> (n,) or (n, k), "
                f"not {function!r}."
            )
        if given is not None and (not isinstance(given, Tensor) or given.ndim == 0):
            raise TypeError(
                f"what is given to {type(self).__name__} must be a tensor with one row per "
                f"candidate, or one row for all, not {given!r}."
            )
        self.function, self.takes = Model.of(function, "loss"), given is not None
        self.given = torch.zeros(1) if given is None else given
        self.label = type(self).__name__ if name is None else name

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return self.label

    def values(self, x: Tensor) -> Tensor:
        """Call the function.

        Raises:
            TypeError: it returns no tensor.
            ValueError: it does not return one row per candidate.
        """
        found = self.function(x, self.given) if self.takes else self.function(x)
        if not isinstance(found, Tensor):
            raise TypeError(
                f"the constraint {self.name} must return a tensor, not {type(found).__name__}."
            )
        if found.ndim not in (1, 2) or len(found) != len(x) or found.numel() == 0 < len(x):
            raise ValueError(
                f"the constraint {self.name} must return shape (n,) or (n, k), one row per "
                f"candidate, but for n = {len(x)} returned {tuple(found.shape)}."
            )
        return found.reshape(len(x), -1)


class Inequality(_OfFunction):
    """``g(x) <= 0``, for any differentiable ``g``; kept by the solver's multipliers.

    Args:
        function: ``x -> (n,)`` or ``(n, k)``, or ``(x, given) ->`` the same; candidate by
            candidate.
        given: ``(n, ...)`` or ``(1, ...)``, further data of each candidate, passed to the function
            as its second argument; None for none.
        name: what messages call it, such as ``"thickness"``.

    Raises:
        TypeError: the function cannot be called, or ``given`` is no tensor.

    Example:
        >>> light = Inequality(lambda x: x.sum(dim=1) - 1.0, name="weight")
        >>> light.violation(torch.tensor([[0.5, 0.25], [2.0, 1.0]]))
        tensor([-0.2500,  2.0000])
    """


class Equality(_OfFunction):
    """``h(x) = 0``, for any differentiable ``h``; kept by the solver's multipliers.

    Args:
        function: ``x -> (n,)`` or ``(n, k)``, or ``(x, given) ->`` the same; candidate by
            candidate.
        given: ``(n, ...)`` or ``(1, ...)``, further data of each candidate, passed to the function
            as its second argument; None for none.
        name: what messages call it, such as ``"lift"``.

    Raises:
        TypeError: the function cannot be called, or ``given`` is no tensor.

    Example:
        >>> lift = torch.tensor([[1.0], [2.0]])
        >>> level = Equality(lambda x, wanted: x.sum(dim=1) - wanted[:, 0], lift, name="lift")
        >>> level.violation(torch.tensor([[0.5, 0.25], [2.0, 1.0]]))
        tensor([0.2500, 1.0000])
    """

    equality: ClassVar[bool] = True


def as_constraint(value: "Constraint | Callable[[Tensor], Tensor]") -> Constraint:
    """Return ``value`` as a constraint: itself, or of a function ``g`` that ``g(x) <= 0``.

    Raises:
        TypeError: neither.
    """
    return value if isinstance(value, Constraint) else Inequality(value)
