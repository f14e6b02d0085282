"""The noun of this room, how objectives combine, and objectives of the user's own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from xhat.core import PerCandidate, check_positive

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
        loss = self.select(torch.zeros(1, dtype=torch.long)).measure(x, z).loss
        check_loss(f"the objective {type(self).__name__}", loss, 1, x, z)

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


class Custom(Objective):
    """Any differentiable callable ``x -> (n,)``, minimised.

    Example:
        >>> ink = Custom(lambda x: x.flatten(1).sum(dim=1))
        >>> ink(torch.ones(2, 3))
        tensor([3., 3.])
    """

    models: ClassVar[tuple[str, ...]] = ("function",)

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        if not callable(function):
            raise TypeError(f"the function must be callable, not {type(function).__name__}.")
        self.function = function

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Call the function on ``x``."""
        return Measurement(self.function(x))


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


def check_model(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return ``model`` if it can be called, and is no class that still has to be."""
    if isinstance(model, type):
        raise TypeError(f"the model must be an instance, but {model.__name__} is a class.")
    if not callable(model):
        raise TypeError(f"the model must be callable, not {type(model).__name__}.")
    return model


def check_loss(name: str, loss: Any, n: int, *inputs: Tensor) -> None:
    """Raise unless ``loss`` is ``(n,)`` and can be differentiated with respect to an input."""
    if not isinstance(loss, Tensor):
        raise TypeError(f"{name} must return a tensor, not {type(loss).__name__}.")
    if loss.shape != (n,):
        raise ValueError(
            f"{name} must return one loss per candidate, shape ({n},) for {n}, but returned "
            f"{tuple(loss.shape)}; do not average over candidates."
        )
    found: tuple[Tensor | None, ...] = ()
    if loss.requires_grad:  # which the model's own parameters can cause alone
        found = torch.autograd.grad(loss.sum(), inputs, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise TypeError(
            f"{name} cannot be differentiated with respect to the input; remove no_grad, "
            f"detach, argmax, rounding and numpy from the path between input and output."
        )
