"""Searches for points: onto a surface, to where a solid is thickest, and for the largest ball.

All are problems of the one engine, with nothing but a signed distance ``f`` for a model:

- on the surface: ``min f(x)²``. A step of descent at the rate 1/2 is ``x - f ∇f``, which for a
  true distance leads to the nearest surface point at once.
- medial: ``min f(x)`` from inside, the local maxima of the distance to the surface, where no
  surface point alone is the nearest. They lie on the medial axis (Blum, "A Transformation for
  Extracting New Descriptors of Shape", 1967).
- the largest ball that fits: the deepest of those.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import modules_of
from xhat.engine import (
    LBFGS,
    Compute,
    GradientDescent,
    Plateau,
    Problem,
    Result,
    TargetReached,
    solve,
)
from xhat.objectives import Custom, Match, Maximize
from xhat.spaces import Box
from xhat_zoo.shapes.base import Shape, check_points

__all__ = ["Ball", "find_medial", "find_surface", "largest_ball"]

Field = Callable[[Tensor], Tensor]

_ANYWHERE = Box(-1e9, 1e9)
_SETTLED = 1e-9  # progress, in the unit of the shape, below which a search for depth has ended


def find_surface(
    field: Field, x0: Tensor, *, tolerance: float = 1e-6, max_steps: int = 50, **options: Any
) -> Result:
    """Search the surface from starts anywhere, inside or outside.

    Args:
        field: a signed distance, a surrogate or the truth itself.
        x0: ``(n, 3)``, the starts.
        tolerance: a point is on the surface when ``|f|`` is at most this.
        max_steps: the step budget.
        **options: passed to ``solve``, such as ``watch``.

    Returns:
        The points as ``x``; ``reached`` says which are on the field's own surface.

    Raises:
        TypeError: the field cannot be called, or the starts are not floating point.
        ValueError: the starts are not ``(n, 3)``.

    Example:
        >>> from xhat_zoo.shapes import Torus
        >>> found = find_surface(Torus(2.0, 0.5), torch.tensor([[4.0, 0.0, 0.0]]).double())
        >>> found.x, found.status
        (tensor([[2.5000, 0.0000, 0.0000]], dtype=torch.float64), ('target reached',))
    """
    problem = Problem(Match(field, 0.0, tolerance), _ANYWHERE)
    settings: dict[str, Any] = {
        "stepper": GradientDescent(0.5),
        "stop": TargetReached(),
        "max_steps": max_steps,
        "compute": _compute(field, x0),
    }
    return solve(problem, _typed(field, x0), **settings | options).finished()


def find_medial(
    field: Field, x0: Tensor, *, inside: bool = True, max_steps: int = 200, **options: Any
) -> Result:
    """Search the points farthest from the surface, uphill from starts beside them.

    Args:
        field: a signed distance.
        x0: ``(n, 3)``, the starts.
        inside: whether to go deeper into the solid; else farther out, which needs walls.
        max_steps: the step budget.
        **options: passed to ``solve``, such as ``watch``.

    Returns:
        The points as ``x``; ``-loss`` is the distance to the surface that the field claims.

    Raises:
        TypeError: the field cannot be called, or the starts are not floating point.
        ValueError: the starts are not ``(n, 3)``.

    Example:
        >>> from xhat_zoo.shapes import Sphere
        >>> found = find_medial(Sphere(1.0), torch.tensor([[0.5, 0.2, 0.0]]).double())
        >>> bool(found.x.abs().max() < 1e-6), round(float(-found.loss), 6)
        (True, 1.0)
    """
    problem = Problem(Custom(field) if inside else Maximize(field), _ANYWHERE)
    settings: dict[str, Any] = {
        "stepper": LBFGS(first=0.05),
        "stop": Plateau(patience=40, tolerance=_SETTLED),
        "max_steps": max_steps,
        "compute": _compute(field, x0),
    }
    return solve(problem, _typed(field, x0), **settings | options).finished()


@dataclass(frozen=True, eq=False)
class Ball:
    """A ball that fits.

    Attributes:
        center: ``(3,)``.
        radius: that the field claims.
        result: of the search from all starts.
        index: the start that led there.
    """

    center: Tensor
    radius: float
    result: Result
    index: int

    def certified(self, shape: Shape) -> float:
        """Return the radius that fits around this centre by the truth."""
        return float(shape(self.center[None].double()).abs())


def largest_ball(field: Field, x0: Tensor, *, inside: bool = True, **options: Any) -> Ball:
    """Return the largest ball that fits into a solid, or beside it.

    Args:
        field: a signed distance.
        x0: ``(n, 3)``, starts; a ball is found for each, and the largest is kept, so that they
            should be many and everywhere.
        inside: whether it should fit into the solid; else into the space beside it.
        **options: as of ``find_medial``.

    Raises:
        ValueError: no start led to a point on the wanted side of the surface.

    Example:
        >>> from xhat_zoo.shapes import Capsule
        >>> capsule = Capsule(half=1.0, radius=0.25)
        >>> round(largest_ball(capsule, torch.tensor([[0.1, 0.1, 0.5]]).double()).radius, 6)
        0.25
    """
    result = find_medial(field, x0, inside=inside, **options)
    depth = torch.where(torch.isfinite(result.loss), -result.loss, -torch.inf)
    best = int(depth.argmax())
    if float(depth[best]) <= 0:
        where = "inside" if inside else "outside"
        raise ValueError(f"no start led to a point {where} the shape; begin nearer to it.")
    return Ball(result.x[best], float(depth[best]), result, best)


def _typed(field: Field, x0: Tensor) -> Tensor:
    return check_points(x0).to(_dtype(field, x0))


def _compute(field: Field, x0: Tensor) -> Compute:
    precision = "float64" if _dtype(field, x0) == torch.float64 else "float32"
    return Compute(chunk=4096, precision=precision)


def _dtype(field: Field, x0: Tensor) -> torch.dtype:
    """Return the type of a network's weights; what has none takes that of the starts."""
    weights = (w for module in modules_of(field) for w in module.parameters())
    return next((w.dtype for w in weights), x0.dtype if isinstance(x0, Tensor) else torch.float32)
