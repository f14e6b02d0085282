"""One pass over all candidates: waiting ones enter the batch as others leave it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from xhat.core import candidate_noise, check_count, check_positive
from xhat.solve.answers import Answers
from xhat.solve.batch import LiveBatch, Setup
from xhat.solve.rows import Live
from xhat.solve.stopping import MaxSeconds

__all__ = ["Progress", "Restarts", "Run"]


@dataclass(frozen=True)
class Restarts:
    """Further tries, from random points around the start, for candidates that have not succeeded.

    Of all tries of a candidate, a feasible one is kept over one that is not, then one that reached
    the target over one that did not, then the lower loss. Budgets count for each try.

    Attributes:
        tries: how many, the first included.
        radius: of the uniform noise added to the start, in the unit of ``x``.
        from_start: whether the first try begins at the start itself.
    """

    tries: int
    radius: float
    from_start: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("tries", self.tries)
        check_positive("radius", self.radius)


@dataclass(frozen=True)
class Progress:
    """How far a search is.

    Attributes:
        done: candidates whose search has ended.
        total: of all.
        seconds: since the search began.
        live: the candidates that the last step looked at; those that left with it are there for
            the last time. None where nothing was looked at.
    """

    done: int
    total: int
    seconds: float
    live: Live | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Run:
    """All that one pass over the candidates needs."""

    setup: Setup
    x0: Tensor
    restarts: Restarts | None
    seed: int
    chunk: int
    trace: int
    on_progress: Callable[[Progress], None] | None

    def check(self) -> None:
        """Try the problem on the first candidate."""
        device, dtype = self.setup.device, self.setup.dtype
        self.setup.problem.to(device, dtype).check(self.x0[:1].to(device, dtype))

    def once(self, ids: Tensor, number: int) -> Answers:
        """Return the answers of one try of the candidates ``ids``."""
        return self.along(ids, lambda entering: self.begin(entering, number))

    def begin(self, ids: Tensor, number: int) -> Tensor:
        """Return where a try of the candidates ``ids`` begins, ``(m, *z_shape)``."""
        problem, x0 = self.setup.narrowed(ids), self.x0[ids]
        if self.restarts is not None and (number > 0 or not self.restarts.from_start):
            x0 = x0 + self.restarts.radius * candidate_noise(x0, self.seed, "restart", number)
        with torch.no_grad():
            return problem.project(problem.space.begin(x0.to(self.setup.device, self.setup.dtype)))

    def along(
        self, ids: Tensor, begin: Callable[[Tensor], Tensor], steps: Tensor | None = None
    ) -> Answers:
        """Return the answers of the candidates ``ids``, each searched from where it begins.

        Args:
            ids: ``(m,)``, places among the starts.
            begin: ``(k,)`` places to ``(k, *z_shape)``.
            steps: ``(n,)``, what every start has taken before; None for none.
        """
        answers = Answers(len(self.x0), self.trace)
        batch = LiveBatch(self.setup, answers, watched=self.on_progress is not None)
        waiting, total = ids, len(self.x0)
        steps = torch.zeros(total, dtype=torch.long) if steps is None else steps
        while len(waiting) or len(batch):
            room = self.chunk - len(batch)
            entering, waiting = waiting[:room], waiting[room:]
            if len(entering) and self._time_is_up():
                late = LiveBatch(self.setup, answers)
                late.admit(entering, begin(entering), steps[entering])
                late.leave_all(MaxSeconds.sentence)
            elif len(entering):
                batch.admit(entering, begin(entering), steps[entering])
            if len(batch):
                batch.advance()
            if self.on_progress is not None:
                done = total - len(waiting) - len(batch)
                self.on_progress(Progress(done, total, self.setup.clock(), batch.live))
        return answers

    def _time_is_up(self) -> bool:
        limits = [rule.seconds for rule in self.setup.rules if isinstance(rule, MaxSeconds)]
        return bool(limits) and self.setup.clock() >= min(limits)
