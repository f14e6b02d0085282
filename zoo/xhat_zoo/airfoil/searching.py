"""Designs of many specifications in one batch, each from the best real airfoil for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from xhat.core import check_count
from xhat.engine import AugmentedLagrangian, Compute, Problem, Progress, Result, Watch, solve
from xhat_zoo.airfoil.catalogue import catalogue
from xhat_zoo.airfoil.design import (
    Design,
    Drag,
    Flight,
    design_box,
    requirements,
    shape_limits,
    trim,
)
from xhat_zoo.airfoil.geometry import PARAMETERS
from xhat_zoo.airfoil.specification import Specification, check_specifications
from xhat_zoo.airfoil.surrogate import Aerodynamics, surrogate

__all__ = ["Rivals", "Searched", "rivals", "search"]

TOLERANCE = 1e-4  # of lift, moment, thickness and confidence
_OF_ROUND = 100  # steps
_SHORTLIST = 60  # real airfoils that the larger surrogate looks at
_NEAR = 0.02  # of the limits, within which the smaller surrogate may be wrong
_SURE = 0.95  # of a real airfoil, confidence enough; a search goes farther and needs more
WITNESS = "xlarge"  # the size that must be as sure of a design as the larger one


@dataclass(frozen=True)
class Rivals:
    """Real airfoils that meet a specification by the surrogate, the least drag first.

    Attributes:
        names: ``m`` of them, possibly none.
        designs: ``(m, 18 + k)``.
        drag: ``(m,)``, the mean over conditions of ln CD by the surrogate.
        nearest: ``(1, 18 + k)``, the best of them; where none meets the specification, the one that
            is nearest to meeting it.
    """

    names: tuple[str, ...]
    designs: Tensor
    drag: Tensor
    nearest: Tensor


@dataclass(frozen=True)
class Searched:
    """Designs found.

    Attributes:
        specifications: what was asked, ``n`` of them.
    X        result: of the search.
        seen: what the surrogate says of the designs, each ``(n, k)``.
        names: of the real airfoils from which the searches began.
    """

    specifications: tuple[Specification, ...]
    trusting: bool
    result: Result
    seen: Aerodynamics
    names: tuple[str, ...]

    @property
    def design(self) -> Design:
        """The designs, taken apart."""
        return Design.of(self.result.x.double())


def rivals(specification: Specification, count: int = 5) -> Rivals:
    """Return the best real airfoils of the catalogue for a specification.

    Of 1,908, the smaller surrogate looks at those whose shape fits, and the larger one at the 60
    best of those that may do. It need be no surer of them than 0.95, whatever is asked of designs:
    nobody searched for where it errs.

    Args:
        specification: what is asked.
        count: how many, at most.
    """
    check_count("count", count)
    row, real = specification.row()[None], catalogue()
    row[:, -1].clamp_max_(_SURE)
    unfit = shape_limits(real.parameters, row).amax(1).clamp_min(0)
    known = unfit.argsort(stable=True)[: max(_SHORTLIST, int((unfit == 0).sum()))]
    _, violation, drag = _looked_at(real.parameters[known], row, "xlarge")
    order = known[(drag + 100 * (violation - _NEAR).clamp_min(0)).argsort()[:_SHORTLIST]]
    designs, violation, drag = _looked_at(real.parameters[order], row, "xxlarge")
    merit = drag + 100 * violation.clamp_min(0)
    fine = [int(i) for i in merit.argsort() if violation[i] <= TOLERANCE][:count]
    nearest = designs[int(merit.argmin())][None]
    names = tuple(real.names[int(order[i])] for i in fine)
    return Rivals(names, designs[fine], drag[fine], nearest)


def _looked_at(parameters: Tensor, row: Tensor, size: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return airfoils at the asked lifts, their violations and their drag."""
    model = surrogate(size)
    designs = Design(parameters, trim(parameters, row, model)).joined()
    flight = Flight(model)
    with torch.no_grad():
        broken = [c.violation(designs) for c in requirements(row, flight)]
        return designs, torch.stack(broken, 1).amax(1), Drag(row, flight)(designs)


def search(
    specifications: Sequence[Specification],
    starts: Sequence[Rivals],
    *,
    trusting: bool = False,
    max_steps: int = _OF_ROUND,
    on_progress: Callable[[Progress], None] | None = None,
) -> Searched:
    """Search a design for every specification, all at once.

    Both sizes of the surrogate must be sure of it; the larger one says what lift, drag and moment
    are.

    Args:
        specifications: with the same number of conditions.
        starts: where each begins: at the best real airfoil.
        trusting: take the surrogate at its word, as a plain descent does: ask for the lift of the
            middle condition and the thickness, and for nothing else.
        max_steps: of every round of multipliers.
        on_progress: called after every step.

    Raises:
        TypeError: one is no ``Specification``.
        ValueError: other numbers of conditions or of starts.
    """
    asked = check_specifications(specifications)
    if len(starts) != len(asked):
        raise ValueError(f"{len(asked)} specifications need as many starts, not {len(starts)}.")
    x0 = torch.cat([start.nearest for start in starts])
    if trusting:
        asked, x0 = tuple(_middle(one) for one in asked), _middle_of(x0)
    rows, flight, box = _rows(asked), Flight(), design_box(asked[0].conditions, wide=trusting)
    kept = requirements(rows, flight, trust=not trusting, witness=surrogate(WITNESS))
    problem = Problem(Drag(rows, flight), box, kept, TOLERANCE)
    result = solve(
        problem,
        box.project(x0),
        stepper=AugmentedLagrangian(),  # by which the published figures were found
        max_steps=max_steps,
        compute=Compute(precision="float64"),
        watch=Watch(on_progress=on_progress),
    ).finished()
    with torch.no_grad():
        seen = flight(result.x.double(), rows)
    names = tuple(start.names[0] if start.names else "nearest" for start in starts)
    return Searched(asked, trusting, result, seen, names)


def _rows(specifications: Sequence[Specification]) -> Tensor:
    return torch.stack([one.row() for one in specifications])


def _middle(one: Specification) -> Specification:
    k = one.conditions // 2
    return replace(one, lift=(one.lift[k],), reynolds=(one.reynolds[k],))


def _middle_of(x: Tensor) -> Tensor:
    middle = PARAMETERS + (x.shape[1] - PARAMETERS) // 2
    return torch.cat([x[:, :PARAMETERS], x[:, middle, None]], 1)
