"""The smallest burn that makes a collision improbable: searched on the surrogate, then certified.

Four steps, all encounters at once:

1. ``solve`` minimises ‖Δv‖ under risk, thrust and orbit band on the surrogate, from several starts.
2. The truth is asked once at each result. Where it is far from the surrogate, the difference shifts
   the surrogate's target, and the search goes on from there.
3. Each burn is scaled until the truth itself gives the wanted risk: a few more calls.
4. A burn is certified where the truth's own numbers meet every limit; the rest say why not.
"""

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xhat.engine import LBFGS, AugmentedLagrangian, Compute, Problem, Result, solve
from xhat.objectives import InLatent
from xhat_zoo.conjunction.approaching import approach
from xhat_zoo.conjunction.approximation import Surrogate, describe
from xhat_zoo.conjunction.burns import Burns, conditions, first_burns
from xhat_zoo.conjunction.encounters import Encounters
from xhat_zoo.conjunction.shipped import surrogate

__all__ = ["CERTIFIED", "INFEASIBLE", "Avoidance", "avoid"]

CERTIFIED = "certified by the truth"
INFEASIBLE = "infeasible: no burn within thrust limit, window and orbit band was found"

_TIMES, _KEEP = 24, 4
_NEAR = 0.01  # of log10 Pc: a gap that scaling alone makes good
_SCALINGS = 4  # at most
_SLACK = 1e-3  # of log10 Pc: how far below the wanted risk a burn may be left
_STEPPER, _STEPS = AugmentedLagrangian(LBFGS(history=5), rounds=6), 20
_TOLERANCE = 3e-4  # relative; the truth's own scaling makes good what is left
_SPARE = 1e-3  # of thrust and band, kept for the scaling; more than the tolerance
_ROUNDING = 1 + 1e-6


@dataclass(frozen=True, eq=False)
class Avoidance:
    """What was found for ``n`` encounters.

    Attributes:
        encounters: that were asked about.
        x: ``(n, 4)``, the burns: Δv in m/s, radial, transverse, normal, and s before.
        searched: ``(n, 4)``, what the surrogate alone had found.
        log10_pc: ``(n,)``, by the truth, after the burn.
        axis_change: ``(n,)``, m, by the truth.
        wanted: what ``log10_pc`` may be at most.
        gaps: for each time the truth was asked of what the surrogate had found, ``(n,)``, by how
            much it was above the surrogate.
        status: one sentence for each.
        truth_calls: how often the truth was asked about an encounter, on average.
        seconds: processor time of search and truth.
    """

    encounters: Encounters
    x: Tensor
    searched: Tensor
    log10_pc: Tensor
    axis_change: Tensor
    wanted: float
    gaps: tuple[Tensor, ...]
    status: tuple[str, ...]
    truth_calls: float
    seconds: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def certified(self) -> Tensor:
        """``(n,)`` booleans: the truth's own numbers meet every limit."""
        return torch.tensor([status == CERTIFIED for status in self.status])

    @property
    def length(self) -> Tensor:
        """‖Δv‖, m/s, ``(n,)``."""
        return self.x[:, :3].norm(dim=1)


def avoid(
    encounters: Encounters,
    *,
    wanted: float = -5.0,
    seed: int = 0,
    model: Surrogate | None = None,
    refinements: int = 1,
) -> Avoidance:
    """Search the smallest burn for every encounter, and certify it.

    Args:
        encounters: ``n`` of them.
        wanted: the largest ``log10 Pc`` that is accepted; below 0.
        seed: of the search.
        model: the surrogate; the shipped one if None.
        refinements: how often the truth's answer shifts the surrogate's target.

    Raises:
        ValueError: ``wanted`` is not below 0.

    Example:
        >>> from xhat_zoo.conjunction import simulate
        >>> found = avoid(simulate(2, seed=11))
        >>> bool((found.log10_pc[found.certified] <= -5).all())
        True
    """
    if not wanted < 0:
        raise ValueError(f"the wanted log10 Pc must be below 0, but is {wanted}.")
    model = (model or surrogate()).double()
    return _Search(encounters, wanted, seed, model).run(refinements)


