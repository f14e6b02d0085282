"""The question: the least drag at given lifts, within limits, where the surrogate can be trusted.

A design is the 18 parameters of the shape, the trailing edge in fiftieths of the chord, and for
each of ``k`` conditions the angle of attack in tens of degrees: ``(n, 18 + k)``. What is asked of
each stands in a row of numbers (``Specification.row``), so that designs of many specifications are
searched in one batch:

    minimise    mean over conditions of ln CD
    subject to  CL = the given lift                                     (``lift``)
                confidence, thickness, moment, radius, wiggle in limits (``limits``)
                the surfaces stay apart                                 (``apart``)

All are differentiable functions of design and row, candidate by candidate.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xhat.constraints import Constraint, Equality, Inequality
from xhat.core import check_rows, check_tensor
from xhat.objectives import Measurement, Objective
from xhat.spaces import Box
from xhat_zoo.airfoil.geometry import (
    PARAMETERS,
    check_parameters,
    leading_edge_radius,
    max_thickness,
    thickness,
    wiggle,
)
from xhat_zoo.airfoil.surrogate import Aerodynamics, surrogate

__all__ = [
    "ANGLE",
    "EDGE",
    "LIMITS",
    "MARGIN",
    "Design",
    "Drag",
    "Flight",
    "apart",
    "design_box",
    "requirements",
    "shape_limits",
    "trim",
]

ANGLE, EDGE = 10.0, 0.02  # degrees and chords to the unit of a design: all are of one size
LIMITS = 5  # numbers of a row beside lifts and Reynolds numbers
MARGIN = 0.004  # of the moment: what surrogate and XFoil differ by in nine cases of ten
_GAP = 0.06  # least thickness over the class function; 95 % of real airfoils have more
_STATIONS = 24
_OF_RADIUS, _OF_WIGGLE = 10.0, 0.1  # which make all limits of one size
_SECANTS, _SLOPE = 7, 0.1  # of CL per degree
_LOW = (0.06, *[-0.25] * 7, *[-0.60] * 8, -0.5, 0.0)
_HIGH = (0.60, *[0.80] * 7, -0.04, *[0.50] * 7, 0.8, 0.5)
_STEEP = (-0.6, 1.4)  # tens of degrees


def design_box(conditions: int, *, wide: bool = False) -> Box:
    """Return the space of designs: bounds that hold most real airfoils, and angles of flight.

    Args:
        conditions: ``k``.
        wide: bounds of the shape that are twice as far apart, and hold nearly every real airfoil.

    Example:
        >>> design_box(3).low.shape
        torch.Size([1, 21])
    """
    low = torch.tensor([*_LOW, *[_STEEP[0]] * conditions], dtype=torch.float64)
    high = torch.tensor([*_HIGH, *[_STEEP[1]] * conditions], dtype=torch.float64)
    if wide:
        more = (high - low)[: PARAMETERS - 1] / 2
        low[: PARAMETERS - 1] -= more
        high[: PARAMETERS - 1] += more
    return Box(low, high, unit=1.0)


@dataclass(frozen=True)
class Design:
    """Designs taken apart.

    Attributes:
        parameters: ``(n, 18)``.
        angles: ``(n, k)``, degrees.
    """

    parameters: Tensor
    angles: Tensor

    @classmethod
    def of(cls, x: Tensor) -> "Design":
        """Take designs ``(n, 18 + k)`` apart.

        Raises:
            ValueError: another number of features.
        """
        if x.ndim != 2 or x.shape[1] <= PARAMETERS:
            raise ValueError(
                f"a design must have {PARAMETERS} parameters and one angle or more, but has shape "
                f"{tuple(x.shape)}."
            )
        shape, edge = x[:, : PARAMETERS - 1], x[:, PARAMETERS - 1 : PARAMETERS]
        return cls(torch.cat([shape, EDGE * edge], 1), ANGLE * x[:, PARAMETERS:])

    def joined(self) -> Tensor:
        """Return ``(n, 18 + k)``."""
        shape, edge = self.parameters[:, :-1], self.parameters[:, -1:]
        return torch.cat([shape, edge / EDGE, self.angles / ANGLE], 1)


class Flight(nn.Module):
    """What the surrogate says of designs at the conditions of their rows; the last answer is kept.

    Objective and constraints ask of the same designs, one after the other; with one ``Flight`` for
    all of them the network is passed once. The answer is forgotten when its gradient was taken.

    Args:
        model: the surrogate.
    """

    def __init__(self, model: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model or surrogate()
        self.kept: tuple[Tensor, Tensor, Tensor, Aerodynamics] | None = None
        self.eval()

    def forward(self, x: Tensor, rows: Tensor) -> Aerodynamics:
        """Return lift, drag, moment, transitions and confidence, each ``(n, k)``."""
        if self.kept is not None and torch.is_grad_enabled():
            known, values, of, found = self.kept
            if known is x and torch.equal(values, x) and torch.equal(of, rows):
                return found
        design, k = Design.of(x), x.shape[1] - PARAMETERS
        if rows.shape[1] != 2 * k + LIMITS:
            raise ValueError(
                f"designs with {k} angles need rows of {2 * k + LIMITS} numbers, but these have "
                f"{rows.shape[1]}."
            )
        found = self.model(design.parameters, design.angles, rows[:, k : 2 * k].expand(len(x), -1))
        if found.lift.requires_grad:
            self.kept = (x, x.detach().clone(), rows, found)
            found.lift.register_hook(self._forget)
            found.drag.register_hook(self._forget)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"kept": None}  # a copy has no graph of its own

    def _forget(self, gradient: Tensor) -> Tensor:
        self.kept = None
        return gradient


class Drag(Objective):
    """The mean over conditions of ln CD, as the surrogate sees it.

    Args:
        rows: ``(n, 2 k + 5)`` or one row for all, of ``Specification.row``.
        flight: how the surrogate is asked.

    Example:
        >>> from xhat_zoo.airfoil import Specification, catalogue
        >>> asked = Specification(lift=(0.5,), reynolds=(1e6,))
        >>> naca = Design(catalogue().of("naca2412"), torch.tensor([[2.5]])).joined()
        >>> f"{float(Drag(asked.row()[None])(naca).exp()):.4f}"
        '0.0061'
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("asked",)
    models: ClassVar[tuple[str, ...]] = ("flight",)

    def __init__(self, rows: Tensor, flight: Flight | None = None) -> None:
        self.asked = check_tensor("the rows", rows, ndim=2)
        self.flight = flight or Flight()

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002 - of x alone
        """Return the drag; there is no target beside the constraints."""
        return Measurement(self.flight(x, self.asked).drag.log().mean(1))


