"""A pose for a rigid body: near to a wanted one, and clear of all obstacles.

    min  mean_i |p_i(x) - p_i(wanted)|²    over poses x, subject to
         f(p_i(x)) - r_i >= clearance + margin    for every ball i of the body

``f`` is the surrogate; that it may overstate a distance is what the margin is for. The truth is not
asked during the search; it certifies every pose afterwards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xhat.constraints import Inequality
from xhat.core import check_positive, check_range, check_tensor
from xhat.engine import LBFGS, Compute, Problem, Restarts, Result, solve
from xhat.objectives import Measurement, Objective
from xhat.spaces import Box, Held
from xhat_zoo import shapes
from xhat_zoo.shapes.base import Shape
from xhat_zoo.shapes.bodies import Body, Clearance, check_poses, chunked

__all__ = [
    "Certificate",
    "Displacement",
    "Shortfall",
    "certify",
    "find_poses",
    "overstatement",
    "pose_space",
]

_TIGHT = 1e-6  # how exactly the search keeps a clearance; asked for on top of it
_AROUND = 0.2  # of the box: how far around the wanted pose further tries begin


def pose_space(low: Tensor, high: Tensor) -> Held:
    """Return the space of poses whose translation lies in a box; quaternions have length 1.

    Example:
        >>> space = pose_space(-torch.ones(3), torch.ones(3))
        >>> space.decode(torch.tensor([[3.0, 0.0, 4.0, 0.0, 0.5, 0.0, 0.0]]))
        tensor([[0.6000, 0.0000, 0.8000, 0.0000, 0.5000, 0.0000, 0.0000]])
    """
    turn = torch.full((4,), 8.0)  # far beyond the length 1 that quaternions begin with
    ends = torch.cat([-turn.to(low), low]), torch.cat([turn.to(high), high])
    box = Box(*ends, unit=1.0)
    return Held(box, _upright)


def find_poses(
    field: Callable[[Tensor], Tensor],
    body: Body,
    wanted: Tensor,
    *,
    clearance: float,
    margin: float = 0.0,
    within: tuple[Tensor, Tensor],
    tries: int = 3,
    max_steps: int = 60,
    seed: int = 0,
    **options: Any,
) -> Result:
    """Search for each wanted pose the nearest one that keeps clear.

    Args:
        field: a signed distance, usually a surrogate.
        body: what is placed.
        wanted: ``(n, 7)``, where it should be; also where the search begins.
        clearance: that every ball must keep from the obstacles, 0 or more.
        margin: what the surrogate may overstate a distance by; see ``overstatement``.
        within: two corners of the box in which translations lie.
        tries: from the wanted pose, and then from random poses around it; the best is kept.
        max_steps: the step budget of a round of multipliers.
        seed: of those random poses, unless a ``compute`` is given, which has its own.
        **options: passed to ``solve``, such as ``watch``.

    Returns:
        Poses as ``x``, and whether each is ``feasible`` by the surrogate; where none was found,
        the status says so.

    Raises:
        TypeError: a part is of the wrong kind.
        ValueError: poses of the wrong shape, a wanted translation outside the box, or a number out
            of its range.
    """
    check_poses(wanted)
    needed = check_positive("clearance", clearance, zero=True)
    needed += check_positive("margin", margin, zero=True) + _TIGHT
    low, high = (check_tensor("within", corner, ndim=1).to(wanted) for corner in within)
    check_range("the wanted translation", wanted[:, 4:], low, high)
    start = _upright(wanted)
    keeps = Shortfall(Clearance(field, body), needed)
    problem = Problem(
        Displacement(body, start),
        pose_space(low, high),
        (Inequality(keeps, name="clearance"),),
        tolerance=_TIGHT,
    )
    precision = "float64" if wanted.dtype == torch.float64 else "float32"
    settings: dict[str, Any] = {
        "stepper": LBFGS(first=0.05),
        "max_steps": max_steps,
        "restarts": Restarts(tries, _AROUND * float((high - low).max())) if tries > 1 else None,
        "compute": Compute(chunk=1024, precision=precision, seed=seed),
    }
    return solve(problem, start, **settings | options).finished()


class Displacement(Objective):
    """The mean squared distance of a body's balls from where they should be.

    Args:
        body: what is placed.
        wanted: ``(n, 7)``, the wanted poses.
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("wanted",)

    def __init__(self, body: Body, wanted: Tensor) -> None:
        self.body, self.wanted = body, check_poses(wanted)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the displacement of poses ``(n, 7)``."""
        return Measurement(self.body.moved(x, self.wanted))


class Shortfall(nn.Module):
    """By how much each ball is nearer to the obstacles than it may be, ``(n, m)``."""

    def __init__(self, clearance: Clearance, needed: float) -> None:
        super().__init__()
        self.training = False
        self.clearance, self.needed = clearance, needed

    def forward(self, poses: Tensor) -> Tensor:
        """Return ``needed - clearance`` of every ball; 0 or less where it is clear."""
        return self.needed - self.clearance.each(poses)


@dataclass(frozen=True, eq=False)
class Certificate:
    """What the truth says of poses.

    Attributes:
        clearance: ``(n,)`` float64, of each pose by the truth.
        needed: what was asked for.
        holds: ``(n,)`` booleans: the search found a pose, and the truth confirms it.
        status: one sentence per pose.
    """

    clearance: Tensor
    needed: float
    holds: Tensor
    status: tuple[str, ...]


def certify(shape: Shape, body: Body, result: Result, clearance: float) -> Certificate:
    """Ask the truth, in float64, whether every pose keeps the clearance.

    Args:
        shape: the obstacles.
        body: what was placed.
        result: of ``find_poses``.
        clearance: that was asked for there.

    Raises:
        TypeError: the shape is no ``Shape``.
    """
    if not isinstance(shape, Shape):
        raise TypeError(f"the truth must be a Shape, not {type(shape).__name__}.")
    found = chunked(Clearance(shape, body), result.x.double())
    clear = found >= clearance
    sentences = [
        _sentence(bool(feasible), bool(fine), float(c), clearance)
        for feasible, fine, c in zip(result.feasible, clear, found, strict=True)
    ]
    return Certificate(found, clearance, clear & result.feasible, tuple(sentences))


def overstatement(
    field: Callable[[Tensor], Tensor],
    shape: Shape,
    level: float,
    *,
    region: tuple[Tensor, Tensor],
    seed: int = 0,
    points: int = 100_000,
    band: float = 0.5,
) -> float:
    """Return the most by which a surrogate overstates a distance, on points it was not trained on.

    Only points where it says about ``level`` are looked at: those that a search for this level ends
    at.

    Args:
        field: the surrogate.
        shape: the truth.
        level: the distance of interest, in the unit of the shape, above 0.
        region: two corners of the box to draw points in.
        seed: of the points.
        points: how many are drawn.
        band: which count: those between ``1 - band`` and ``1 + band`` times the level.

    Returns:
        The largest ``f - d``, 0 if there is none above.

    Raises:
        ValueError: no point lies near the level.
    """
    check_positive("level", level)
    known = shapes.samples_around(shape, points, seed=seed, region=region, near=0.5, spread=0.05)
    kind = next(_weights(field), known.points).dtype
    with torch.no_grad():
        said = torch.cat([field(part.to(kind)).double() for part in known.points.split(20_000)])
    counts = (said - level).abs() <= band * level
    if not bool(counts.any()):
        raise ValueError(f"no point of the region is about {level:g} from the surface.")
    return max(0.0, float((said - known.distances)[counts].max()))


def _sentence(feasible: bool, clear: bool, found: float, needed: float) -> str:
    if not feasible:
        return f"infeasible: no pose was found that keeps {needed:g}; the best keeps {found:.4f}"
    if clear:
        return f"certified: the truth says {found:.4f}, and {needed:g} was asked for"
    return f"not certified: the truth says {found:.4f}, but {needed:g} was asked for"


def _weights(field: Any) -> Iterator[Tensor]:
    return iter(getattr(field, "parameters", tuple)())


def _upright(x: Tensor) -> Tensor:
    turn = x[:, :4] / torch.linalg.vector_norm(x[:, :4], dim=1, keepdim=True).clamp_min(1e-12)
    return torch.cat([turn, x[:, 4:]], dim=1)
