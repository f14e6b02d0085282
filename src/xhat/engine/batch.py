"""The live batch: candidates that are being moved right now, and how they come and go."""

from functools import reduce

import torch
from torch import Tensor

from xhat.core import per_row
from xhat.engine.answers import ANSWERED, Answers
from xhat.engine.faults import failure
from xhat.engine.rows import Live, Rows, join, take
from xhat.engine.setup import Setup, measured, snapshot
from xhat.engine.status import Ending, Status
from xhat.engine.step import (
    BAD_GRADIENT,
    BAD_LOSS,
    FLAT,
    GONE,
    IDLE,
    NOWHERE,
    STAYS,
    TOO_SHORT,
    Step,
)
from xhat.engine.train import Pace
from xhat.objectives import Measurement

__all__ = ["LiveBatch"]

_SEEN = ("steps", "evaluations", "rules")  # the rows that stop rules look at


class LiveBatch:
    """At most ``chunk`` candidates; ``rows`` holds all that is known of them, one row each.

    Where it is ``watched``, ``live`` holds what the last step looked at. Rows of candidates that
    have left may stay among the others for a while (``GONE``), so that the batch keeps its shape.
    """

    def __init__(
        self, setup: Setup, answers: Answers, x0: Tensor, *, watched: bool = False
    ) -> None:
        self.setup, self.answers, self.x0, self.watched = setup, answers, x0, watched
        self.rows: Rows = {}
        self.count = 0  # who is searched, of the rows
        self.fresh = False  # whether some have not been moved yet
        self.live: Live | None = None
        self.problem = setup.problem
        self.pace = Pace(setup, seen=watched or bool(answers.trace))

    def __len__(self) -> int:
        return self.count

    def admit(self, ids: Tensor, z: Tensor, steps: Tensor) -> None:
        """Take in the candidates ``ids``, which begin at ``z`` and have taken ``steps`` before."""
        self._keep_live()
        problem, n = self.setup.narrowed(ids), len(ids)

        def column(value: float, dtype: torch.dtype) -> Tensor:
            return torch.full((n,), value, dtype=dtype, device=z.device)

        new: Rows = {
            "ids": ids,
            "z": z,
            "best_z": z,
            "loss": column(torch.nan, self.setup.dtype),
            "confidence": column(torch.nan, torch.float32),
            "reached": column(False, torch.bool),
            "code": column(STAYS, torch.long),
            "steps": steps.to(z.device),
            "evaluations": column(0, torch.long),
            "idle": (IDLE - 1) * (steps == 0).to(z.device),
            "stepper": self.setup.stepper.init(problem.space.in_units(z)),
            "rules": {str(i): rule.init(n, z.device) for i, rule in enumerate(self.setup.rules)},
        }
        self.rows, self.fresh = (join(self.rows, new) if self.rows else new), True
        self.count += n
        self.problem = self.setup.narrowed(self.rows["ids"]) if self.count > n else problem
        self.pace.admit(int(steps.max()), self.count)

    @property
    def closed(self) -> bool:
        """Whether nobody enters for now: the batch keeps its shape."""
        return self.count > 0 and len(self.rows["ids"]) > self.count

    def advance(self) -> None:
        """Look at every candidate, let the finished ones leave, and move the others on.

        By one step, or by several where nobody needs to know what is between them. A candidate
        that makes its model, space or constraint raise leaves alone.
        """
        length = 1 if self.fresh else self.pace.length
        if length < 2:
            self._keep_live()
        before = self.rows
        try:
            if length < 2:
                self._step()
            else:
                self._train(length)
        except Exception as error:  # noqa: BLE001 - whatever the code of others raises
            self.rows = before
            if length > 1:  # one by one shows who it is
                self._one_by_one()
                return
            self._hold(before)
            self.pace.one_by_one()
            if self.count == 1:
                self.leave_all(failure(error, int(self.rows["steps"][0])))
            else:
                self._advance_halves()

    def _advance_halves(self) -> None:
        rows, fresh, kept, seen = self.rows, self.fresh, [], []
        for index in torch.arange(len(self)).tensor_split(2):
            self._hold(take(rows, index))
            self.fresh = fresh
            self.advance()
            kept += [self.rows] if self.rows else []
            seen += [self.live] if self.live is not None else []
        self.live = reduce(Live.joined, seen) if seen else None
        self._hold(reduce(join, kept) if kept else {})

    def _one_by_one(self) -> None:
        """Take the next step, and all others, by itself."""
        self.pace.one_by_one()
        self._keep_live()
        self.advance()

    def _hold(self, rows: Rows) -> None:
        """Hold these rows, of candidates all of which are searched, and no others."""
        self.rows, self.count = rows, len(rows["ids"]) if rows else 0
        self.pace.changed(self.count)
        if rows:
            self.problem = self.setup.narrowed(rows["ids"])

    def _keep_live(self) -> None:
        """Let go of the rows of those who have left."""
        if self.rows and len(self.rows["ids"]) > self.count:
            stays = (self.rows["code"] == STAYS).nonzero()[:, 0]
            self._hold(take(self.rows, stays) if len(stays) else {})

    def _train(self, length: int) -> None:
        """Take several steps, and read once, at their end, who is done."""
        before, self.answers.targeted = self.rows, self.pace.targeted
        self.rows = self.pace.run(Step(self.setup, self.problem, masked=True), before, length)
        code = self.rows["code"]
        if int((code == STAYS).sum()) == self.count:
            self.pace.moved += length
            return
        if bool((code == BAD_GRADIENT).any()):  # of some features only, perhaps
            self.rows = before
            self._one_by_one()
            return
        self.pace.moved += length
        leaves = ((code != STAYS) & (code != GONE)).nonzero()[:, 0]
        self._write(leaves, self._endings(leaves))
        self.rows = {**self.rows, "code": code.index_fill(0, leaves, GONE)}
        self.count -= len(leaves)
        if not self.pace.bears(len(code) - self.count):
            self._keep_live()

    def _step(self) -> None:
        step, self.pace.moved = Step(self.setup, self.problem), self.pace.moved + 1
        z = self.rows["z"].detach().requires_grad_(True)
        x, found = measured(self.problem, z, autocast=self.setup.autocast)
        loss = found.descended.detach()
        if self.answers.trace:
            self.answers.record(self.rows["ids"], self.rows["steps"], x, loss)
        if self.watched:
            self.live = self._seen(x, loss, found)
        self.answers.targeted = self.pace.targeted = found.reached is not None
        asks = self.setup.autocast or self.setup.passes > 1
        rows = step.look(self.rows, loss, found, self._confirmed if asks else None)
        if self.fresh and self.problem.cycles:
            lost = (rows["code"] == STAYS) & self._nowhere(x)
            rows["code"] = torch.where(lost, NOWHERE, rows["code"])
        self.rows = rows
        if not bool((rows["code"] == STAYS).any()):
            self._leave()
            return
        (gradient,) = torch.autograd.grad(found.descended.sum(), z)
        self.rows = step.weigh(rows, loss, gradient)
        stays = self.rows["code"] == STAYS
        if not bool(stays.all()):
            gradient = self._without_odd(gradient)
            stays = self.rows["code"] == STAYS
        if not bool(stays.all()):
            self._leave()
            loss, gradient = loss[stays], gradient[stays]
        if self.count:
            step = Step(self.setup, self.problem)
            self.rows = step.move(self.rows, loss, gradient, fresh=self.fresh)
        if self.fresh and self.count and not bool((self.rows["code"] == STAYS).all()):
            self._leave()
        self.fresh = False

    def _nowhere(self, x: Tensor) -> Tensor:
        """Return who begins outside its constraints: projecting once more would not help either."""
        with torch.no_grad():
            off = torch.stack([part.violation(x) for part in self.problem.projected]).amax(dim=0)
        return (self.rows["steps"] == 0) & ~(off <= self.problem.tolerance)

    def _without_odd(self, gradient: Tensor) -> Tensor:
        """Leave out the features whose derivative is not finite, where others can go on.

        Of a random model the next answer may differ, so that a candidate of it waits as well.
        """
        bad = self.rows["code"] == BAD_GRADIENT
        odd = ~torch.isfinite(gradient) & per_row(bad, gradient)
        gradient = torch.where(odd, 0.0, gradient)
        goes = bad & gradient.flatten(1).any(dim=1)
        for row in goes.nonzero()[:, 0].tolist():  # of the others their status says it
            i, step = int(self.rows["ids"][row]), int(self.rows["steps"][row])
            self.setup.noticed.leave_out(i, step, odd[row].nonzero().tolist())
        self.rows["code"] = torch.where(goes, STAYS, self.rows["code"])
        return gradient

    def _seen(self, x: Tensor, loss: Tensor, found: Measurement) -> Live:
        confidence = None if found.confidence is None else found.confidence.detach()
        return Live(self.rows["ids"], self.rows["steps"], x.detach(), loss, confidence)

    def leave_all(self, ending: Ending) -> None:
        """Write out all candidates where they are; whose space raises there, with its start."""
        self._keep_live()
        everyone = torch.arange(len(self))
        try:
            self._write(everyone, [ending] * len(self))
            self._hold({})
        except Exception:  # noqa: BLE001 - of a decoder, or a constraint
            rows = self.rows
            if len(self) == 1:
                self._write(everyone, [ending], spoilt=True)
                self._hold({})
                return
            for index in everyone.tensor_split(2):
                self._hold(take(rows, index))
                self.leave_all(ending)

    def _confirmed(self, rows: Rows, fired: list[Tensor], claims: Tensor) -> list[Tensor]:
        """Let claims of success stand only where they hold in full precision."""
        index = claims.nonzero()[:, 0]
        asked = take({name: rows[name] for name in _SEEN}, index)
        with torch.no_grad():
            problem = self.setup.narrowed(rows["ids"][index])
            _, found = measured(problem, rows["z"].detach()[index], passes=self.setup.passes)
        rows["evaluations"] = rows["evaluations"] + self.setup.passes * claims
        now = snapshot(found, asked["steps"], asked["evaluations"], self.setup.clock())
        stands = list(fired)
        for number, rule in enumerate(self.setup.rules):
            if rule.certain:
                holds, _ = rule.fired(now, asked["rules"][str(number)])
                holds = holds & torch.isfinite(now.merit)
                stands[number] = fired[number] & torch.zeros_like(claims).index_put((index,), holds)
        return stands

    def _leave(self) -> None:
        """Write out the candidates with a code and keep the others."""
        code = self.rows["code"]
        leaves, stays = (code != STAYS).nonzero()[:, 0], (code == STAYS).nonzero()[:, 0]
        self._write(leaves, self._endings(leaves))
        self._hold(take(self.rows, stays) if len(stays) else {})

    def _endings(self, leaves: Tensor) -> list[Ending]:
        codes, steps = self.rows["code"][leaves].tolist(), self.rows["steps"][leaves].tolist()
        if len(set(codes)) == 1 and codes[0] > STAYS:
            return [self.setup.rules[codes[0] - 1].ending] * len(codes)
        return [self._ending(why, step) for why, step in zip(codes, steps, strict=True)]

    def _write(self, leaves: Tensor, endings: list[Ending], *, spoilt: bool = False) -> None:
        all_leave = len(leaves) == len(self.rows["ids"])
        gone = self.rows if all_leave else take({k: self.rows[k] for k in _LEFT}, leaves)
        gone, ids = dict(gone), gone["ids"]
        problem = self.problem if all_leave else self.setup.narrowed(ids)
        if spoilt:
            gone["x"] = self.x0[ids].to(gone["best_z"])
            gone["violation"] = torch.full_like(gone["loss"], torch.nan)
        else:
            with torch.no_grad():
                gone["x"] = problem.space.decode(gone["best_z"]).to(gone["best_z"].dtype)
                gone["violation"] = problem.violation(gone["x"])
        gone["z"] = gone["best_z"]
        self.answers.write(ids, {name: gone[name] for name in ANSWERED}, endings)

    def _ending(self, code: int, step: int) -> Ending:
        if code > STAYS:
            return self.setup.rules[code - 1].ending
        if code == FLAT and step == 0:
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


_LEFT = ("ids", "best_z", "loss", "confidence", "reached", "steps", "evaluations")
_STATUS = {
    BAD_LOSS: Status.LOSS_NOT_FINITE,
    BAD_GRADIENT: Status.GRADIENT_NOT_FINITE,
    FLAT: Status.FLAT,
    TOO_SHORT: Status.TOO_SMALL_STEP,
    NOWHERE: Status.INFEASIBLE,
}
_ROUNDS = (
    "; the space itself rounds: Rounded(space, step=...) rounds too, and lets gradients through"
)
_DATED = (Status.LOSS_NOT_FINITE, Status.GRADIENT_NOT_FINITE, Status.FLAT)
