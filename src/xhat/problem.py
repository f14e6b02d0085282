"""The frozen question: objective, space, constraints.

minimise  objective(decode(z))   over z,   subject to   constraint(decode(z)) <= 0
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.constraints import Constraint, Projected
from xhat.core import PerCandidate, check_positive
from xhat.objectives import Objective, as_objective
from xhat.spaces import Space

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem(PerCandidate):
    """What is searched for, where, and under which conditions.

    Args:
        objective: an ``Objective``, or any callable ``x -> (n,)`` to minimise.
        space: how candidates are parameterised.
        constraints: what must hold for ``x``.
        tolerance: a candidate is feasible when no violation exceeds this, in the constraint's unit.

    Raises:
        TypeError: a part is of the wrong kind.
        ValueError: parts are made for different numbers of candidates, or the space cannot carry
            a constraint's projection.

    Example:
        >>> from xhat.spaces import Box
        >>> Problem(lambda x: x.sum(dim=1), Box(0, 1)).rows
        1
    """

    objective: Objective
    space: Space
    constraints: tuple[Constraint, ...] = ()
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        """Check the parts."""
        object.__setattr__(self, "objective", as_objective(self.objective))
        if not isinstance(self.space, Space):
            raise TypeError(f"space must be a Space, not {type(self.space).__name__}.")
        several = isinstance(self.constraints, tuple | list)
        constraints = tuple(self.constraints) if several else (self.constraints,)
        object.__setattr__(self, "constraints", constraints)
        for constraint in self.constraints:
            if not isinstance(constraint, Constraint):
                kind = type(constraint).__name__
                raise TypeError(f"constraints must be Constraints, not {kind}.")
        check_positive("tolerance", self.tolerance, zero=True)
        _ = self.rows

    @property
    def projected(self) -> tuple[Projected, ...]:
        """The constraints that are kept by projection after every step.

        A projection moves ``x``, so the space must be able to carry that back to ``z``.
        """
        of_form = (part for part in self.constraints if isinstance(part, Projected))
        return tuple(of_form) if self.space.exact else ()

    @property
    def general(self) -> tuple[Constraint, ...]:
        """The constraints that are kept by multipliers: all that are not ``projected``."""
        exact = self.space.exact
        return tuple(c for c in self.constraints if not (exact and isinstance(c, Projected)))

    def check(self, x0: Tensor) -> None:
        """Try everything on the first candidate, before a search begins.

        Args:
            x0: ``(1, *x_shape)``, the first start.

        Raises:
            TypeError: something cannot be differentiated.
            ValueError: shapes or ranges do not fit together.
        """
        first = self.select(torch.zeros(1, dtype=torch.long))
        space, start = type(self.space).__name__, _named("a start", x0)
        with torch.no_grad(), _told(f"the space {space} cannot take {start}"):
            z = first.space.begin(x0)
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            begun = _named("a search variable", z)
            with _told(f"the space {space} cannot decode {begun}, which it made of {start}"):
                x = first.space.decode(z)
                check_decoded(x, x0, z)
            leaf = x.detach().requires_grad_(True)  # so that every term has a graph of its own
            with _told(f"the model cannot take {start}"):
                self.objective.check(leaf, z)
            for constraint in first.general:
                with _told(f"the constraint {constraint.name} cannot take {start}"):
                    _check_values(constraint, leaf)
        for constraint in self.constraints:
            center = getattr(constraint, "center", x0)
            if center.shape[1:] != x0.shape[1:]:
                raise ValueError(
                    f"{type(constraint).__name__} is made for inputs of shape "
                    f"{tuple(center.shape[1:])}, but the starts have shape {tuple(x0.shape[1:])}."
                )

    def check_count(self, n: int) -> None:
        """Raise ``ValueError`` if this problem is not made for ``n`` candidates."""
        if self.rows not in (1, n):
            raise ValueError(
                f"the problem is made for {self.rows} candidates (its targets, references or "
                f"radii), but {n} starts came; give one start per target."
            )

    def project(self, z: Tensor) -> Tensor:
        """Return ``z`` moved to where the constraints and the space hold."""
        if self.projected:
            x = self.space.decode(z)
            for constraint in self.projected:
                x = constraint.project(x)
            z = self.space.encode(x)
        return self.space.project(z)

    def violation(self, x: Tensor) -> Tensor:
        """Return the largest violation over the constraints, ``(n,)``; 0 or less is feasible."""
        worst = x.new_full((x.shape[0],), -torch.inf if self.constraints else 0.0)
        for constraint in self.constraints:
            worst = torch.maximum(worst, constraint.violation(x))
        return worst


@contextmanager
def _told(trouble: str) -> Iterator[None]:
    """Say what is the trouble when something that the user brought raises inside torch."""
    try:
        yield
    except RuntimeError as error:
        raise ValueError(f"{trouble}; it says: {str(error).splitlines()[0]}") from error


def _check_values(constraint: Constraint, x: Tensor) -> None:
    values = constraint.values(x)
    if bool(values.isnan().any()):
        raise ValueError(
            f"the constraint {constraint.name} is NaN at the first start; give a start where it "
            f"is defined, or restrict the space to where it is."
        )
    gradient = None
    if values.requires_grad:
        (gradient,) = torch.autograd.grad(values.sum(), x, allow_unused=True)
    if gradient is None:
        raise TypeError(
            f"the constraint {constraint.name} cannot be differentiated with respect to the "
            f"input; remove no_grad, detach, rounding and numpy from its function."
        )


def _named(name: str, value: Tensor) -> str:
    return f"{name} of shape {tuple(value.shape[1:])} and type {str(value.dtype)[6:]}"


def check_decoded(x: Tensor, x0: Tensor, z: Tensor) -> None:
    """Raise unless ``x``, decoded from ``z``, is like the start and can be differentiated."""
    if x.shape[:1] != (1,):
        raise ValueError(
            f"the space must decode every search variable to one input, but of one it makes a "
            f"tensor of shape {tuple(x.shape)}."
        )
    if x.shape[1:] != x0.shape[1:]:
        raise ValueError(
            f"the space decodes to inputs of shape {tuple(x.shape[1:])}, but the starts have "
            f"shape {tuple(x0.shape[1:])}; let the decoder reshape what it makes, or pass starts "
            f"of its shape."
        )
    if not x.is_floating_point():
        raise TypeError(
            f"the space must decode to floating point, but makes {str(x.dtype)[6:]}; remove "
            f"rounding and casts from the decoder."
        )
    if not x.requires_grad or torch.autograd.grad(x.sum(), z, allow_unused=True)[0] is None:
        raise TypeError(
            "the space's decode cannot be differentiated; remove no_grad, detach, rounding and "
            "numpy from the decoder."
        )
