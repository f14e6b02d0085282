"""The frozen question: objective, space, constraints.

minimise  objective(decode(z))   over z,   subject to   constraint(decode(z)) <= 0
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from xhat.constraints import (
    AffineEquality,
    Bounds,
    Certificate,
    Constraint,
    Projected,
    certify,
    contradiction,
    project_onto_intersection,
)
from xhat.core import NO_GRADIENT, Layout, PerCandidate, check_positive, is_raised_here
from xhat.engine.grids import on_grid, pulled_in
from xhat.objectives import Objective, as_objective
from xhat.spaces import Space
from xhat.spaces.beside import Beside

__all__ = ["Problem"]

_ROUNDINGS = 8  # of the length of an input, by which computing it may miss its space
_CHECKED = 100  # candidates whose linear constraints are tried before a search


@dataclass(frozen=True)
class Problem(PerCandidate):
    """What is searched for, where, and under which conditions.

    Args:
        objective: an ``Objective``, or any callable ``x -> (n,)`` to minimise.
        space: how candidates are parameterised; a dict (or tuple) of spaces for starts that are a
            dict (or tuple) of parts.
        constraints: what must hold for ``x``.
        tolerance: a candidate is feasible when no violation exceeds this, in the constraint's unit.

    Raises:
        TypeError: a part is of the wrong kind.
        ValueError: parts are made for different numbers of candidates.

    Example:
        >>> from xhat.spaces import Box
        >>> Problem(lambda x: x.sum(dim=1), Box(0, 1)).rows
        1
    """

    objective: Objective
    space: Space
    constraints: tuple[Constraint, ...] = ()
    tolerance: float = 1e-5
    _clipped: bool = field(default=False, init=False, repr=False, compare=False)
    _pulled: int | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the parts."""
        objective = as_objective(self.objective)
        if isinstance(self.space, Mapping | tuple | list):
            object.__setattr__(self, "space", Beside(self.space))
        if not isinstance(self.space, Space):
            raise TypeError(f"space must be a Space, not {type(self.space).__name__}.")
        object.__setattr__(self, "objective", objective.measured_in(self.space.span))
        several = isinstance(self.constraints, tuple | list)
        constraints = tuple(self.constraints) if several else (self.constraints,)
        object.__setattr__(self, "constraints", constraints)
        for constraint in self.constraints:
            if not isinstance(constraint, Constraint):
                kind = type(constraint).__name__
                raise TypeError(f"constraints must be Constraints, not {kind}.")
        check_positive("tolerance", self.tolerance, zero=True)
        _ = self.rows
        balls = [i for i, part in enumerate(self.constraints) if _holds_on_grid(self.space, part)]
        object.__setattr__(self, "_pulled", balls[0] if balls else None)
        object.__setattr__(self, "_clipped", _survives(self.space, self.projected))

    @property
    def projected(self) -> tuple[Projected, ...]:
        """The constraints that are kept by projection after every step.

        A projection moves ``x``, so the space must be able to carry the move back to ``z``. Several
        constraints are kept together only if all of them are convex.
        """
        return tuple(part for part in self._of_form() if self._carried(part))

    @property
    def general(self) -> tuple[Constraint, ...]:
        """The constraints that are kept by multipliers: all that are not ``projected``."""
        return tuple(part for part in self.constraints if not self._carried(part.projection))

    def _of_form(self) -> list[Projected]:
        """Return the constraints that have a projection, whether it can be used here or not."""
        return [part.projection for part in self.constraints if part.projection is not None]

    @property
    def cycles(self) -> bool:
        """Whether constraints are kept by projecting in cycles, which may find nothing feasible."""
        return bool(self.projected) and not self._clipped and self._pulled is None

    def _carried(self, part: Projected | None) -> bool:
        if self._pulled is not None:  # others than this ball are kept by multipliers
            return part is not None and part is self.constraints[self._pulled]
        return self.space.carries and part is not None and part.convex

    def laid_out(self, layout: Layout) -> "Problem":
        """Return the same for inputs of several parts, side by side in one flat tensor."""
        constraints = tuple(part.laid_out(layout) for part in self.constraints)
        return replace(
            self,
            objective=self.objective.laid_out(layout),
            space=self.space.laid_out(layout),
            constraints=constraints,
        )

    def check(self, x0: Tensor) -> None:
        """Try everything on the first candidate, before a search begins.

        Args:
            x0: ``(1, *x_shape)``, the first start.

        Raises:
            TypeError: something cannot be differentiated.
            ValueError: shapes or ranges do not fit together.
        """
        for constraint in self._of_form():
            constraint.check(x0)
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
        self._check_contradictions(x0)

    def _check_contradictions(self, x0: Tensor) -> None:
        """Raise ``ValueError`` if linear constraints exclude each other, for a candidate."""
        if self._clipped or not self._of_form():
            return
        for number in range(min(self.rows, _CHECKED)):
            one = self.select(torch.tensor([number]))
            names = contradiction((*one._of_form(), *_bounds(one.space, x0)), x0, self.tolerance)
            if names is not None:
                raise ValueError(_contradicting(names, number, self.rows))

    def check_count(self, n: int) -> None:
        """Raise ``ValueError`` if this problem is not made for ``n`` candidates."""
        if self.rows not in (1, n):
            raise ValueError(
                f"the problem is made for {self.rows} candidates (its targets, references or "
                f"radii), but {n} starts came; give one start per target."
            )

    def project(self, z: Tensor) -> Tensor:
        """Return ``z`` moved to where the constraints and the space hold.

        One ball whose centre lies in a box: project onto the ball, then clip; the result is
        feasible, though not always the nearest point. On a grid around the centre, features are
        then rounded towards it where they must be. Everything else uses Dykstra's algorithm,
        together with the space.
        """
        if self._pulled is not None:
            return pulled_in(self.space, self.projected[0], z)
        if self._clipped:
            z = self.space.encode(self.projected[0].project(self.space.decode(z)))
        elif self.projected:
            x = project_onto_intersection(
                (*self.projected, _Inside(self.space)), self.space.decode(z)
            )
            z = self.space.encode(x)
        return self.space.project(z)

    def certify(self, x: Tensor) -> Certificate:
        """Evaluate every constraint, and the structure of the space, on ``x`` in float64.

        Args:
            x: ``(n, *x_shape)``, exactly as it is returned to the user.
        """
        structure = _Structure(self.space, _ROUNDINGS * torch.finfo(x.dtype).eps)
        return certify((*self.constraints, structure), x, tolerance=self.tolerance)

    def violation(self, x: Tensor) -> Tensor:
        """Return the largest violation over the constraints, ``(n,)``; 0 or less is feasible."""
        worst = x.new_full((x.shape[0],), -torch.inf if self.constraints else 0.0)
        for constraint in self.constraints:
            worst = torch.maximum(worst, constraint.violation(x))
        return worst


