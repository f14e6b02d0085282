"""The noun ``Workers``, what it replies, and the simplest of them: this process."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from xhat.core import check_count, check_kind

__all__ = [
    "BROKEN",
    "FAILED",
    "GIVEN",
    "Here",
    "Reply",
    "Run",
    "Take",
    "Task",
    "Workers",
    "as_workers",
    "each",
    "told",
]

GIVEN, FAILED = "given", "failed"
BROKEN = "broken"  # failed, and the process in which it did is of no more use

Task = tuple[Any, Any]  # a key of the caller's, and the question
Take = Callable[[], Task | None]
Run = Callable[[Any], tuple[str, Any, str, float]]


@dataclass(frozen=True)
class Reply:
    """What became of one question.

    Attributes:
        kind: ``"given"``, ``"failed"`` (raised, hung, died), ``"broken"``, or what the function
            says itself.
        value: the answer, if one was given; of what failed the exception, where there is one.
        reason: what went wrong, else empty.
        seconds: that the function took.
    """

    kind: str
    value: Any
    reason: str
    seconds: float


class Workers(ABC):
    """Where tasks are done, several at once."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many tasks are done at once."""

    @abstractmethod
    def replies(
        self, run: Run, take: Take, *, timeout: float | None = None
    ) -> Generator[tuple[Any, Reply], None, None]:
        """Answer questions, in the order in which they get done.

        Whatever still runs is killed when the iterator ends, is closed, or is interrupted.

        Args:
            run: ``question -> (kind, value, reason, seconds)``; it must not raise.
            take: returns the next task, or None where there is none now. It is called when there is
                room, so that questions need not all be in memory, and again after every reply, so
                that a task may be given a second time.
            timeout: seconds for one question, from when its process is ready; None for no limit.

        Raises:
            ConnectionError: there is no such cluster, its workers are of another version, or it has
                gone.
            MissingExtraError: a package that is needed is not installed.
            TypeError: the function cannot be sent to another process.
            ValueError: it cannot be made there, or a process does not begin.
        """


@dataclass(frozen=True)
class Here(Workers):
    """This process: one task after the other. With a time-out, one process beside it."""

    @property
    def count(self) -> int:
        """1."""
        return 1

    def replies(
        self, run: Run, take: Take, *, timeout: float | None = None
    ) -> Generator[tuple[Any, Reply], None, None]:
        """Answer questions; see ``Workers``."""
        if timeout is not None:
            from xhat.executors.processes import Processes

            yield from Processes(1).replies(run, take, timeout=timeout)
            return
        while (task := take()) is not None:
            key, question = task
            yield key, Reply(*run(question))


def as_workers(workers: "Workers | int | None") -> Workers:
    """Return what ``workers=`` means everywhere: None or 1 this process, -1 one for each core.

    Raises:
        MissingExtraError: what processes need is not installed.
        TypeError, ValueError: neither a number from 1, -1, nor ``Workers``.

    Example:
        >>> as_workers(None).count, as_workers(3)
        (1, Processes(n=3))
    """
    from xhat.executors.processes import Processes, cores

    if workers is None or (type(workers) is int and workers == 1):
        return Here()
    if isinstance(workers, int):
        return Processes(cores() if workers == -1 else check_count("workers", workers))
    check_kind("workers", workers, Workers)
    return workers


def told(f: Callable[[Any], Any]) -> Run:
    """Return what asks ``f`` and never raises: a closure, so that workers need not import us."""

    def run(question: Any) -> tuple[str, Any, str, float]:
        import time

        began = time.perf_counter()
        try:
            return "given", f(question), "", time.perf_counter() - began
        except BaseException as error:  # noqa: BLE001 - whoever waits for the reply is told
            said = (str(error).strip().splitlines() or [""])[0]
            reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
            return "failed", error, reason, time.perf_counter() - began

    return run


def each(
    workers: Workers, f: Callable[[Any], Any], tasks: Iterable[tuple[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Yield the name of each task and ``f`` of its question, in the order in which they get done.

    The first exception ends all of it, and says with which task it came.

    Args:
        workers: where.
        f: of one question.
        tasks: a name and a question each.

    Example:
        >>> dict(each(Here(), lambda n: n * n, [("two", 2), ("three", 3)]))
        {'two': 4, 'three': 9}
    """
    waiting = iter(tasks)
    with closing(workers.replies(told(f), lambda: next(waiting, None))) as replies:
        for name, reply in replies:
            if reply.kind != GIVEN:
                error = reply.value
                if not isinstance(error, BaseException):
                    raise RuntimeError(f"{name} was not finished: {reply.reason}.")
                error.add_note(f"This was {name}.")
                raise error
            yield name, reply.value
