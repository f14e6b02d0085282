"""The noun of this room, how objectives combine, and objectives of the user's own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import isfinite
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from xhat.core import NO_GRADIENT, Layout, Model, PerCandidate, check_positive, is_raised_here

__all__ = [
    "Custom",
    "InLatent",
    "Measurement",
    "Objective",
    "Sum",
    "Weighted",
    "as_objective",
    "together",
]


@dataclass(frozen=True)
class Measurement:
    """What one pass through the model says of ``n`` candidates.

    Attributes:
        loss: ``(n,)``, with a graph back to ``x``.
        reached: ``(n,)`` booleans, whether the model gives the target; None without a target.
        confidence: ``(n,)`` in [0, 1], the share of the model's predicted distribution that agrees
            with the target; None where the target is not a distribution.
        merit: ``(n,)``, with a graph back to ``x``: the quantity that a search descends, if it is
            not the loss itself; None for the loss.
        scale_free: ``(n,)`` booleans, where another loss stands in for one whose gradient would
            vanish; None where there is no such thing.
    """

    loss: Tensor
    reached: Tensor | None = None
    confidence: Tensor | None = None
    merit: Tensor | None = None
    scale_free: Tensor | None = None

    @property
    def descended(self) -> Tensor:
        """What a search descends, ``(n,)``."""
        return self.loss if self.merit is None else self.merit


class Objective(PerCandidate, ABC):
    """One loss per candidate; lower is better."""

    @abstractmethod
    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Return the loss (and the target's state) at ``x``, decoded from ``z``."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return the loss at ``x``, ``(n,)``."""
        return self.measure(x, x).loss

    def check(self, x: Tensor, z: Tensor) -> None:
        """Try the objective on one candidate, ``(1, ...)``, and check *all* its targets.

        Called once, before a search begins.

        Raises:
            TypeError: the result is not a tensor, or cannot be differentiated.
            ValueError: the loss is not one number per candidate, or targets do not fit the model.
        """
        loss = self.of_first().measure(x, z).loss
        check_loss(f"the objective {type(self).__name__}", loss, 1, x, z)

    def of_first(self) -> Self:
        """Return the same for the first candidate only."""
        return self.select(torch.zeros(1, dtype=torch.long))

    @property
    def summands(self) -> "tuple[Objective, ...]":
        """What it is the sum of: itself, but for a sum."""
        return (self,)

    def __add__(self, other: Any) -> "Objective":
        return Sum((self, as_objective(other)))

    def __radd__(self, other: Any) -> "Objective":
        return Sum((as_objective(other), self))

    def __mul__(self, weight: float) -> "Objective":
        return Weighted(self, weight)

    __rmul__ = __mul__


class Sum(Objective):
    """The sum of objectives; its target is reached when all of theirs are.

    Its confidence is the least of theirs.
    """

    def __init__(self, terms: tuple[Objective, ...]) -> None:
        self.terms = tuple(part for term in terms for part in term.summands)

    @property
    def summands(self) -> tuple[Objective, ...]:
        """The terms."""
        return self.terms

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Measure every term and add the losses."""
        return together([term.measure(x, z) for term in self.terms])

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check every term."""
        for term in self.terms:
            term.check(x, z)


class Weighted(Objective):
    """An objective times a weight of 0 or more; the target stays the same."""

    def __init__(self, objective: Objective, weight: float) -> None:
        self.objective = objective
        self.weight = check_positive("the weight of an objective", weight, zero=True)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Measure the objective and scale its loss."""
        found = self.objective.measure(x, z)
        return replace(found, loss=self.weight * found.loss)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check the objective."""
        self.objective.check(x, z)


class InLatent(Objective):
    """An objective that looks at the search variable ``z`` instead of ``x``.

    Example:
        >>> energy = InLatent(lambda z: z.square().sum(dim=1) / 2)  # of a standard normal prior
        >>> energy.measure(torch.zeros(1, 3), torch.ones(1, 2)).loss
        tensor([1.])
    """

    def __init__(self, objective: "Objective | Callable[[Tensor], Tensor]") -> None:
        self.objective = as_objective(objective)

    def measured_in(self, span: Tensor | None) -> Self:  # noqa: ARG002 - of inputs, not of z
        """Return itself: the range of a feature says nothing of ``z``."""
        return self

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002 - the whole point
        """Measure the objective at ``z``."""
        return self.objective.measure(z, z)

    def check(self, x: Tensor, z: Tensor) -> None:  # noqa: ARG002
        """Check the objective at ``z``."""
        try:
            self.objective.check(z, z)
        except RuntimeError as error:  # raised inside what the user brought
            raise ValueError(
                f"the objective in InLatent cannot take a search variable of shape "
                f"{tuple(z.shape[1:])}; make it for the latent space that is searched. It says: "
                f"{str(error).splitlines()[0]}"
            ) from error

    def laid_out(self, layout: Layout) -> Self:  # noqa: ARG002
        """Return the same: the search variable has no parts."""
        return self


