"""Several constraints at once: the nearest point at which all of them hold."""

from collections.abc import Sequence

import torch
from torch import Tensor

from xhat.constraints.base import Projected

__all__ = ["Intersection", "project_onto_intersection"]

_CYCLES = 500
_WINDOW, _SHRINKS = 50, 0.9  # cycles, and the share that the least violation must fall to in them
_FEASIBLE = {torch.float64: 2e-13}  # the violation that is let stand, in the unit of ``x``
_NEAREST = {torch.float64: 1e-9}  # the change at which the cycles end, likewise
_COARSE = 2e-8, 1e-6  # for float32 and below: both


class Intersection(Projected):
    """Several convex constraints, kept together.

    Args:
        parts: two or more, convex.

    Raises:
        TypeError: a part has no projection.
        ValueError: fewer than two parts, or one that is not convex.

    Example:
        >>> from xhat.constraints import Bounds, Halfspace
        >>> wedge = Intersection((Bounds(low=0.0), Halfspace(torch.tensor([[1.0, 2.0]]), 1.0)))
        >>> wedge.project(torch.tensor([[2.0, 1.0]])).round(decimals=6) + 0.0
        tensor([[1., 0.]])
    """

    def __init__(self, parts: Sequence[Projected]) -> None:
        if not isinstance(parts, Sequence) or isinstance(parts, str):
            raise TypeError(
                f"an Intersection is of a sequence of constraints, not of {type(parts).__name__}."
            )
        parts = tuple(parts)
        if len(parts) < 2:
            raise ValueError(
                f"an Intersection needs two or more constraints, but has {len(parts)}."
            )
        for part in parts:
            if not isinstance(part, Projected):
                raise TypeError(
                    f"an Intersection is of constraints that have a projection, which "
                    f"{type(part).__name__} has not; give it to the Problem beside the others."
                )
            if not part.convex:
                raise ValueError(
                    f"{part.name} is not convex, and cannot be part of an Intersection; use a "
                    f"space that holds it."
                )
        self.parts = parts
        _ = self.rows

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return f"Intersection of {', '.join(part.name for part in self.parts)}"

    @property
    def flat(self) -> tuple[Projected, ...]:
        """The parts, with those of intersections in place of these."""
        return tuple(flattened(self.parts))

    def values(self, x: Tensor) -> Tensor:
        """Return the violation of every part, ``(n, parts)``."""
        return torch.stack([part.violation(x) for part in self.parts], dim=1)

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest point of all parts."""
        return project_onto_intersection(self.parts, x)

    def check(self, x: Tensor) -> None:
        """Check every part."""
        for part in self.parts:
            part.check(x)


def project_onto_intersection(parts: Sequence[Projected], x: Tensor) -> Tensor:
    """Return the point nearest to ``x`` at which all of several convex constraints hold.

    Dykstra's algorithm: Boyle, Dykstra, "A Method for Finding Projections onto the Intersection of
    Convex Sets in Hilbert Spaces" (1986), in float64 whatever the type of ``x``, until the
    increments settle to 1e-9 (1e-6 for float32; Birgin, Raydan, "Robust Stopping Criteria for
    Dykstra's Algorithm", 2005), the violation has stopped shrinking, or 500 cycles are over.
    Then the projections are applied in turn until no violation exceeds 2e-13 (2e-8 for float32,
    before rounding): the result is feasible, even where it is not quite the nearest point. Each
    candidate stops by itself. If no point is feasible, the result lies on the last part, and its
    violation is above the tolerance.

    Args:
        parts: convex; the result lies on the last of them.
        x: ``(n, *x_shape)``; without a gradient.
    """
    feasible = _FEASIBLE.get(x.dtype, _COARSE[0])
    settled = _NEAREST.get(x.dtype, _COARSE[1])
    with torch.no_grad():
        parts = [part.to(x.device, torch.float64) for part in flattened(parts)]
        found = x.double()
        outside = (_worst(parts, found) > feasible / 2).nonzero()[:, 0]
        for increments in (True, False):
            if len(outside) == 0:
                break
            live = [part.select(outside) for part in parts]
            cycles = _Cycles(live, found[outside], increments, feasible, settled)
            moved, ended = cycles.run()
            found = found.index_copy(0, outside, moved)
            outside = outside[~ended]
    return found.to(x.dtype)


def flattened(constraints: Sequence[Projected]) -> list[Projected]:
    """Return the constraints, with the parts of intersections in place of these."""
    return [part for constraint in constraints for part in constraint.flat]


class _Cycles:
    """Projections onto one part after the other, with Dykstra's increments or without."""

    def __init__(
        self,
        parts: list[Projected],
        x: Tensor,
        increments: bool,
        feasible: float,
        settled: float,
    ) -> None:
        self.parts, self.increments = parts, increments
        self.feasible, self.settled = feasible, settled
        self.x = x
        self.memory = [torch.zeros_like(x) for _ in parts]
        self.ids = torch.arange(len(x), device=x.device)

    def run(self) -> tuple[Tensor, Tensor]:
        """Return where the cycles end, and which candidates are feasible there."""
        found = self.x.clone()
        ended = torch.zeros(len(found), dtype=torch.bool, device=found.device)
        self.before = torch.full((len(found),), torch.inf, dtype=found.dtype, device=found.device)
        self.lately = self.before.clone()
        for count in range(1, _CYCLES + 1):
            change = self._cycle()
            worst = _worst(self.parts, self.x)
            done = worst <= self.feasible
            if self.increments:
                done = change <= self.settled * self._size()
            self.lately = torch.minimum(self.lately, worst)
            if count % _WINDOW == 0:  # what no longer shrinks is most likely a gap between the sets
                done |= (worst > self.feasible) & (self.lately > _SHRINKS * self.before)
                self.before, self.lately = self.lately, torch.full_like(worst, torch.inf)
            if bool(done.any()):
                found[self.ids[done]] = self.x[done]
                ended[self.ids[done]] = (worst <= self.feasible)[done]
                if not self._keep((~done).nonzero()[:, 0]):
                    return found, ended
        found[self.ids] = self.x
        return found, ended

    def _cycle(self) -> Tensor:
        squares = self.x.new_zeros(len(self.x))
        for i, part in enumerate(self.parts):
            before = self.x + self.memory[i]
            self.x = part.project(before)
            if self.increments:
                rest = before - self.x
                squares += (rest - self.memory[i]).flatten(1).square().sum(dim=1)
                self.memory[i] = rest
        return squares.sqrt()

    def _size(self) -> Tensor:
        return self.x.flatten(1).abs().amax(dim=1).clamp_min(1.0)

    def _keep(self, stays: Tensor) -> bool:
        self.parts = [part.select(stays) for part in self.parts]
        self.x, self.ids = self.x[stays], self.ids[stays]
        self.before, self.lately = self.before[stays], self.lately[stays]
        self.memory = [memory[stays] for memory in self.memory]
        return len(stays) > 0


def _worst(parts: Sequence[Projected], x: Tensor) -> Tensor:
    return torch.stack([part.violation(x) for part in parts]).amax(dim=0)