def requirements(
    rows: Tensor,
    flight: Flight | None = None,
    *,
    trust: bool = True,
    witness: nn.Module | None = None,
) -> tuple[Constraint, ...]:
    """Return what must hold of designs.

    Args:
        rows: ``(n, 2 k + 5)``, of ``Specification.row``.
        flight: how the surrogate is asked.
        trust: whether all of it; without, no more than lift and thickness, and that the surfaces
            do not cross.
        witness: another network of the same kind, which must be as sure; None for none. It was
            trained apart, so what fools one seldom fools both.

    Example:
        >>> from xhat_zoo.airfoil import Specification, catalogue
        >>> asked = Specification(lift=(0.5,), reynolds=(1e6,), thickness=0.15).row()[None]
        >>> naca = Design(catalogue().of("naca2412"), torch.tensor([[2.5]])).joined()
        >>> lift, limits, surfaces = requirements(asked)
        >>> f"{float(limits.violation(naca)):.2f}"  # 12 % thick, where 15 % are asked for
        '0.03'
    """
    flight = flight or Flight()
    return (
        Equality(_Lift(flight), rows, name="lift"),
        Inequality(_Limits(flight, trust, witness), rows, name="limits"),
        Inequality(apart, name="surfaces apart"),
    )


class _Lift(nn.Module):
    """CL minus what is asked for."""

    def __init__(self, flight: Flight) -> None:
        super().__init__()
        self.flight = flight
        self.eval()

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        return self.flight(x, rows).lift - rows[:, : x.shape[1] - PARAMETERS]


