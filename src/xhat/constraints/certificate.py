"""Certificates: which declared constraints hold of ``x`` itself, certified in float64.

A search keeps its constraints in the precision it computes in, and often on ``z``. What counts is
the input that is handed on, so every constraint is evaluated once more, on that very ``x``, in
float64 and without access to the search.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.constraints.base import Constraint
from xhat.core import check_positive, short

__all__ = ["Certificate", "certify"]

_ROWS = 1024  # candidates looked at together, which bounds the memory


@dataclass(frozen=True, eq=False)
class Certificate:
    """By how much ``n`` candidates break each of ``k`` constraints.

    Attributes:
        names: ``k`` names of the constraints; constraints of the same name are numbered.
        violation: ``(n, k)`` float64, on the CPU, each in the constraint's own unit; 0 or less is
            no violation. NaN where a constraint could not be evaluated.
        tolerance: the violation up to which a constraint is said to hold.
        precision: the floating-point type in which each constraint was evaluated: ``"float64"``,
            unless its function accepts the candidates' own type only.
    """

    names: tuple[str, ...]
    violation: Tensor
    tolerance: float
    precision: tuple[str, ...]

    @property
    def feasible(self) -> Tensor:
        """Whether all constraints hold, ``(n,)`` booleans; a violation of NaN does not."""
        return (self.violation <= self.tolerance).all(dim=1)

    @property
    def worst(self) -> Tensor:
        """The largest violation of each candidate, ``(n,)``; 0 if nothing was declared."""
        return self.violation.amax(dim=1) if self.names else self.violation.new_zeros(len(self))

    def __len__(self) -> int:
        return len(self.violation)

    def explain(self, i: int) -> str:
        """Return one sentence per constraint for candidate ``i``, in one line."""
        if not self.names:
            return "No constraint was declared."
        columns = zip(self.names, self.violation[i].tolist(), self.precision, strict=True)
        return " ".join(self._sentence(*column) for column in columns)

    def _sentence(self, name: str, violation: float, precision: str) -> str:
        tolerance = short(self.tolerance)
        if violation != violation:
            return f"{name} counts as violated: it could not be evaluated, its violation is NaN."
        if violation > self.tolerance:
            return f"{name} is violated by {short(violation)} (tolerance {tolerance})."
        return (
            f"{name} holds to {tolerance} (violation {short(max(violation, 0.0))}, in {precision})."
        )


def certify(
    constraints: Constraint | Sequence[Constraint], x: Tensor, *, tolerance: float = 1e-6
) -> Certificate:
    """Evaluate every declared constraint on the candidates themselves, in float64.

    Nothing that is passed is changed: networks inside a constraint are copied before they are
    turned to float64 and evaluation mode. Of several violations per constraint the worst counts.

    Args:
        constraints: one or several; made for ``n`` candidates each, or for any number.
        x: ``(n, *x_shape)``, floating point. A constraint that reads a NaN of a candidate counts as
            violated.
        tolerance: the violation up to which a constraint holds, 0 or more, in the constraint's
            unit. A float32 ``x`` is rounded by up to 6e-8 of its own size, so candidates of a size
            around 1000 need 1e-4.

    Raises:
        TypeError: something that is no constraint, or ``x`` is no floating-point tensor.
        ValueError: a constraint is made for another number of candidates or another shape, or
            returns a violation of a wrong shape.

    Example:
        >>> from xhat.constraints import LinfBall
        >>> ball = LinfBall(torch.zeros(1, 2), 0.5)
        >>> found = certify(ball, torch.tensor([[0.5, 0.0], [0.0, 2.0]]))
        >>> found.feasible.tolist(), found.explain(1)
        ([True, False], 'LinfBall is violated by 1.5 (tolerance 1e-6).')
    """
    check_positive("tolerance", tolerance, zero=True)
    several = tuple(constraints) if isinstance(constraints, Sequence) else (constraints,)
    for constraint in several:
        if not isinstance(constraint, Constraint):
            raise TypeError(f"constraints must be Constraints, not {type(constraint).__name__}.")
    _check_candidates(x)
    violation = torch.empty(len(x), len(several), dtype=torch.float64)
    precision = []
    for column, constraint in enumerate(several):
        _check_fit(constraint, x)
        violation[:, column], dtype = _worst(constraint, x.detach())
        precision.append(str(dtype).removeprefix("torch."))
    return Certificate(_names(several), violation, tolerance, tuple(precision))


def _worst(constraint: Constraint, x: Tensor) -> tuple[Tensor, torch.dtype]:
    try:
        return _over_rows(_in_float64(constraint, x.device), x.double()), torch.float64
    except ValueError:
        if x.dtype == torch.float64:
            raise
    # What a function hides in its closure, such as a network, cannot be turned to float64.
    return _over_rows(constraint.to(x.device, x.dtype), x), x.dtype


def _over_rows(constraint: Constraint, x: Tensor) -> Tensor:
    with torch.no_grad():
        rows = torch.arange(len(x)).split(_ROWS)
        return torch.cat([_violation(constraint.select(part), x[part]) for part in rows])


def _in_float64(constraint: Constraint, device: torch.device) -> Constraint:
    if next(constraint.modules(), None) is not None:
        constraint = copy.deepcopy(constraint)  # ``to`` moves tensors only, and not the models
        for module in constraint.modules():
            module.to(device, torch.float64).eval()
    return constraint.to(device, torch.float64)


def _violation(constraint: Constraint, x: Tensor) -> Tensor:
    name = constraint.name
    try:
        found = constraint.violation(x)
    except RuntimeError as error:  # raised inside the constraint
        raise ValueError(
            f"{name} cannot take inputs of shape {tuple(x.shape[1:])} in "
            f"{str(x.dtype)[6:]}; it says: "
            f"{str(error).splitlines()[0]}"
        ) from error
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if not isinstance(found, Tensor) or found.ndim not in (1, 2) or found.shape[0] != len(x):
        raise ValueError(
            f"the violation of {name} must have shape (n,) or (n, k) with n = {len(x)}, but is "
            f"{shape}."
        )
    if found.numel() == 0:
        raise ValueError(f"the violation of {name} has no values (shape {shape}).")
    return found.reshape(len(x), -1).to("cpu", torch.float64).amax(dim=1)  # keeps NaN


def _check_candidates(x: Tensor) -> None:
    if not isinstance(x, Tensor) or not x.dtype.is_floating_point:
        came = str(x.dtype)[6:] if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"the candidates must be a floating-point tensor, not {came}.")
    if x.ndim < 2 or x.numel() == 0:
        raise ValueError(
            f"the candidates must have shape (n, *x_shape) with n from 1, but have "
            f"{tuple(x.shape)}."
        )


def _check_fit(constraint: Constraint, x: Tensor) -> None:
    name = constraint.name
    if constraint.rows not in (1, len(x)):
        raise ValueError(
            f"{name} is made for {constraint.rows} candidates, but {len(x)} came; give it one "
            f"row per candidate, or a single row for all."
        )
    center = getattr(constraint, "center", x)
    if center.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"{name} is made for inputs of shape {tuple(center.shape[1:])}, but the candidates "
            f"have shape {tuple(x.shape[1:])}."
        )


def _names(constraints: tuple[Constraint, ...]) -> tuple[str, ...]:
    kinds = [constraint.name for constraint in constraints]
    return tuple(
        f"{kind} {kinds[: i + 1].count(kind)}" if kinds.count(kind) > 1 else kind
        for i, kind in enumerate(kinds)
    )
