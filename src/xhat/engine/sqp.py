"""Sequential quadratic programming: how small smooth problems keep general constraints.

Where a search has few features and few conditions, their slopes are worth a quadratic program of
their own at every point (``programs``): it needs some ten evaluations where rounds of multipliers
need a hundred. What it cannot do, large or rough problems and candidates that it leaves without a
feasible point, is left to the multipliers.
"""

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from xhat.core import check_count, check_kind, generator, per_row
from xhat.engine.answers import ANSWERED, Answers
from xhat.engine.faults import guarded
from xhat.engine.lagrangian import Around, AugmentedLagrangian
from xhat.engine.programs import Memory, Slopes, Why, broken, fresh, set_out
from xhat.engine.quadratic import Array, library
from xhat.engine.rows import Live, Rows, join, take
from xhat.engine.run import Progress, Run
from xhat.engine.setup import snapshot
from xhat.engine.status import Ending, Status
from xhat.engine.tangents import tangents
from xhat.objectives import Measurement
from xhat.spaces import Space

__all__ = ["SQP", "Programs", "clips"]

_ENDINGS = {
    Why.CONVERGED: Status.CONVERGED,
    Why.STUCK: Status.NO_PROGRESS,
    Why.FLAT: Status.FLAT_START,
    Why.BAD_LOSS: Status.LOSS_NOT_FINITE,
    Why.BAD_GRADIENT: Status.GRADIENT_NOT_FINITE,
}


@dataclass(frozen=True)
class SQP(Around):
    """A stepper that keeps constraints by a quadratic program at every point.

    Each candidate learns the curvature of its Lagrangian by damped BFGS updates. It is what
    ``solve`` takes by itself where constraints are not kept by projection. The stepper within takes
    over, from the best point, candidates that end stuck or without a feasible point. It searches
    all of them where there are more features or conditions than given here, and where quadratic
    programs make no sense: in spaces that round, or bound more than each entry of ``z``, with other
    constraints that are kept by projection, with models that answer at random, and in bfloat16.
    ``Result.notes`` say what was used.

    Source: Powell, "A Fast Algorithm for Nonlinearly Constrained Optimization Calculations" (1978);
    Kraft, "A Software Package for Sequential Quadratic Programming" (1988); Nocedal, Wright,
    "Numerical Optimization" (2006).

    Attributes:
        stepper: takes over.
        features: entries of ``z``, at most.
        conditions: of all constraints together, at most.

    Raises:
        TypeError: the stepper is no ``AugmentedLagrangian``.
        ValueError: a number is not positive.

    Example:
        >>> from xhat.constraints import Inequality
        >>> from xhat.engine import Problem, solve
        >>> from xhat.spaces import Box
        >>> right = Inequality(lambda x: 0.5 - x[:, 0])
        >>> problem = Problem(lambda x: x.square().sum(dim=1), Box(-1, 1), right)
        >>> found = solve(problem, torch.zeros(1, 2), stepper=SQP())
        >>> found.x.round(decimals=3), int(found.evaluations) < 6
        (tensor([[0.5000, 0.0000]]), True)
    """

    stepper: AugmentedLagrangian = field(default_factory=AugmentedLagrangian)  # pyright: ignore[reportIncompatibleVariableOverride]
    features: int = 64
    conditions: int = 32

    def __post_init__(self) -> None:
        """Check the values."""
        check_kind("stepper", self.stepper, AugmentedLagrangian)
        check_count("features", self.features)
        check_count("conditions", self.conditions)

    @property
    def lagrangian(self) -> AugmentedLagrangian:
        """How constraints are kept where it does not."""
        return self.stepper

    @property
    def programs(self) -> "SQP":
        """Itself."""
        return self


_PULLS = 1e-6  # a smaller multiplier is what an interior point leaves of 0