class _Limits(nn.Module):
    """Moment, confidence, thickness, radius and wiggle; of these the thickness, without trust."""

    def __init__(self, flight: Flight, trust: bool, witness: nn.Module | None) -> None:
        super().__init__()
        self.flight, self.trust, self.witness = flight, trust, witness
        self.eval()

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        design = Design.of(x)
        shape = shape_limits(design.parameters, rows)
        if not self.trust:
            return shape[:, :1]
        seen = self.flight(x, rows)
        moment, sure = rows[:, -4, None], rows[:, -1, None]
        parts = [moment + MARGIN - seen.moment, sure - seen.confidence, shape]
        if self.witness is not None:
            k = design.angles.shape[1]
            reynolds = rows[:, k : 2 * k].expand(len(x), -1)
            also = self.witness(design.parameters, design.angles, reynolds)
            parts.append(sure - also.confidence)
        return torch.cat(parts, 1)


def shape_limits(parameters: Tensor, rows: Tensor) -> Tensor:
    """Return how shapes stand to the limits of thickness, radius and wiggle, ``(n, 3)``.

    0 or below is fine; each is in a unit in which 0.01 is a little and 0.1 is much.
    """
    thick, _, radius, rough, _ = rows[:, -LIMITS:].unbind(1)
    parts = [
        thick - max_thickness(parameters),
        _OF_RADIUS * (radius - leading_edge_radius(parameters)),
        _OF_WIGGLE * (wiggle(parameters) - rough),
    ]
    return torch.stack(parts, 1)


def apart(x: Tensor) -> Tensor:
    """Return how far the surfaces are from staying apart, ``(n, 24)``; 0 or below is fine.

    At 24 stations, the least thickness over the class function minus what it is.
    """
    at = torch.linspace(0, 1, _STATIONS + 2, dtype=x.dtype, device=x.device)[1:-1]
    at = (1 - (torch.pi * at).cos()) / 2
    return _GAP - thickness(Design.of(x).parameters, at) / (at.sqrt() * (1 - at))


def trim(parameters: Tensor, rows: Tensor, model: nn.Module | None = None) -> Tensor:
    """Return the angles at which airfoils have the asked lift by the surrogate, ``(n, k)`` degrees.

    By secants, from the slope of thin airfoils. Where the lift is not to be had, it is not there:
    compare it.

    Args:
        parameters: ``(n, 18)``.
        rows: ``(n, 2 k + 5)`` or one row for all.
        model: the surrogate.

    Example:
        >>> from xhat_zoo.airfoil import Specification, catalogue
        >>> asked = Specification(lift=(0.5,), reynolds=(1e6,)).row()[None]
        >>> f"{float(trim(catalogue().of('naca0012'), asked)):.1f}"
        '4.6'
    """
    check_rows("the rows", rows, len(check_parameters("the airfoils", parameters)))
    seen, k = model or surrogate(), (rows.shape[1] - LIMITS) // 2
    wanted, reynolds = (part.expand(len(parameters), -1) for part in rows[:, : 2 * k].split(k, 1))
    with torch.no_grad():
        slope = torch.full_like(wanted, _SLOPE)
        angle, last = torch.zeros_like(wanted), None
        for _ in range(_SECANTS):
            miss = seen(parameters, angle, reynolds).lift - wanted
            if last is not None:
                found = (miss - last[1]) / (angle - last[0])
                slope = torch.where((found > _SLOPE / 4) & (found < 4 * _SLOPE), found, slope)
            last = (angle, miss)
            angle = (angle - miss / slope).clamp(10 * _STEEP[0], 10 * _STEEP[1])
    return angle
