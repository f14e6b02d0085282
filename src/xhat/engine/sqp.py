"""Sequential quadratic programming: how small smooth problems keep general constraints.

Where a search has few features and few conditions, their slopes are worth a quadratic program of
their own at every point (``programs``): it needs some ten evaluations where rounds of multipliers
need a hundred. What it cannot do, large or rough problems and candidates that it leaves without a
feasible point, is left to the multipliers.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from xhat.core import check_count, check_kind, generator
from xhat.engine.answers import ANSWERED, Answers
from xhat.engine.batch import snapshot
from xhat.engine.faults import guarded
from xhat.engine.lagrangian import Around, AugmentedLagrangian
from xhat.engine.problem import Problem
from xhat.engine.programs import Why, begun, broken, set_out
from xhat.engine.rows import Live, Rows, join, take
from xhat.engine.run import Progress, Run
from xhat.engine.status import Ending, Status
from xhat.engine.tangents import tangents
from xhat.objectives import Measurement
from xhat.spaces import Space

__all__ = ["SQP", "Programs", "clips"]

_READ = 8  # steps between two looks at who is done, where looking waits for a device
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
    ``solve`` takes by itself where constraints need multipliers. The stepper within takes over, from
    the best point, candidates that end without a feasible point or stuck; it searches all of them
    where there are more features or conditions than given here, and where a quadratic program
    makes no sense: in spaces that round, or bound more than each entry of ``z``, with constraints
    kept by projection, with models that answer at random, and in bfloat16. ``Result.notes`` say so.

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


class Programs:
    """All candidates of a search, by sequential quadratic programs.

    Args:
        run: of the problem as it was asked.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.setup = run, run.setup
        self.rules = run.setup.rules
        self.tolerance = run.setup.problem.tolerance
        self.failed: list[int] = []
        self.rows: Rows = {}
        self.problem = run.setup.problem

    def once(self, ids: Tensor, number: int) -> Answers:
        """Return the answers of one try of the candidates ``ids``.

        ``failed`` then holds those that another method may help.
        """
        self.answers, self.failed = Answers(len(self.run.x0), self.run.watch.trace), []
        unwritten: dict[int, Ending] = {}
        done = len(self.run.x0) - len(ids)
        with torch.no_grad():
            for part in ids.split(self.run.chunk):
                if not self.setup.stopped.is_set():
                    unwritten |= self._searched(part, number, done)
                done += len(part)
        left = [i for i in ids.tolist() if self.answers.endings[i] is None and i not in unwritten]
        unwritten |= dict.fromkeys(left, Ending(Status.INTERRUPTED))
        self.answers.leave_out(unwritten, self.run.starts)
        return self.answers

    def _searched(self, ids: Tensor, number: int, done: int) -> dict[int, Ending]:
        """Search some candidates; return the endings of those that could not begin."""
        failed: dict[int, Ending] = {}
        try:
            failed = self._enter(ids, number)
            while self.rows:
                self._step(failed)
                self._tell(done + len(ids))
        except KeyboardInterrupt:
            self.setup.stopped.set()
            self._leave_all(Ending(Status.INTERRUPTED))
        return failed

    def _enter(self, ids: Tensor, number: int) -> dict[int, Ending]:
        parts: list[Rows] = []

        def begin(part: Tensor) -> None:
            z = self.run.begin(part, number)
            space = self.setup.narrowed(part).space
            low, high = (space.in_units(end).flatten(1).double() for end in ends(space, z))
            parts.append({"ids": part, "z": z, "low": low, "high": high})

        self.rows = {}
        failed = guarded(ids, begin)
        for part in parts:
            self.rows = join(self.rows, part) if self.rows else part
        if not self.rows:
            return failed
        z = self.rows["z"]
        n, far = len(z), torch.full((len(z),), torch.inf, dtype=torch.float64, device=z.device)
        zero = torch.zeros(n, dtype=torch.long, device=z.device)
        self.rows |= {
            "best_z": z,
            "loss": far,
            "violation": far,
            "confidence": torch.full((n,), torch.nan, device=z.device),
            "reached": zero > 0,
            "steps": zero,
            "evaluations": zero,
            "code": zero,
            "rules": {str(i): rule.init(n, z.device) for i, rule in enumerate(self.rules)},
        }
        self.problem = self.setup.narrowed(self.rows["ids"])
        return failed

    def _step(self, failed: dict[int, Ending]) -> None:
        """Look at every trial, let those that are done leave, and choose the next trials."""
        seen = self._looked(failed)
        if seen is None:
            return
        rows, space = self.rows, self.problem.space
        u = space.in_units(rows["z"]).flatten(1).double()
        if "memory" not in rows:
            equality = _equality(self.problem, seen["x"]).expand_as(seen["c"])
            rows["memory"] = begun(u, seen, rows.pop("low"), rows.pop("high"), equality)
        code = self._judged(seen)
        rows["memory"], why = set_out(rows["memory"], u, seen, self.tolerance, self.setup.dtype)
        code = torch.where(code == 0, why, code)
        rows["code"] = torch.where(rows["code"] == 0, code, rows["code"])
        if rows["z"].device.type == "cpu" or int(rows["evaluations"][0]) % _READ == 0:
            self._leave()
            if not self.rows:
                return
        rows, space = self.rows, self.problem.space
        to = rows["memory"]["to"].reshape(rows["z"].shape)
        rows["z"] = space.project(space.of_units(to).to(self.setup.dtype))
        rows["steps"] = rows["steps"] + (rows["code"] == 0)

    def _looked(self, failed: dict[int, Ending]) -> Rows | None:
        """Return values and slopes at every trial; whoever makes them raise leaves."""
        try:
            return tangents(self.problem, self.rows["z"])
        except Exception:  # noqa: BLE001 - whatever the code of others raises
            rows, parts, kept = self.rows, list[Rows](), list[Tensor]()

        def look(part: Tensor) -> None:
            problem = self.setup.narrowed(rows["ids"][part])
            parts.append(tangents(problem, rows["z"][part]))
            kept.append(part)

        for place, ending in guarded(torch.arange(len(rows["ids"])), look).items():
            gone = take(rows, torch.tensor([place]))
            when = f" at step {int(gone['steps'][0])}"
            ending = Ending(ending.status, when + ending.detail)  # noqa: PLW2901
            if bool(gone["evaluations"][0] > 0):
                self._write(gone, [ending])
            else:
                failed[int(gone["ids"][0])] = ending
        self.rows = take(rows, torch.cat(kept)) if kept else {}
        if not kept:
            return None
        self.problem = self.setup.narrowed(self.rows["ids"])
        joined = parts[0]
        for part in parts[1:]:
            joined = {
                name: None if value is None else torch.cat([value, part[name]])
                for name, value in joined.items()
            }
        return joined

    def _judged(self, seen: Rows) -> Tensor:
        """Keep the best of each candidate; return whom stop rules let leave, by rule."""
        rows = self.rows
        going = rows["code"] == 0
        rows["evaluations"] = rows["evaluations"] + going
        worst = broken(seen["c"], rows["memory"]["equality"]).amax(dim=1)
        holds = worst <= self.tolerance
        loss = torch.where(holds, seen["loss"], torch.inf)
        reached = None if seen["reached"] is None else seen["reached"] & holds
        self.answers.targeted = reached is not None
        if self.answers.trace:
            self.answers.record(rows["ids"], rows["steps"], seen["x"], seen["loss"])
        self._watch(seen)
        found = Measurement(loss.to(self.setup.dtype), reached, seen["confidence"])
        now = snapshot(found, rows["steps"], rows["evaluations"], self.setup.clock())
        finite, code = seen["loss"].isfinite(), rows["code"]
        claimed, aimed = torch.zeros_like(going), torch.zeros_like(going)
        for number, rule in enumerate(self.rules):
            fires, rows["rules"][str(number)] = rule.fired(now, rows["rules"][str(number)])
            if rule.certain or rule.ends_rounds:
                fires = fires & finite & (holds | (rows["violation"] <= self.tolerance))
            if rule.certain:
                claimed = claimed | fires
            if rule.aims:
                aimed = aimed | fires
            code = torch.where((code == 0) & fires, number + 1, code)
        if self.setup.aims:
            reached = aimed
        self._remember(seen, worst, reached, going, claimed)
        return code

    def _remember(
        self, seen: Rows, worst: Tensor, reached: Tensor | None, going: Tensor, claimed: Tensor
    ) -> None:
        rows, loss, tolerance = self.rows, seen["loss"], self.tolerance
        had, best = rows["violation"] <= tolerance, rows["loss"]
        holds = worst <= tolerance
        lower = torch.where(holds, ~had | (loss < best), ~had & (worst < rows["violation"]))
        lower |= (rows["evaluations"] == 1) & loss.isfinite()
        better = going & ((lower & loss.isfinite()) | claimed)
        wide = better.reshape(-1, *[1] * (rows["z"].ndim - 1))
        rows["best_z"] = torch.where(wide, rows["z"], rows["best_z"])
        rows["loss"] = torch.where(better, loss, best)
        worst = worst.nan_to_num(torch.inf)
        rows["violation"] = torch.where(better, worst, rows["violation"])
        if reached is not None:
            rows["reached"] = torch.where(better, reached, rows["reached"])
        if seen["confidence"] is not None:
            sure = seen["confidence"].to(rows["confidence"].dtype)
            rows["confidence"] = torch.where(better, sure, rows["confidence"])

    def _watch(self, seen: Rows) -> None:
        if self.run.watch.on_progress is not None:
            rows = self.rows
            loss = seen["loss"].to(self.setup.dtype)
            self.live = Live(rows["ids"], rows["steps"], seen["x"], loss, seen["confidence"])

    def _tell(self, until: int) -> None:
        if self.run.watch.on_progress is not None:
            done = until - (len(self.rows["ids"]) if self.rows else 0)
            now = Progress(done, len(self.run.x0), self.setup.clock(), self.live)
            self.run.watch.on_progress(now)

    def _leave(self) -> None:
        """Write out the candidates with a code, and keep the others."""
        code = self.rows["code"]
        if not bool(code.any()):
            return
        leaves = code != 0
        gone = take(self.rows, leaves) if not bool(leaves.all()) else self.rows
        endings = list(map(self._ending, gone["code"].tolist(), gone["steps"].tolist()))
        feasible = gone["violation"] <= self.tolerance
        steps = [rule.status is Status.STEPS_SPENT for rule in self.rules]
        spent = torch.tensor([False, *steps])[gone["code"].clamp_min(0).cpu()]
        stuck = (gone["code"] == Why.STUCK) | (gone["code"] == Why.BAD_GRADIENT)
        helped = stuck.cpu() | (spent & ~feasible.cpu())
        self.failed += gone["ids"][helped.to(gone["ids"].device)].tolist()
        self._write(gone, endings)
        self.rows = {} if bool(leaves.all()) else take(self.rows, ~leaves)
        if self.rows:
            self.problem = self.setup.narrowed(self.rows["ids"])

    def _ending(self, code: int, step: int) -> Ending:
        if code > 0:
            return self.rules[code - 1].ending
        status = _ENDINGS[Why(code)]
        bad = code in (Why.BAD_LOSS, Why.BAD_GRADIENT)
        return Ending(status, f" at step {step}" if bad else "")

    def _leave_all(self, ending: Ending) -> None:
        if self.rows and "memory" in self.rows:
            self._write(self.rows, [ending] * len(self.rows["ids"]))
        self.rows = {}

    def _write(self, gone: Rows, endings: list[Ending]) -> None:
        gone = dict(gone)
        never = gone["loss"].isinf()
        problem = self.setup.narrowed(gone["ids"])
        gone["x"] = problem.space.decode(gone["best_z"]).to(self.setup.dtype)
        gone["z"] = gone["best_z"]
        for name in ("loss", "violation"):
            gone[name] = torch.where(never, torch.nan, gone[name]).to(self.setup.dtype)
        self.answers.write(gone["ids"], {name: gone[name] for name in ANSWERED}, endings)


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
    for reach in (1.0, 100.0):
        for way in random:
            there = space.of_units(space.in_units(z) + reach * way)
            if not torch.equal(space.project(there), torch.clamp(there, low, high)):
                return False
    return True


_FAR = 1e30


def _equality(problem: Problem, x: Tensor) -> Tensor:
    """Return which conditions must be 0, ``(1, k)`` booleans."""
    with torch.no_grad():
        widths = [(part.equality, part.values(x[:1]).shape[1]) for part in problem.general]
    return torch.tensor([[equal for equal, width in widths for _ in range(width)]], device=x.device)
