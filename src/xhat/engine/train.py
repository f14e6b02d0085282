"""Trains of steps: how many are taken before anybody looks who is done, and how they are computed.

On an accelerator a look makes the host wait for the device, so that some steps are taken in a row.
On a processor it costs nothing, and a candidate that is done leaves at once. Where the network is
so small that Python takes most of the time, the steps of a train are played from a ``Tape``.
"""

from collections.abc import Sequence
from math import inf

import torch

from xhat.engine.rows import Rows, flat, like
from xhat.engine.setup import Setup
from xhat.engine.step import Step
from xhat.engine.tape import Tape, same

__all__ = ["Pace"]

_WARM = 8  # steps of a batch that keeps its shape before a tape of them is written
_WORTH = 24  # steps that must be left for that
_PLAYED = 10  # steps of a tape in a row
_SMALL = 8e6  # bytes that a pass of the whole batch makes: below, Python takes most of the time
_BEARS = 1 / 4  # of the rows: done, and still computed, for the sake of the tape
_TRIED = 16  # steps after which a tape is first compared again; then after four times as many


class Pace:
    """How a batch takes its steps.

    Args:
        setup: of the search.
        seen: whether somebody wants to see every step.

    Attributes:
        moved: steps since the batch began.
        targeted: whether the objective has a target, as the last look by itself has shown.
    """

    def __init__(self, setup: Setup, *, seen: bool) -> None:
        self.setup = setup
        self.alone = seen or setup.autocast or setup.passes > 1
        self.taped = setup.replays and not self.alone
        self.most = min(rule.most_steps for rule in setup.rules) if setup.rules else inf
        self.moved, self.since, self.ends = 0, 0, list[float]()
        self.targeted, self.tape, self.size = False, None, 0
        self.played, self.tried = 0, _TRIED

    def admit(self, steps: int, rows: int) -> None:
        """Take note that candidates, which have taken so many steps, make it this many rows."""
        self.ends.append(self.moved + self.most - steps)
        self.changed(rows)

    def changed(self, rows: int) -> None:
        """Take note that the batch has another shape: so many rows."""
        self.tape, self.since, self.size = None, self.moved, rows

    def one_by_one(self) -> None:
        """Look after every step from now on."""
        self.alone, self.taped = True, False

    @property
    def length(self) -> int:
        """How many steps to take now before somebody looks; at most 1 for one of which all is seen.

        The last look at a candidate whose steps are spent is one of these: no gradient is needed.
        """
        if self.alone:
            return 1
        self.ends = [end for end in self.ends if end >= self.moved]
        left = min(self.ends, default=inf) - self.moved
        every = self.setup.every
        if self.tape is not None or self._pays(left):
            every = max(every, _PLAYED)
        return int(min(every, left))

    def _pays(self, left: float) -> bool:
        small = self.setup.weight * self.size <= _SMALL
        return self.taped and small and self.moved - self.since >= _WARM and left >= _WORTH

    def bears(self, done: int) -> bool:
        """Return whether so many rows that are done may stay, so that the tape does."""
        return self.tape is not None and done <= _BEARS * self.size

    def run(self, step: Step, rows: Rows, length: int) -> Rows:
        """Return the rows after some steps."""
        if self.tape is None and self._pays(inf):
            rows, length = self._write(step, rows), length - 1
        while length > 0 and self.tape is not None:
            self.played += 1
            if self.played in (1, self.tried):
                self.tried = _TRIED if self.played == 1 else 4 * self.tried
                rows, length = self._tried(step, rows, self.tape), length - 1
                continue
            some = min(length, self.tried - self.played)
            rows, length = _play(self.tape, rows, some), length - some
            self.played += some - 1
        for _ in range(length):
            rows = step(rows)
        return rows

    def _write(self, step: Step, rows: Rows) -> Rows:
        tape = Tape(lambda given: flat(step(like(rows, given))), flat(rows))
        if tape.play is None:
            self.taped = False
        else:
            self.tape, self.played = tape, 0
        return like(rows, tape.outputs)

    def _tried(self, step: Step, rows: Rows, tape: Tape) -> Rows:
        """Return the rows after a step by itself, with which that of the tape is compared."""
        right = step(rows)
        try:
            with torch.no_grad():
                agrees = same(tape(flat(rows)), flat(right))
        except (RuntimeError, TypeError):  # torch's own function wants other arguments
            agrees = False
        if not agrees:
            self.tape, self.taped = None, False
        return right


def _play(tape: Tape, rows: Rows, length: int) -> Rows:
    tensors: Sequence[torch.Tensor] = flat(rows)
    with torch.no_grad():
        for _ in range(length):
            tensors = tape(tensors)
    return like(rows, tensors)
