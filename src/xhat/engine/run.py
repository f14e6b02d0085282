"""One pass over all candidates: waiting ones enter the batch as others leave it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from xhat.core import candidate_noise, check_count, check_flag, check_integer, check_positive
from xhat.engine.answers import Answers
from xhat.engine.batch import LiveBatch
from xhat.engine.faults import guarded
from xhat.engine.rows import Live
from xhat.engine.setup import Setup
from xhat.engine.status import Ending, Status

__all__ = ["Progress", "Restarts", "Run", "Watch"]


@dataclass(frozen=True)
class Restarts:
    """Further tries, from random points around the start, for candidates that have not succeeded.

    Of all tries of a candidate, a feasible one is kept over one that is not, then one that reached
    the target over one that did not, then the lower loss. Budgets count for each try.

    Attributes:
        tries: how many, the first included.
        radius: of the uniform noise added to the start, as a share of each feature's range where
            the space has one (see ``Box``), else in the unit of ``x``.
        from_start: whether the first try begins at the start itself.
    """

    tries: int
    radius: float
    from_start: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("tries", self.tries)
        check_positive("radius", self.radius)
        check_flag("from_start", self.from_start)


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
class Watch:
    """What is recorded and told of a search as it goes on.

    Attributes:
        trace: record every candidate's ``x`` each ``trace`` steps; 0 for not at all. Costs
            ``max_steps / trace`` times the memory of the starts.
        on_progress: called after every step with a ``Progress``, which shows the live candidates.
            An exception that it raises ends the search: models are left as they were, and the
            caller gets the exception.

    Raises:
        TypeError: ``trace`` is no integer, or ``on_progress`` cannot be called.
        ValueError: ``trace`` is negative.
    """

    trace: int = 0
    on_progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if check_integer("trace", self.trace) < 0:
            raise ValueError(f"trace must be 0 (never) or a number of steps, but is {self.trace}.")
        if self.on_progress is not None and not callable(self.on_progress):
            came = type(self.on_progress).__name__
            raise TypeError(f"on_progress must be callable with a Progress, not {came}.")


@dataclass(frozen=True)
class Run:
    """All that one pass over the candidates needs."""

    setup: Setup
    x0: Tensor
    restarts: Restarts | None
    seed: int
    chunk: int
    watch: Watch

    def averaging(self, passes: int) -> "Run":
        """Return the same for a random model: what it claims are means over some passes."""
        return replace(self, setup=replace(self.setup, passes=passes))

    def settled(self, weight: float) -> "Run":
        """Return the same with models as the first look has shown that they need to be asked.

        Args:
            weight: bytes that one pass of a candidate through the objective makes.
        """
        problem = self.setup.problem.settled()
        return replace(self, setup=replace(self.setup, problem=problem, weight=weight))

    def once(self, ids: Tensor, number: int) -> Answers:
        """Return the answers of one try of the candidates ``ids``."""
        return self.along(ids, lambda entering: self.begin(entering, number))

    def begin(self, ids: Tensor, number: int) -> Tensor:
        """Return where a try of the candidates ``ids`` begins, ``(m, *z_shape)``."""
        problem, x0 = self.setup.narrowed(ids), self.x0[ids]
        if self.restarts is not None and (number > 0 or not self.restarts.from_start):
            noise = self.restarts.radius * candidate_noise(x0, self.seed, "restart", number)
            span = problem.space.span
            x0 = x0 + (noise if span is None else span.to(x0) * noise)
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
        answers = Answers(len(self.x0), self.watch.trace)
        batch = LiveBatch(self.setup, answers, self.x0, watched=self.watch.on_progress is not None)
        steps = torch.zeros(len(self.x0), dtype=torch.long) if steps is None else steps
        waiting, refused = ids, dict[int, Ending]()
        while (len(waiting) or len(batch)) and not self.setup.stopped.is_set():
            room = 0 if batch.closed else self.chunk - len(batch)
            entering, rest = waiting[:room], waiting[room:]
            try:
                refused |= guarded(entering, lambda part: self._admit(part, begin, steps, batch))
                waiting = rest
                if len(batch):
                    batch.advance()
                self._tell(len(self.x0) - len(waiting) - len(batch), batch.live)
            except KeyboardInterrupt:
                self.setup.stopped.set()
        if len(batch):
            batch.leave_all(Ending(Status.INTERRUPTED))
        left = [i for i in ids.tolist() if answers.endings[i] is None and i not in refused]
        answers.leave_out(refused | dict.fromkeys(left, Ending(Status.INTERRUPTED)), self.starts)
        return answers

    @property
    def starts(self) -> Tensor:
        """The starts, in the type of the search."""
        return self.x0.to(self.setup.dtype)

    def _admit(
        self, ids: Tensor, begin: Callable[[Tensor], Tensor], steps: Tensor, batch: LiveBatch
    ) -> None:
        """Let candidates into the batch; out of time, write them out where they begin."""
        if not self._time_is_up():
            batch.admit(ids, begin(ids), steps[ids])
            return
        late = LiveBatch(self.setup, batch.answers, self.x0)
        late.admit(ids, begin(ids), steps[ids])
        late.leave_all(Ending(Status.TIME_SPENT))

    def _tell(self, done: int, live: Live | None) -> None:
        if self.watch.on_progress is not None:
            self.watch.on_progress(Progress(done, len(self.x0), self.setup.clock(), live))

    def _time_is_up(self) -> bool:
        return self.setup.clock() >= min(rule.deadline for rule in self.setup.rules)