class _Inside(Projected):
    """The inputs of a space that carries projections."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def values(self, x: Tensor) -> Tensor:
        """Return by how much the nearest input of the space differs, ``(n, d)``."""
        return (x - self.project(x)).abs().flatten(1)

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest input of the space."""
        return self.space.nearest(x)


def _survives(space: Space, projected: tuple[Projected, ...]) -> bool:
    """Whether the only constraint is a ball that clipping to the space cannot break."""
    ends = space.intervals()
    if ends is None or len(projected) != 1 or not projected[0].survives_clipping:
        return False
    center = getattr(projected[0], "center", None)
    if center is None or any(end.ndim > 1 and end.shape[1:] != center.shape[1:] for end in ends):
        return False
    low, high = (end.to(center) for end in ends)
    return bool(((center >= low) & (center <= high)).all())


def _holds_on_grid(space: Space, part: Constraint) -> bool:
    """Whether a constraint is a ball around a point of the space's grid."""
    ball = part.projection
    if ball is None or not ball.survives_clipping or space.relaxed is space:
        return False
    center = getattr(ball, "center", None)
    if center is None or space.shape not in (None, tuple(center.shape[1:])):
        return False
    try:
        return on_grid(space, center)
    except RuntimeError:  # of another shape; the check of the starts says so
        return False


def _bounds(space: Space, x: Tensor) -> tuple[Projected, ...]:
    """Return what a space says of its inputs in linear conditions."""
    found: list[Projected] = []
    if (ends := space.intervals()) is not None:
        found.append(Bounds(*(end.expand_as(x) for end in ends)))
    if (equations := space.equations()) is not None:
        found.append(AffineEquality(*equations))
    return tuple(found)


class _Structure(Constraint):
    """What a space says of its inputs, beyond what rounding them to their type explains."""

    def __init__(self, space: Space, rounding: float) -> None:
        self.space, self.rounding = space, rounding

    @property
    def name(self) -> str:
        """The name of the space."""
        return self.space.name

    def modules(self) -> Iterator[nn.Module]:
        """Yield none: a space says of ``x`` what it does without its models."""
        return iter(())

    def values(self, x: Tensor) -> Tensor:
        """Return by how much each input misses the space, ``(n, 1)``."""
        size = torch.linalg.vector_norm(x.flatten(1), dim=1)
        return (self.space.violation(x) - self.rounding * size).clamp_min(0)[:, None]


@contextmanager
def _told(trouble: str) -> Iterator[None]:
    """Say what is the trouble when something that the user brought raises, or torch inside it."""
    try:
        yield
    except Exception as error:
        if is_raised_here(error) or isinstance(error, Warning):
            raise  # it is a sentence of ours
        said = (str(error).strip().splitlines() or ["nothing"])[0]
        said = f"{type(error).__name__}: {said.removesuffix('.')}"
        said += NO_GRADIENT * ("numpy()" in said)
        raise ValueError(f"{trouble}; it says: {said}.") from error


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


def _contradicting(names: tuple[str, ...], number: int, rows: int) -> str:
    who = f", for candidate {number}" if rows > 1 else ""
    what = " and ".join((", ".join(names[:-1]), names[-1]))
    them = "both" if len(names) == 2 else "all of them"
    return f"{what} contradict each other{who}: no input fulfils {them}; relax or drop one."


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