class _Search:
    def __init__(self, encounters: Encounters, wanted: float, seed: int, model: Surrogate) -> None:
        self.encounters, self.wanted, self.seed, self.model = encounters, wanted, seed, model
        self.context, self.limits = describe(encounters), encounters.limits
        self.everyone = torch.arange(len(encounters))
        self.truth_seconds, self.calls = 0.0, 0

    def run(self, refinements: int) -> Avoidance:
        began = time.process_time()
        target = torch.full((len(self.encounters),), self.wanted, dtype=torch.float64)
        searched, may = self._best(target)
        x = searched
        risk, change = self._ask(x, self.everyone)
        gaps = []
        for number in range(refinements + 1):
            gap, off_band = self._gap(x, risk, change)
            gaps.append(gap)
            far = (gap.abs() > _NEAR) | (change.abs() > self.limits.band)
            ids = (far & may).nonzero()[:, 0]
            if number == refinements or not len(ids):
                break
            aims = target - gap, self.limits.band - off_band
            x = x.index_put((ids,), self._again(x, *aims, ids, _SPARE))
            risk, change = self._asked_again(x, ids, risk, change)
        x, risk, change = self._scaled(x, risk, change)
        missed = may & ~self._meets(x, risk, change)
        if bool(missed.any()):
            x, risk, change = self._once_more(x, risk, change, missed.nonzero()[:, 0])
        truth = self.truth_seconds
        seconds = {"search": time.process_time() - began - truth, "truth": truth}
        return Avoidance(
            self.encounters, x, searched, risk, change, self.wanted, tuple(gaps),
            self._status(x, risk, change), self.calls / len(x), seconds,
        )  # fmt: skip

    def _once_more(
        self, x: Tensor, risk: Tensor, change: Tensor, ids: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Search again, a little farther inside the limits, where scaling went beyond them."""
        gap, off_band = self._gap(x, risk, change)
        target, band = self.wanted - _SLACK - gap, self.limits.band - off_band
        tried = x.index_put((ids,), self._again(x, target, band, ids, 5 * _SPARE))
        tried_risk, tried_change = self._asked_again(tried, ids, risk, change)
        tried, tried_risk, tried_change = self._scaled(tried, tried_risk, tried_change)
        better = self._meets(tried, tried_risk, tried_change)
        return (
            torch.where(better[:, None], tried, x),
            torch.where(better, tried_risk, risk),
            torch.where(better, tried_change, change),
        )

    def _meets(self, x: Tensor, risk: Tensor, change: Tensor) -> Tensor:
        """Return where risk and change of the axis, by the truth, and the thrust are in limits."""
        thrust = x[:, :3].norm(dim=1) <= _ROUNDING * self.limits.thrust
        return (risk <= self.wanted) & thrust & (change.abs() <= _ROUNDING * self.limits.band)

    def _solve(
        self,
        starts: Tensor,
        ids: Tensor,
        target: Tensor,
        band: Tensor,
        spare: float = _SPARE,
    ) -> Result:
        """Search on the surrogate; ``target`` and ``band`` have a row for each start."""
        limits, context, share = self.limits.select(ids), self.context[ids], 1 - spare
        unit = starts[:, :3].norm(dim=1).clamp_min(1e-4)
        problem = Problem(
            InLatent(lambda z: z[:, :3].norm(dim=1)),
            Burns(unit[:, None], limits.latest[:, None], limits.earliest[:, None]),
            (conditions(self.model, context, target, share * limits.thrust, share * band),),
            tolerance=_TOLERANCE,
        )
        return solve(
            problem,
            starts,
            stepper=_STEPPER,
            max_steps=_STEPS,
            compute=Compute(precision="float64", chunk=2048, seed=self.seed),
        ).finished()

    def _best(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Search from several starts; return the best of each, and where it meets the limits."""
        n = len(self.encounters)
        starts = first_burns(
            self.model, self.context, self.limits, self.wanted, times=_TIMES, keep=_KEEP
        )
        found = self._solve(
            starts.flatten(0, 1),
            self.everyone.repeat(_KEEP),
            target.repeat(_KEEP),
            self.limits.band.repeat(_KEEP),
        )
        cost = torch.where(found.feasible, found.x[:, :3].norm(dim=1), 1e3 + found.violation)
        best = cost.reshape(_KEEP, n).argmin(0)
        chosen = best * n + self.everyone
        return found.x[chosen], found.feasible[chosen]

    def _again(self, x: Tensor, target: Tensor, band: Tensor, ids: Tensor, spare: float) -> Tensor:
        """Go on from some burns with other targets; where that leads nowhere, stay."""
        band = torch.maximum(band, self.limits.band / 2)[ids]
        found = self._solve(x[ids], ids, target[ids], band, spare)
        return torch.where(found.feasible[:, None], found.x, x[ids])

    def _ask(self, x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return risk and change of the axis by the truth."""
        began = time.process_time()
        found = approach(self.encounters.select(ids), x)
        self.calls += len(ids)
        self.truth_seconds += time.process_time() - began
        return found.log10_pc, found.axis_change

    def _asked_again(
        self, x: Tensor, ids: Tensor, risk: Tensor, change: Tensor
    ) -> tuple[Tensor, Tensor]:
        new_risk, new_change = self._ask(x[ids], ids)
        return risk.index_put((ids,), new_risk), change.index_put((ids,), new_change)

    @torch.no_grad()
    def _gap(self, x: Tensor, risk: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
        """Return by how much the truth is above the surrogate in risk and in change of the axis."""
        found, change_found = self.model.consequences(x, self.context)
        return risk - found, change.abs() - change_found.abs()

    def _scaled(self, x: Tensor, risk: Tensor, change: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scale every burn until the truth is at the wanted risk, by the secant rule."""
        aim = (1 - self.wanted + _SLACK / 2) ** 0.5
        scale, slope = torch.ones_like(risk), self._steepness(x)
        for _ in range(_SCALINGS):
            off = (risk > self.wanted) | (risk < self.wanted - _SLACK)
            ids = (off & (slope > 0)).nonzero()[:, 0]
            if not len(ids):
                break
            level = (1 - risk.clamp_max(0)).sqrt()
            move = ((aim - level) / slope)[ids].clamp(-0.2, 0.2)
            scale = scale.index_add(0, ids, move)
            risk, change = self._asked_again(_times(x, scale), ids, risk, change)
            risen = ((1 - risk.clamp_max(0)).sqrt() - level)[ids] / move
            sound = risen.isfinite() & (risen > 0)
            slope = slope.index_put((ids,), torch.where(sound, risen, slope[ids]))
        return _times(x, scale), risk, change

    @torch.no_grad()
    def _steepness(self, x: Tensor) -> Tensor:
        """Return how the root of the risk rises with the scale of a burn, by the surrogate."""
        more = torch.full((len(x),), 1 + 1e-4, dtype=x.dtype)
        level = [(1 - self.model(each, self.context)).sqrt() for each in (_times(x, more), x)]
        return (level[0] - level[1]) / 1e-4

    def _status(self, x: Tensor, risk: Tensor, change: Tensor) -> tuple[str, ...]:
        length = x[:, :3].norm(dim=1)
        status = []
        for i in range(len(x)):
            broken = []
            if risk[i] > self.wanted:
                broken.append(f"log10 Pc is {risk[i]:.2f}")
            if length[i] > _ROUNDING * self.limits.thrust[i]:
                broken.append(f"it takes {length[i]:.3g} of {self.limits.thrust[i]:.3g} m/s")
            if change[i].abs() > _ROUNDING * self.limits.band[i]:
                broken.append(f"the axis changes by {change[i]:.0f} of {self.limits.band[i]:.0f} m")
            status.append(f"{INFEASIBLE} ({'; '.join(broken)})" if broken else CERTIFIED)
        return tuple(status)


def _times(x: Tensor, scale: Tensor) -> Tensor:
    return torch.cat([x[:, :3] * scale[:, None], x[:, 3:]], dim=1)
