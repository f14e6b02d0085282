"""The live batch: candidates that are being moved right now, and how one step treats them."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import reduce
from threading import Event

import torch
from torch import Tensor

from xhat.core import per_row
from xhat.engine.answers import ANSWERED, Answers
from xhat.engine.faults import failure
from xhat.engine.noticed import Noticed
from xhat.engine.problem import Problem
from xhat.engine.rows import Live, Rows, join, take
from xhat.engine.status import Ending, Status
from xhat.engine.steppers import Stepper
from xhat.engine.stopping import Snapshot, StopRule
from xhat.objectives import Measurement

__all__ = ["LiveBatch", "Setup", "measured", "snapshot"]

# Codes of why a candidate leaves; a rule's code is its place in ``Setup.rules`` plus 1.
_STAYS, _BAD_LOSS, _BAD_GRADIENT, _FLAT, _TOO_SHORT, _NOWHERE = 0, -1, -2, -3, -4, -5
_SHORT = 1e-3  # in the unit of steppers
_IDLE = 20  # steps in a row without a gradient, after which a stepper's memory is spent
_SEEN = ("ids", "steps", "evaluations", "rules")  # the rows that stop rules look at


@dataclass(frozen=True)
class Setup:
    """What stays the same over a whole search.

    Attributes:
        problem: for all candidates.
        stepper: how to step.
        rules: those that claim success first, so that success wins over a spent budget.
        device: where to compute.
        dtype: of ``z`` and ``x``.
        autocast: whether the model runs in bfloat16.
        clock: seconds since the search began.
        passes: over which an answer is averaged before it counts; more than 1 for a random model.
        rounding: of the models' weights, relative; 0 for single precision or better.
        stopped: set when the user has interrupted the search.
        noticed: what is noticed on the way.
    """

    problem: Problem
    stepper: Stepper
    rules: tuple[StopRule, ...]
    device: torch.device
    dtype: torch.dtype
    autocast: bool
    clock: Callable[[], float]
    passes: int = 1
    rounding: float = 0.0
    stopped: Event = field(default_factory=Event)
    noticed: Noticed = field(default_factory=Noticed)

    @property
    def aims(self) -> bool:
        """Whether a stop rule says what counts as reaching the target."""
        return any(rule.aims for rule in self.rules)

    def narrowed(self, ids: Tensor) -> Problem:
        """Return the problem of some candidates, on the device."""
        return self.problem.select(ids).to(self.device, self.dtype)


class LiveBatch:
    """At most ``chunk`` candidates; ``rows`` holds all that is known of them, one row each.

    Where it is ``watched``, ``live`` holds what the last step looked at.
    """

    def __init__(
        self, setup: Setup, answers: Answers, x0: Tensor, *, watched: bool = False
    ) -> None:
        self.setup, self.answers, self.x0, self.watched = setup, answers, x0, watched
        self.rows: Rows = {}
        self.fresh = False  # whether some have not been moved yet
        self.live: Live | None = None
        self.problem = setup.problem

    def __len__(self) -> int:
        return len(self.rows["ids"]) if self.rows else 0

    def admit(self, ids: Tensor, z: Tensor, steps: Tensor) -> None:
        """Take in the candidates ``ids``, which begin at ``z`` and have taken ``steps`` before."""
        problem, n = self.setup.narrowed(ids), len(ids)

        def column(value: float, dtype: torch.dtype) -> Tensor:
            return torch.full((n,), value, dtype=dtype, device=z.device)

        new: Rows = {
            "ids": ids,
            "z": z,
            "best_z": z.clone(),
            "loss": column(torch.nan, self.setup.dtype),
            "confidence": column(torch.nan, torch.float32),
            "reached": column(False, torch.bool),
            "steps": steps.to(z.device),
            "evaluations": column(0, torch.long),
            "idle": column(0, torch.long),
            "stepper": self.setup.stepper.init(problem.space.in_units(z)),
            "rules": {str(i): rule.init(n, z.device) for i, rule in enumerate(self.setup.rules)},
        }
        self.rows, self.fresh = (join(self.rows, new) if self.rows else new), True
        self.problem = self.setup.narrowed(self.rows["ids"]) if len(self) > n else problem

    def advance(self) -> None:
        """Look at every candidate, let the finished ones leave, and move the others one step.

        A candidate that makes its model, space or constraint raise leaves alone.
        """
        before = {**self.rows, "rules": dict(self.rows["rules"])}
        try:
            self._step()
        except Exception as error:  # noqa: BLE001 - whatever the code of others raises
            self.rows = {**before, "z": before["z"].detach()}
            self.problem = self.setup.narrowed(self.rows["ids"])
            if len(self) == 1:
                self.leave_all(failure(error, int(self.rows["steps"][0])))
            else:
                self._advance_halves()

    def _advance_halves(self) -> None:
        rows, kept, seen = self.rows, [], []
        for index in torch.arange(len(self)).tensor_split(2):
            self.rows = take(rows, index)
            self.problem = self.setup.narrowed(self.rows["ids"])
            self.advance()
            kept += [self.rows] if self.rows else []
            seen += [self.live] if self.live is not None else []
        self.rows = reduce(join, kept) if kept else {}
        self.live = reduce(Live.joined, seen) if seen else None
        if self.rows:
            self.problem = self.setup.narrowed(self.rows["ids"])

    def _step(self) -> None:
        z = self.rows["z"].requires_grad_(True)
        x, found = measured(self.problem, z, autocast=self.setup.autocast)
        loss = found.descended.detach()
        if self.answers.trace:
            self.answers.record(self.rows["ids"], self.rows["steps"], x, loss)
        if self.watched:
            self.live = self._seen(x, loss, found)
        code = self._look(loss, found)
        if self.fresh and self.problem.cycles:
            code = torch.where((code == _STAYS) & self._nowhere(x), _NOWHERE, code)
        if not bool((code == _STAYS).any()):
            self._leave(code)
            return
        (gradient,) = torch.autograd.grad(found.descended.sum(), z)
        self.rows["z"] = z.detach()
        size = gradient.flatten(1).abs().amax(dim=1)
        sound = torch.isfinite(size) | self._may_recover(loss)
        code = torch.where((code == _STAYS) & ~sound, _BAD_GRADIENT, code)
        code = torch.where((code == _STAYS) & self._rests(size), _FLAT, code)
        stays = (code == _STAYS).nonzero()[:, 0]
        if len(stays) < len(code):
            gradient, code = self._without_odd(gradient, code)
            stays = (code == _STAYS).nonzero()[:, 0]
        if len(stays) < len(code):
            self._leave(code)
            loss, gradient = loss[stays], gradient[stays]
        if len(self):
            self._move(loss, gradient)

    def _nowhere(self, x: Tensor) -> Tensor:
        """Return who begins outside its constraints: projecting once more would not help either."""
        with torch.no_grad():
            off = torch.stack([part.violation(x) for part in self.problem.projected]).amax(dim=0)
        return (self.rows["steps"] == 0) & ~(off <= self.problem.tolerance)

    def _rests(self, size: Tensor) -> Tensor:
        """Return whom a gradient of 0 leaves where it is for ever: nothing else pushes it.

        A stepper with a memory is pushed by that for a while.
        """
        zero = size == 0
        if self.setup.passes > 1:  # the next answer of a random model may differ
            return torch.zeros_like(zero)
        self.rows["idle"] = idle = torch.where(zero, self.rows["idle"] + 1, 0)
        patience = _IDLE if self.rows["stepper"] else 1
        return (idle >= patience) | (zero & (self.rows["steps"] == 0))

    def _without_odd(self, gradient: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Leave out the features whose derivative is not finite, where others can go on.

        Of a random model the next answer may differ, so that a candidate of it waits as well.
        """
        odd = ~torch.isfinite(gradient) & per_row(code == _BAD_GRADIENT, gradient)
        gradient = torch.where(odd, 0.0, gradient)
        goes = (code == _BAD_GRADIENT) & gradient.flatten(1).any(dim=1)
        for row in goes.nonzero()[:, 0].tolist():  # of the others their status says it
            i, step = int(self.rows["ids"][row]), int(self.rows["steps"][row])
            self.setup.noticed.leave_out(i, step, odd[row].nonzero().tolist())
        return gradient, torch.where(goes, _STAYS, code)

    def _seen(self, x: Tensor, loss: Tensor, found: Measurement) -> Live:
        confidence = None if found.confidence is None else found.confidence.detach()
        steps = self.rows["steps"].clone()  # the rows' own are counted on in place
        return Live(self.rows["ids"], steps, x.detach(), loss, confidence)

    def leave_all(self, ending: Ending) -> None:
        """Write out all candidates where they are; whose space raises there, with its start."""
        everyone = torch.ones(len(self), dtype=torch.bool)
        try:
            self._write(everyone, [ending] * len(self))
        except Exception:  # noqa: BLE001 - of a decoder, or a constraint
            rows = self.rows
            if len(self) == 1:
                self._write(everyone, [ending], spoilt=True)
                return
            for index in torch.arange(len(self)).tensor_split(2):
                self.rows = take(rows, index)
                self.leave_all(ending)

    def _look(self, loss: Tensor, found: Measurement) -> Tensor:
        """Update the best of each candidate; return why each leaves, ``_STAYS`` if it does not."""
        rows = self.rows
        rows["evaluations"] = rows["evaluations"] + 1
        self.answers.targeted = found.reached is not None
        finite = torch.isfinite(loss)
        self._remember(finite & ~(loss >= rows["loss"]), loss, found)
        now = self._snapshot(rows, found)
        fired: list[Tensor] = []
        for number, rule in enumerate(self.setup.rules):
            fires, rows["rules"][str(number)] = rule.fired(now, rows["rules"][str(number)])
            fired.append(fires & (finite if rule.certain else finite | self._may_recover(loss)))
        claims = self._any_of(fired, [rule.certain for rule in self.setup.rules])
        if bool(claims.any()):
            if self.setup.autocast or self.setup.passes > 1:
                fired = self._confirmed(fired, claims)
                claims = self._any_of(fired, [rule.certain for rule in self.setup.rules])
            self._remember(claims, loss, found)
        if self.setup.aims:  # the wanted confidence decides, not the objective's own decision
            rows["reached"] = self._any_of(fired, [rule.aims for rule in self.setup.rules])
        code = torch.where(finite | self._may_recover(loss), _STAYS, _BAD_LOSS)
        for number, fires in enumerate(fired):
            code = torch.where((code == _STAYS) & fires, number + 1, code)
        return code

    def _may_recover(self, loss: Tensor) -> Tensor:
        """Return where a non-finite loss is a trial that the stepper can take back."""
        if not self.setup.stepper.recovers:
            return torch.zeros_like(loss, dtype=torch.bool)
        return ~torch.isfinite(loss) & torch.isfinite(self.rows["loss"])

    def _confirmed(self, fired: list[Tensor], claims: Tensor) -> list[Tensor]:
        """Let claims of success stand only where they hold in full precision."""
        index = claims.nonzero()[:, 0]
        rows = take({name: self.rows[name] for name in _SEEN}, index)
        with torch.no_grad():
            z = self.rows["z"][index]
            problem = self.setup.narrowed(rows["ids"])
            _, found = measured(problem, z, passes=self.setup.passes)
        self.rows["evaluations"] = self.rows["evaluations"] + self.setup.passes * claims
        now, stands = self._snapshot(rows, found), list(fired)
        for number, rule in enumerate(self.setup.rules):
            if rule.certain:
                holds, _ = rule.fired(now, rows["rules"][str(number)])
                holds = holds & torch.isfinite(now.merit)
                stands[number] = fired[number] & torch.zeros_like(claims).index_put((index,), holds)
        return stands

    @staticmethod
    def _any_of(fired: list[Tensor], which: list[bool]) -> Tensor:
        picked = [fires for fires, wanted in zip(fired, which, strict=True) if wanted]
        return torch.stack(picked).any(dim=0) if picked else torch.zeros_like(fired[0])

    def _snapshot(self, rows: Rows, found: Measurement) -> Snapshot:
        return snapshot(found, rows["steps"], rows["evaluations"], self.setup.clock())

    def _remember(self, which: Tensor, loss: Tensor, found: Measurement) -> None:
        rows = self.rows
        z = rows["z"].detach()
        if bool(which.all()):
            rows["best_z"] = z  # no copy: what a stepper returns is new, never written to again
        elif bool(which.any()):
            rows["best_z"] = torch.where(per_row(which, z), z, rows["best_z"])
        rows["loss"] = torch.where(which, loss.to(self.setup.dtype), rows["loss"])
        if found.reached is not None:
            rows["reached"] = torch.where(which, found.reached, rows["reached"])
        if found.confidence is not None:
            confidence = found.confidence.to(torch.float32)
            rows["confidence"] = torch.where(which, confidence, rows["confidence"])

    def _leave(self, code: Tensor) -> None:
        """Write out the candidates with a code and keep the others."""
        self.rows["z"] = self.rows["z"].detach()
        leaves = code != _STAYS
        endings = [
            self._ending(why, step)
            for why, step in zip(
                code[leaves].tolist(), self.rows["steps"][leaves].tolist(), strict=True
            )
        ]
        self._write(leaves, endings)

    def _write(self, leaves: Tensor, endings: list[Ending], *, spoilt: bool = False) -> None:
        gone = take(self.rows, leaves)
        ids, problem = gone["ids"], self.setup.narrowed(gone["ids"])
        if spoilt:
            gone["x"] = self.x0[ids].to(gone["best_z"])
            gone["violation"] = torch.full_like(gone["loss"], torch.nan)
        else:
            with torch.no_grad():
                gone["x"] = problem.space.decode(gone["best_z"]).to(gone["best_z"].dtype)
                gone["violation"] = problem.violation(gone["x"])
        gone["z"] = gone["best_z"]
        self.answers.write(ids, {name: gone[name] for name in ANSWERED}, endings)
        stays = (~leaves).nonzero()[:, 0]
        self.rows = take(self.rows, stays) if len(stays) else {}
        if len(stays):
            self.problem = self.setup.narrowed(self.rows["ids"])

    def _ending(self, code: int, step: int) -> Ending:
        if code > _STAYS:
            return self.setup.rules[code - 1].ending
        if code == _FLAT and step == 0:
            return Ending(Status.FLAT_START, _ROUNDS if self._space_is_flat() else "")
        status = _STATUS[code]
        return Ending(status, f" at step {step}" if status in _DATED else "")

    def _space_is_flat(self) -> bool:
        """Whether what the space decodes does not change with ``z``, as rounding makes it."""
        with torch.enable_grad():
            z = self.rows["z"].detach().requires_grad_(True)
            x = self.problem.space.decode(z)
            (gradient,) = torch.autograd.grad((x * torch.rand_like(x)).sum(), z)
        return not bool(gradient.any())

    def _move(self, loss: Tensor, gradient: Tensor) -> None:
        rows, stepper, space = self.rows, self.setup.stepper, self.problem.space
        with torch.no_grad():
            here, gradient = space.in_units(rows["z"]), space.of_units(gradient)
            if stepper.curved:
                gradient = self._unheld(rows["z"], gradient)
            there, rows["stepper"] = stepper.step(here, loss, gradient, rows["stepper"])
            z = there
            if space.unit is not None:  # what was not moved must not be rounded either
                z = torch.where(there == here, rows["z"], space.of_units(there))
            still = self._still(z, gradient) if self.fresh else None
            rows["z"] = self.problem.project(z)
        rows["steps"] = rows["steps"] + 1
        self.fresh = False
        if still is not None and bool(still.any()):
            self._leave(torch.where(still, _TOO_SHORT, _STAYS))

    def _still(self, z: Tensor, gradient: Tensor) -> Tensor:
        """Return whom a first step along a gradient that is not 0 leaves exactly where it was."""
        moved = (z != self.rows["z"]).flatten(1).any(dim=1)
        pushed = (gradient != 0).flatten(1).any(dim=1)
        return (self.rows["steps"] == 0) & pushed & ~moved

    def _unheld(self, z: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient, 0 for features that a short step against it would not move."""
        norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
        short = _SHORT * per_row(1 / norm.clamp_min(torch.finfo(norm.dtype).tiny), z) * gradient
        short = self.problem.space.of_units(short)
        held = (self.problem.project(z - short) == z) & (z - short != z)
        return torch.where(held, 0.0, gradient)


_STATUS = {
    _BAD_LOSS: Status.LOSS_NOT_FINITE,
    _BAD_GRADIENT: Status.GRADIENT_NOT_FINITE,
    _FLAT: Status.FLAT,
    _TOO_SHORT: Status.TOO_SMALL_STEP,
    _NOWHERE: Status.INFEASIBLE,
}
_ROUNDS = (
    "; the space itself rounds: Rounded(space, step=...) rounds too, and lets gradients through"
)
_DATED = (Status.LOSS_NOT_FINITE, Status.GRADIENT_NOT_FINITE, Status.FLAT)


def measured(
    problem: Problem, z: Tensor, *, autocast: bool = False, passes: int = 1
) -> tuple[Tensor, Measurement]:
    """Return the inputs decoded from ``z``, and what the objective says of them.

    Args:
        problem: of the candidates.
        z: ``(n, *z_shape)``.
        autocast: whether to run models in bfloat16.
        passes: over which losses and confidences are averaged, and targets voted upon.
    """
    casting = torch.autocast(z.device.type, torch.bfloat16) if autocast else nullcontext()
    with casting:
        x = problem.space.decode(z).to(z.dtype)
        found = [problem.objective.measure(x, z) for _ in range(passes)]
    return x, found[0] if passes == 1 else _mean(found)


def _mean(found: list[Measurement]) -> Measurement:
    def over(name: str) -> Tensor | None:
        values = [value for one in found if (value := getattr(one, name)) is not None]
        return torch.stack(values).to(found[0].loss.dtype).mean(dim=0) if values else None

    loss = torch.stack([one.loss for one in found]).mean(dim=0)
    reached = over("reached")
    most = None if reached is None else reached > 0.5
    return Measurement(loss, most, over("confidence"), over("merit"))


def snapshot(found: Measurement, steps: Tensor, evaluations: Tensor, seconds: float) -> Snapshot:
    """Return what stop rules may look at."""
    return Snapshot(
        loss=found.loss.detach(),
        merit=found.descended.detach(),
        reached=found.reached,
        confidence=found.confidence,
        steps=steps,
        evaluations=evaluations,
        seconds=seconds,
    )
