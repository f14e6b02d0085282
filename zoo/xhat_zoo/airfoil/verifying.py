"""What XFoil says of designs, and whether they beat the best real airfoil by its own numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from joblib import Parallel, delayed
from torch import Tensor

from xhat.core import check_count
from xhat_zoo.airfoil.design import Design
from xhat_zoo.airfoil.searching import Rivals, Searched
from xhat_zoo.airfoil.specification import Specification
from xhat_zoo.airfoil.xfoil import Condition, Polar, XFoil

__all__ = ["Flights", "Verified", "fly", "fly_polar", "verify"]


@dataclass(frozen=True)
class Flights:
    """What XFoil says of ``n`` designs, each held at the lifts of its specification.

    Attributes:
        specifications: of the designs.
        polars: one per design.
    """

    specifications: tuple[Specification, ...]
    polars: tuple[Polar, ...]

    @property
    def drag(self) -> Tensor:
        """``(n, k)``, CD; NaN where XFoil says nothing."""
        return torch.stack([polar.drag for polar in self.polars])

    @property
    def moment(self) -> Tensor:
        """``(n, k)``, CM."""
        return torch.stack([polar.moment for polar in self.polars])

    @property
    def merit(self) -> Tensor:
        """``(n,)``, the mean over conditions of ln CD; NaN where one of them is missing."""
        return self.drag.log().mean(1)

    @property
    def holds(self) -> Tensor:
        """``(n,)`` booleans: XFoil holds every lift, and every moment is within its limit."""
        limit = torch.tensor([one.moment for one in self.specifications], dtype=torch.float64)
        return (self.moment >= limit[:, None]).all(1) & self.merit.isfinite()

    def why(self, i: int) -> str:
        """Return why XFoil says nothing of design ``i`` at some condition, or nothing."""
        reasons = [w for w in self.polars[i].why if not w.startswith("converged")]
        return reasons[0] if reasons else ""


@dataclass(frozen=True)
class Verified:
    """Designs beside the best real airfoils, by XFoil.

    Attributes:
        searched: the designs.
        flights: what XFoil says of them.
        gap: ``(n,)``, how far surrogate and XFoil are apart in the mean of ln CD; NaN where XFoil
            says nothing.
        gaps: ``(n, k)``, the same of each condition.
        rival_names: of the real airfoil with the least drag by XFoil that meets the specification
            there, or None where no one does.
        rival_merit: ``(n,)``, its mean of ln CD by XFoil; NaN without one.
        rival_designs: ``(n, 18 + k)``; NaN without one.
    """

    searched: Searched
    flights: Flights
    gap: Tensor
    gaps: Tensor
    rival_names: tuple[str | None, ...]
    rival_merit: Tensor
    rival_designs: Tensor

    @property
    def better(self) -> Tensor:
        """``(n,)`` booleans: the drag is below that of the best real airfoil, or there is none."""
        less = self.flights.merit < self.rival_merit
        return self.flights.merit.isfinite() & (less | self.rival_merit.isnan())


def fly(
    specifications: Sequence[Specification],
    designs: Tensor,
    xfoil: XFoil | None = None,
    *,
    jobs: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> Flights:
    """Ask XFoil of designs, several at once; each run is a process of its own.

    Args:
        specifications: one per design, whose lifts XFoil holds.
        designs: ``(n, 18 + k)``; their angles are where XFoil begins.
        xfoil: how it is run.
        jobs: how many runs at once.
        on_progress: called with how many designs are done.

    Raises:
        XFoilMissingError: the program is not there.
        ValueError: an airfoil whose surfaces cross.
    """
    how, parts = xfoil or XFoil(), Design.of(designs)
    check_count("jobs", jobs)
    calls = []
    for one, shape, angles in zip(specifications, parts.parameters, parts.angles, strict=True):
        numbers = zip(one.reynolds, angles.tolist(), one.lift, strict=True)
        calls.append(delayed(how)(shape, [Condition(re, a, lift) for re, a, lift in numbers]))
    tell, polars = on_progress or (lambda _: None), []
    for polar in Parallel(jobs, prefer="threads", return_as="generator")(calls):
        polars.append(polar)
        tell(len(polars))
    return Flights(tuple(specifications), tuple(polars))


def fly_polar(
    shapes: Tensor, reynolds: float, angles: Tensor, xfoil: XFoil | None = None, *, jobs: int = 2
) -> tuple[Polar, ...]:
    """Ask XFoil of airfoils at many angles of one Reynolds number.

    Args:
        shapes: ``(n, 18)``.
        reynolds: of all.
        angles: ``(k,)``, degrees.
        xfoil: how it is run.
        jobs: how many runs at once.

    Raises:
        XFoilMissingError: the program is not there.
    """
    how, conditions = xfoil or XFoil(), [Condition(reynolds, a) for a in angles.tolist()]
    calls = (delayed(how)(shape, conditions) for shape in shapes)
    parallel = Parallel(check_count("jobs", jobs), prefer="threads", return_as="generator")
    return tuple(polar for polar in parallel(calls) if polar is not None)


def verify(
    searched: Searched,
    known: Sequence[Rivals],
    xfoil: XFoil | None = None,
    *,
    jobs: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> Verified:
    """Ask XFoil of designs and of the real airfoils that compete with them.

    Args:
        searched: the designs.
        known: the rivals of each specification; empty for none, as where only the gap matters.
        xfoil: how it is run.
        jobs: how many runs at once.
        on_progress: called with how many airfoils are done.

    Raises:
        XFoilMissingError: the program is not there.
    """
    asked = searched.specifications
    owners = [i for i, of in enumerate(known) for _ in of.names]
    everyone = torch.cat([searched.result.x.double(), *(of.designs for of in known)])
    flown = fly(
        [*asked, *(asked[i] for i in owners)], everyone, xfoil, jobs=jobs, on_progress=on_progress
    )
    n = len(asked)
    own = Flights(asked, flown.polars[:n])
    gaps = (searched.seen.drag.log() - own.drag.log()).abs()
    merit = torch.where(flown.holds, flown.merit, torch.inf)[n:]
    names, best, designs = [], [], []
    for i in range(n):
        of = [j for j, owner in enumerate(owners) if owner == i and merit[j].isfinite()]
        first = min(of, key=lambda j: float(merit[j]), default=None)
        place = None if first is None else first - owners.index(i)
        names.append(None if place is None else known[i].names[place])
        best.append(torch.nan if first is None else float(merit[first]))
        nothing = torch.full_like(everyone[0], torch.nan)
        designs.append(nothing if place is None else known[i].designs[place])
    gap = (searched.seen.drag.log().mean(1) - own.merit).abs()
    rival = torch.tensor(best, dtype=torch.float64)
    return Verified(searched, own, gap, gaps, tuple(names), rival, torch.stack(designs))
