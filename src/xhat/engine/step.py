"""One step of a batch, in tensor operations: what is known of candidates goes in and comes out.

A candidate that is done has a code other than ``STAYS`` from that moment on. What is answered of it
(its best ``z``, loss, confidence, target, counts) then stays as it is, however many steps the
others take. So nothing has to be read by the host between two steps, which is what a GPU waits for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from xhat.core import per_row
from xhat.engine.problem import Problem
from xhat.engine.rows import Rows
from xhat.engine.setup import Setup, measured, snapshot
from xhat.objectives import Measurement

__all__ = [
    "BAD_GRADIENT",
    "BAD_LOSS",
    "FLAT",
    "GONE",
    "IDLE",
    "NOWHERE",
    "STAYS",
    "TOO_SHORT",
    "Step",
]

# Codes of why a candidate leaves; a rule's code is its place in ``Setup.rules`` plus 1.
STAYS, BAD_LOSS, BAD_GRADIENT, FLAT, TOO_SHORT, NOWHERE, GONE = 0, -1, -2, -3, -4, -5, -6
_SHORT = 1e-3  # in the unit of steppers
IDLE = 20
"""Steps in a row without a gradient after which a stepper's memory is spent."""

Confirm = Callable[[Rows, list[Tensor], Tensor], list[Tensor]]