class Custom(Objective):
    """Any differentiable callable ``x -> (n,)``, minimised, and when it counts as reached.

    Args:
        function: ``x -> (n,)``, candidate by candidate.
        given: further inputs of the function by name: a tensor with a row for each candidate, which
            are narrowed with the candidates, or of one row for all.
        reached: when the target counts as reached: at a loss of at most this number, or where this
            function of the same arguments says so, ``(n,)`` booleans; None for a loss without a
            target.
        model: what ``function`` and ``reached`` look at in place of ``x``: both get ``model(x)``,
            from one pass; None for ``x`` itself.

    Raises:
        TypeError: what should be called cannot be, or ``given`` has no names.

    Example:
        >>> ink = Custom(lambda x: x.flatten(1).sum(dim=1), reached=4.0)
        >>> ink(torch.ones(2, 3)), ink.measure(torch.ones(2, 3), torch.zeros(2)).reached
        (tensor([3., 3.]), tensor([True, True]))
    """

    models: ClassVar[tuple[str, ...]] = ("function", "reached", "model")

    def __init__(
        self,
        function: Callable[..., Tensor],
        *,
        given: Mapping[str, Any] | None = None,
        reached: Callable[..., Tensor] | float | None = None,
        model: Callable[..., Any] | None = None,
    ) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"the function must be callable, not {type(function).__name__}.")
        self.function = Model.of(function, "loss", given=given)
        self.reached, self.enough = _reached(reached, given)
        self.model = None if model is None else Model.of(model)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Call the function, and the one that says when it is enough."""
        y = x if self.model is None else self.model(x)
        loss = self.function(y)
        if self.enough is not None:
            return Measurement(loss, loss.detach() <= self.enough)
        if self.reached is None:
            return Measurement(loss)
        with torch.no_grad():
            reached = self.reached(y)
        if not isinstance(reached, Tensor) or reached.shape != x.shape[:1]:
            came = tuple(reached.shape) if isinstance(reached, Tensor) else type(reached).__name__
            raise ValueError(
                f"reached must return one boolean per candidate, shape ({len(x)},) for {len(x)}, "
                f"but returned {came}."
            )
        return Measurement(loss, reached.bool())

    def check(self, x: Tensor, z: Tensor) -> None:
        """Try the function on one candidate."""
        try:
            super().check(x, z)
        except (RuntimeError, ValueError) as error:
            if is_raised_here(error) or "batch" not in str(error):
                raise
            said = str(error).splitlines()[0].removesuffix(".")
            raise ValueError(
                f"the function must take any number of candidates, but of one it says: {said}"
                f"{_GIVEN}."
            ) from error


_GIVEN = "; what differs between candidates is told by Custom(function, given={name: rows})"


def _reached(reached: Any, given: Mapping[str, Any] | None) -> tuple[Model | None, float | None]:
    """Return when a loss is enough: a function, or a number, which it may be at most."""
    if reached is None:
        return None, None
    if callable(reached) and not isinstance(reached, type):
        return Model.of(reached, given=given), None
    number = isinstance(reached, int | float) and not isinstance(reached, bool)
    if not number or not isfinite(float(reached)):  # pyright: ignore[reportArgumentType]
        raise TypeError(
            f"reached must be a number, which the loss may be at most, or a function that returns "
            f"(n,) booleans, not {reached!r}."
        )
    return None, float(reached)  # pyright: ignore[reportArgumentType]


def together(found: Sequence[Measurement]) -> Measurement:
    """Return what a sum says, of which every term has said this."""
    if len(found) == 1:
        return found[0]
    reached = [m.reached for m in found if m.reached is not None]
    confidence = [m.confidence for m in found if m.confidence is not None]
    return Measurement(
        reduce(torch.add, [m.loss for m in found]),
        reduce(torch.logical_and, reached) if reached else None,
        reduce(torch.minimum, confidence) if confidence else None,
    )


def as_objective(value: "Objective | Callable[[Tensor], Tensor]") -> Objective:
    """Return ``value`` as an objective: itself, or a callable wrapped in ``Custom``."""
    if isinstance(value, Objective):
        return value
    if callable(value):
        function: Callable[[Tensor], Tensor] = value
        return Custom(function)
    raise TypeError(
        f"an objective must be an Objective or a callable x -> (n,), not {type(value).__name__}."
    )


def check_loss(name: str, loss: Any, n: int, *inputs: Tensor) -> None:
    """Raise unless ``loss`` is ``(n,)`` and can be differentiated with respect to an input."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"{name} must return a tensor, not {type(loss).__name__}.")
    if loss.shape != (n,):
        raise ValueError(
            f"{name} must return one loss per candidate, shape ({n},) for {n}, but returned "
            f"{tuple(loss.shape)}{_GIVEN if loss.ndim == 1 else ''}; do not average over "
            f"candidates."
        )
    if loss.is_complex():
        raise TypeError(
            f"{name} must return real numbers here, but returns {str(loss.dtype)[6:]}; return "
            f"y.abs(), y.real or y.imag, or use Match, which compares both parts."
        )
    found: tuple[Tensor | None, ...] = ()
    if loss.requires_grad:  # which the model's own parameters can cause alone
        found = torch.autograd.grad(loss.sum(), inputs, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise TypeError(
            f"{name} cannot be differentiated with respect to the input; remove no_grad, "
            f"detach, argmax, rounding and numpy from the path between input and "
            f"output{NO_GRADIENT}."
        )