class Programs:
    """A search of all candidates by quadratic programs; waiting ones enter as others leave.

    Args:
        run: of the problem as it was asked.
        sign: ``(1, k)``, -1 for conditions that must be 0, and 0 for those that may be below.
    """

    def __init__(self, run: Run, sign: Tensor) -> None:
        self.run, self.setup, self.rules, self.sign = run, run.setup, run.setup.rules, sign
        self.tolerance = run.setup.problem.tolerance
        self.spending = [rule.status is Status.STEPS_SPENT for rule in self.rules]
        self._begin()

    def _begin(self) -> None:
        self.answers = Answers(len(self.run.x0), self.run.watch.trace)
        self.rows: Rows = {}
        self.memory: Memory = {}  # of those rows that have been looked at: the first of them
        self.failed: list[int] = []
        self.pull = torch.zeros(len(self.run.x0), self.sign.shape[1], dtype=torch.float64)
        self.unwritten: dict[int, Ending] = {}
        self.live: Live | None = None
        self.turn = 0

    def once(self, ids: Tensor, number: int) -> Answers:
        """Return the answers of one try of the candidates ``ids``.

        ``failed`` then holds those that another method may help.
        """
        self._begin()
        waiting, stopped = ids, self.setup.stopped
        with torch.no_grad(), np.errstate(all="ignore"):
            while (len(waiting) or self.rows) and not stopped.is_set():
                try:
                    room = self.run.chunk - len(self)
                    if len(waiting) and room >= min(len(waiting), max(1, self.run.chunk // 4)):
                        self._enter(waiting[:room], number)
                        waiting = waiting[room:]
                    if self.rows:
                        self._step()
                    self._tell(len(self.run.x0) - len(waiting) - len(self))
                except KeyboardInterrupt:
                    stopped.set()
            if self.rows:
                self._write(torch.arange(len(self)), Ending(Status.INTERRUPTED))
        answers, unwritten = self.answers, self.unwritten
        left = [i for i in ids.tolist() if answers.endings[i] is None and i not in unwritten]
        unwritten |= dict.fromkeys(left, Ending(Status.INTERRUPTED))
        answers.leave_out(unwritten, self.run.starts)
        return answers

    def __len__(self) -> int:
        return len(self.rows["ids"]) if self.rows else 0

    def _enter(self, ids: Tensor, number: int) -> None:
        parts: list[Rows] = []

        def begin(part: Tensor) -> None:
            z = self.run.begin(part, number)
            space = self.setup.narrowed(part).space
            low, high = (space.in_units(end).flatten(1).double() for end in ends(space, z))
            parts.append({"ids": part, "z": z, "low": low, "high": high})

        self.unwritten |= guarded(ids, begin)
        if not parts:
            return
        new = reduce(join, parts)
        n, device = len(new["z"]), new["z"].device
        zero = torch.zeros(n, dtype=torch.long, device=device)
        new |= {
            "best_z": new["z"],
            "confidence": torch.full((n,), torch.nan, device=device),
            "reached": zero > 0,
            "steps": zero,
            "rules": {str(i): rule.init(n, device) for i, rule in enumerate(self.rules)},
        }
        known = len(self)
        self.rows = join(self.rows, new) if self.rows else new
        if self.setup.clock() >= min(rule.deadline for rule in self.rules):
            places = torch.arange(known + n)
            self._write(places[known:], Ending(Status.TIME_SPENT))
            self._keep(places[:known])
        else:
            self.problem = self.setup.narrowed(self.rows["ids"])

    def _step(self) -> None:
        """Look at every trial, let those that are done leave, and choose the next trials."""
        seen = self._looked()
        if seen is None:
            return
        x, found, here = seen
        self._know(x, here)
        code = self._judged(x, found, here)
        self.memory, to, why = set_out(self.memory, here, self.tolerance, self.setup.dtype)
        xp = library(to)
        self.memory["code"] = code = xp.where(code == 0, why, code)
        self.turn += 1
        if xp is np or self.turn % self.setup.every == 0:
            stays = self._left(code)
            if not self.rows:
                return
            to = to if stays is None else to[stays]
        to, rows, space = torch.as_tensor(to), self.rows, self.problem.space
        to = space.of_units(to.reshape(rows["z"].shape).to(self.setup.dtype))
        rows["z"] = space.project(to)
        rows["steps"] = rows["steps"] + 1

    def _know(self, x: Tensor, here: Slopes) -> None:
        """Begin a memory for those that have been looked at for the first time."""
        known = len(self.memory["f"]) if self.memory else 0
        if known == len(self):
            return
        part = Slopes(*(value[known:] for value in vars(here).values()))
        low, high = (self.rows[name][known:] for name in ("low", "high"))
        sign, xp = self.sign.to(x.device), library(here.u)
        if xp is np:
            low, high, sign = low.numpy(), high.numpy(), sign.numpy()
        new = fresh(part, low, high, sign + 0 * part.c)
        zero = 0 * new["merit"].clip(0, 0)
        new |= {"best": zero + np.inf, "nearest": zero + np.inf}
        new |= {"evaluations": zero.astype("int64") if xp is np else zero.long()}
        new["code"] = new["evaluations"]
        if self.memory:
            new = {name: xp.concatenate([had, new[name]]) for name, had in self.memory.items()}
        self.memory = new

    def _looked(self) -> tuple[Tensor, Measurement, Slopes] | None:
        """Return values and slopes at every trial; whoever makes them raise leaves."""
        try:
            return tangents(self.problem, self.rows["z"])
        except Exception:  # noqa: BLE001 - whatever the code of others raises
            rows, kept = self.rows, list[Tensor]()

        def look(part: Tensor) -> None:
            tangents(self.setup.narrowed(rows["ids"][part]), rows["z"][part])
            kept.append(part)

        known = len(self.memory["f"]) if self.memory else 0
        for place, ending in guarded(torch.arange(len(self)), look).items():
            step = int(rows["steps"][place])
            said = Ending(ending.status, f" at step {step}{ending.detail}")
            if place < known:
                self._write(torch.tensor([place]), said)
            else:
                self.unwritten[int(rows["ids"][place])] = said
        self._keep(torch.cat(kept) if kept else torch.zeros(0, dtype=torch.long))
        return self._looked() if self.rows else None

    def _keep(self, index: Tensor) -> None:
        """Go on with some of the rows, in their order."""
        known = len(self.memory["f"]) if self.memory else 0
        there = index[index < known]
        there = there.numpy() if self.rows["z"].device.type == "cpu" else there
        self.memory = {name: value[there] for name, value in self.memory.items()}
        self.rows = take(self.rows, index) if len(index) else {}
        if self.rows:
            self.problem = self.setup.narrowed(self.rows["ids"])

    def _judged(self, x: Tensor, found: Measurement, here: Slopes) -> Array:
        """Keep the best of each candidate; return whom stop rules let leave, by rule."""
        rows, memory, xp = self.rows, self.memory, library(here.f)
        worst = xp.amax(broken(here.c, memory["sign"]), 1)
        worst = xp.where(worst == worst, worst, np.inf)  # NaN is not
        holds, code, finite = worst <= self.tolerance, memory["code"], abs(here.f) < np.inf
        going = code == 0
        memory["evaluations"] = memory["evaluations"] + going
        if self.answers.trace:
            self.answers.record(rows["ids"], rows["steps"], x, found.loss)
        if self.run.watch.on_progress is not None:
            self.live = Live(rows["ids"], rows["steps"], x, found.loss, found.confidence)
        held = torch.as_tensor(holds)
        reached = None if found.reached is None else found.reached & held
        self.answers.targeted = reached is not None
        loss = torch.where(held, found.loss, torch.inf)
        shown = Measurement(loss, reached, found.confidence)
        evaluations = torch.as_tensor(memory["evaluations"])
        now = snapshot(shown, rows["steps"], evaluations, self.setup.clock())
        claimed = aimed = xp.zeros_like(holds)
        for number, rule in enumerate(self.rules):
            fires, rows["rules"][str(number)] = rule.fired(now, rows["rules"][str(number)])
            fires = fires.numpy() if xp is np else fires
            if rule.ends_rounds:  # which is not the end before there is a feasible point
                fires = fires & (holds | (memory["nearest"] <= self.tolerance))
            if rule.certain:
                fires = fires & finite & holds
                claimed = claimed | fires
            aimed = aimed | fires if rule.aims else aimed
            code = xp.where(going & (code == 0) & fires, number + 1, code)
        if self.setup.aims:
            reached = torch.as_tensor(aimed)
        better = going & ((self._better(here.f, worst, holds) & finite) | claimed)
        memory["best"] = xp.where(better, here.f, memory["best"])
        memory["nearest"] = xp.where(better, worst, memory["nearest"])
        self._remember(torch.as_tensor(better), reached, found.confidence)
        return code

    def _better(self, loss: Array, worst: Array, holds: Array) -> Array:
        """Return whose loss is the least where all holds, or violation before anything does."""
        memory, xp = self.memory, library(loss)
        had = memory["nearest"] <= self.tolerance
        nearer = ~had & ((worst < memory["nearest"]) | (memory["best"] == np.inf))
        return xp.where(holds, ~had | (loss < memory["best"]), nearer)

    def _remember(self, better: Tensor, reached: Tensor | None, confidence: Tensor | None) -> None:
        rows, everyone = self.rows, better.device.type == "cpu" and bool(better.all())
        wide = per_row(better, rows["z"])
        rows["best_z"] = rows["z"] if everyone else torch.where(wide, rows["z"], rows["best_z"])
        if reached is not None:
            rows["reached"] = torch.where(better, reached, rows["reached"])
        if confidence is not None:
            sure = confidence.to(rows["confidence"].dtype)
            rows["confidence"] = torch.where(better, sure, rows["confidence"])

    def _left(self, code: Array) -> Tensor | None:
        """Write out the candidates with a code; return the places of the others, None for all."""
        if not code.any():
            return None
        code = torch.as_tensor(code)
        stays = (code == 0).nonzero()[:, 0]
        self._write((code != 0).nonzero()[:, 0])
        self._keep(stays)
        return stays

    def _ending(self, code: int, step: int) -> Ending:
        if code > 0:
            return self.rules[code - 1].ending
        bad = code in (Why.BAD_LOSS, Why.BAD_GRADIENT)
        return Ending(_ENDINGS[Why(code)], f" at step {step}" if bad else "")

    def _write(self, places: Tensor, ending: Ending | None = None) -> None:
        """Write out candidates with an ending, or with what their codes say."""
        gone = take(self.rows, places)
        ids, n = gone["ids"], len(places)
        problem = self.setup.narrowed(ids)
        known = len(self.memory["f"]) if self.memory else 0
        nothing = torch.full((n,), torch.nan, dtype=torch.float64)
        told = {"loss": nothing, "violation": nothing, "evaluations": torch.zeros(n).long()}
        if known > int(places.max()):
            names = {"loss": "best", "violation": "nearest", "evaluations": "evaluations"}
            told = {
                name: torch.as_tensor(self.memory[own])[places].cpu() for name, own in names.items()
            }
            pull = torch.as_tensor(self.memory["multipliers"])[places].abs().cpu()
            self.pull[ids.cpu()] = torch.where(pull > _PULLS, pull, 0.0)
        never = told["loss"].isinf()
        for name in ("loss", "violation"):
            told[name] = torch.where(never, torch.nan, told[name]).to(self.setup.dtype)
        x = problem.space.decode(gone["best_z"]).to(self.setup.dtype)
        columns = {**gone, **told, "x": x, "z": gone["best_z"]}
        if ending is None:
            codes = torch.as_tensor(self.memory["code"])[places].cpu()
            endings = list(map(self._ending, codes.tolist(), gone["steps"].tolist()))
            spent = torch.tensor([False, *self.spending])[codes.clamp_min(0)]
            helped = spent & ~(told["violation"] <= self.tolerance)
            helped |= (codes == Why.STUCK) | (codes == Why.BAD_GRADIENT)
            self.failed += ids[helped.to(ids.device)].tolist()
        else:
            endings = [ending] * n
        self.answers.write(ids, {name: columns[name] for name in ANSWERED}, endings)

    def _tell(self, done: int) -> None:
        if self.run.watch.on_progress is not None:
            now = Progress(done, len(self.run.x0), self.setup.clock(), self.live)
            self.run.watch.on_progress(now)


def ends(space: Space, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and the most that each entry of ``z`` may be, ``(n, *z_shape)`` each."""
    low, high = (space.project(torch.full_like(z, far)) for far in (-_FAR, _FAR))
    return (
        torch.where(low > -_FAR / 2, low, -torch.inf),
        torch.where(high < _FAR / 2, high, torch.inf),
    )


def clips(space: Space, z: Tensor) -> bool:
    """Whether a space does no more to search variables than to hold each entry between ends."""
    low, high = ends(space, z)
    random = torch.randn((2, *z.shape[1:]), generator=generator(0, "clips")).to(z)
    there = space.of_units(space.in_units(z) + random[:1] * 10 ** random[1:])
    return torch.equal(space.project(there), torch.clamp(there, low, high))


_FAR = 1e30