@dataclass(frozen=True)
class Step:
    """How one step treats the candidates of a batch.

    Attributes:
        setup: of the search.
        problem: of these candidates.
        masked: whether some may be done already, and nothing may be read on the host.
    """

    setup: Setup
    problem: Problem
    masked: bool = False

    def __call__(self, rows: Rows) -> Rows:
        """Return the rows after a step; those of the argument are not written to."""
        z = rows["z"].detach().requires_grad_(True)
        _, found = measured(self.problem, z, autocast=self.setup.autocast)
        loss = found.descended.detach()
        rows = self.look(rows, loss, found)
        (gradient,) = torch.autograd.grad(found.descended.sum(), z)
        return self.move(self.weigh(rows, loss, gradient), loss, gradient)

    def look(
        self, rows: Rows, loss: Tensor, found: Measurement, confirm: Confirm | None = None
    ) -> Rows:
        """Return the rows with the best of each candidate, and the codes of who is done.

        Args:
            rows: of the candidates, of which ``z`` is looked at.
            loss: ``(n,)``, what is descended there, detached.
            found: what the objective says there.
            confirm: asks of those who claim success whether it holds in full precision.
        """
        finite = loss.abs() < inf
        sound = finite  # or a trial that the stepper can take back
        if self.setup.stepper.recovers:
            sound = finite | (rows["loss"].abs() < inf)
        rows, fired = self._asked(rows, found, finite, sound)
        rules = self.setup.rules
        claims = _any_of(fired, [rule.certain for rule in rules])
        if confirm is not None and claims is not None and bool(claims.any()):
            fired = confirm(rows, fired, claims)
            claims = _any_of(fired, [rule.certain for rule in rules])
        better = finite & ~(loss >= rows["loss"])
        self._remember(rows, better if claims is None else better | claims, loss, found)
        reached = _any_of(fired, [rule.aims for rule in rules])
        if reached is not None:  # the wanted confidence decides, not the objective's own decision
            rows["reached"] = self._of_live(rows, reached, rows["reached"])
        code = torch.where(sound, STAYS, BAD_LOSS)
        for number in reversed(range(len(fired))):
            code = torch.where(fired[number], number + 1, code)
        rows["code"] = self._of_live(rows, code, rows["code"])
        return rows

    def _asked(
        self, rows: Rows, found: Measurement, finite: Tensor, sound: Tensor
    ) -> tuple[Rows, list[Tensor]]:
        """Return the rows with one evaluation more, and for every rule where it fires."""
        more = rows["code"] == STAYS if self.masked else 1
        rows = {**rows, "evaluations": rows["evaluations"] + more, "rules": dict(rows["rules"])}
        now = snapshot(found, rows["steps"], rows["evaluations"], self.setup.clock())
        fired = list[Tensor]()
        for number, rule in enumerate(self.setup.rules):
            fires, rows["rules"][str(number)] = rule.fired(now, rows["rules"][str(number)])
            fired.append(fires & (finite if rule.certain else sound))
        return rows, fired

    def _of_live(self, rows: Rows, new: Tensor, old: Tensor) -> Tensor:
        """Return the new values of those who are not done, the old ones of the others."""
        return torch.where(rows["code"] == STAYS, new, old) if self.masked else new

    def _remember(self, rows: Rows, which: Tensor, loss: Tensor, found: Measurement) -> None:
        z = rows["z"].detach()
        which = which & (rows["code"] == STAYS) if self.masked else which
        if self.masked or not bool(which.all()):
            rows["best_z"] = torch.where(per_row(which, z), z, rows["best_z"])
        else:
            rows["best_z"] = z  # no copy: what a stepper returns is new, never written to again
        rows["loss"] = torch.where(which, loss.to(self.setup.dtype), rows["loss"])
        if found.reached is not None and not self.setup.aims:
            rows["reached"] = torch.where(which, found.reached, rows["reached"])
        if found.confidence is not None:
            confidence = found.confidence.to(torch.float32)
            rows["confidence"] = torch.where(which, confidence, rows["confidence"])

    def weigh(self, rows: Rows, loss: Tensor, gradient: Tensor) -> Rows:
        """Return the rows with the codes of those whose gradient leads nowhere."""
        size = gradient.flatten(1).abs().amax(dim=1)
        sound = size < inf
        if self.setup.stepper.recovers:
            sound = sound | ((rows["loss"].abs() < inf) & ~(loss.abs() < inf))
        rows = dict(rows)
        code = torch.where(sound, STAYS, BAD_GRADIENT)
        if self.setup.passes == 1:  # the next answer of a random model may differ
            code = torch.where(self._rests(rows, size == 0), FLAT, code)
        rows["code"] = torch.where(rows["code"] == STAYS, code, rows["code"])
        return rows

    def _rests(self, rows: Rows, zero: Tensor) -> Tensor:
        """Return whom a gradient of 0 leaves where it is for ever: nothing else pushes it.

        A stepper with a memory is pushed by that for a while, but for the first step.
        """
        if not rows["stepper"]:
            return zero
        rows["idle"] = (rows["idle"] + 1) * zero
        return rows["idle"] >= IDLE

    def move(self, rows: Rows, loss: Tensor, gradient: Tensor, *, fresh: bool = False) -> Rows:
        """Return the rows after the stepper's move; who is done stays.

        Of ``fresh`` ones it is told whom a gradient that is not 0 leaves exactly where they were.
        """
        stepper, space, old = self.setup.stepper, self.problem.space, rows["z"]
        with torch.no_grad():
            here, gradient = space.in_units(old), space.of_units(gradient)
            if stepper.curved:
                gradient = self.unheld(old, gradient)
            there, state = stepper.step(here, loss, gradient, rows["stepper"])
            z = there
            if space.unit is not None:  # what was not moved must not be rounded either
                z = torch.where(there == here, old, space.of_units(there))
            more = 1
            if self.masked:
                more = rows["code"] == STAYS
                z = torch.where(per_row(more, z), z, old)
            rows = {**rows, "stepper": state, "z": self.problem.project(z)}
        if fresh:
            moved = (z != old).flatten(1).any(dim=1)
            still = (rows["steps"] == 0) & (gradient != 0).flatten(1).any(dim=1) & ~moved
            rows["code"] = torch.where(still, TOO_SHORT, rows["code"])
        return {**rows, "steps": rows["steps"] + more}

    def unheld(self, z: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient, 0 for features that a short step against it would not move."""
        norm = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
        short = _SHORT * per_row(1 / norm.clamp_min(torch.finfo(norm.dtype).tiny), z) * gradient
        tried = z - self.problem.space.of_units(short)
        held = (self.problem.project(tried) == z) & (tried != z)
        return torch.where(held, 0.0, gradient)


def _any_of(fired: list[Tensor], which: list[bool]) -> Tensor | None:
    """Return where any of the picked rules fires; None where none is picked."""
    picked = [fires for fires, wanted in zip(fired, which, strict=True) if wanted]
    if len(picked) < 2:
        return picked[0] if picked else None
    return torch.stack(picked).any(dim=0)
