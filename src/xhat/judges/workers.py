"""Worker processes that ask a user's function, and can be killed while they do.

A function that hangs in C code holds the interpreter, so nothing inside its own process can stop
it; a function that crashes takes its process along. Both happen with simulators. So each worker is
a process of its own (joblib's loky: a fresh interpreter, which imports nothing of the caller's main
module), gets one question at a time, and is killed with all that it started when it takes too long.
The supervising loop is one thread that waits for all workers at once: an interrupt ends the wait,
and the loop's end kills every worker. Needs the extra ``scale``: ``pip install 'xhat[scale]'``.
"""

import functools
import math
import os
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from xhat.core import extra

__all__ = ["Reply", "cores", "here", "in_workers"]

FAILED = "failed"
_BOOT = 120.0  # seconds until a worker must have begun: imports are slow on a busy machine
_LOOK = 1.0  # seconds after which workers are looked after, in case a death gave no sign
_LEAVE = 2.0  # seconds that an idle worker has to end by itself
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Task = tuple[Any, Any]  # a key of the caller's, and the question


def cores() -> int:
    """Return on how many cores this process may run, as joblib counts them.

    Raises:
        MissingExtraError: joblib is not installed.
    """
    with extra("scale", "worker processes need"):
        from joblib import cpu_count
    return cpu_count()


@dataclass(frozen=True)
class Reply:
    """What became of one question.

    Attributes:
        kind: ``"given"``, ``"failed"`` (raised, hung, died), or what the function says itself.
        value: the answer, if one was given.
        reason: what went wrong, else empty.
        seconds: that the function took.
    """

    kind: str
    value: Any
    reason: str
    seconds: float


def here(
    run: Callable[[Any], tuple], pending: deque[Task]
) -> Generator[tuple[Any, Reply], None, None]:
    """Answer the pending questions in this process, one after the other.

    Args:
        run: ``question -> (kind, value, reason, seconds)``; it must not raise.
        pending: keys and questions; the caller may append more while it takes the replies.
    """
    while pending:
        key, question = pending.popleft()
        yield key, Reply(*run(question))


def in_workers(
    run: Callable[[Any], tuple], pending: deque[Task], *, jobs: int, timeout: float | None
) -> Generator[tuple[Any, Reply], None, None]:
    """Answer the pending questions in worker processes, in the order in which they get done.

    All workers are gone when the iterator ends, is closed, or is interrupted.

    Args:
        run: as for ``here``; it is sent to the workers with cloudpickle.
        pending: as for ``here``.
        jobs: how many workers at once.
        timeout: seconds for one question, from when its worker is ready; None for no limit.

    Raises:
        MissingExtraError: joblib is not installed.
        TypeError: the function cannot be sent to another process.
        ValueError: it cannot be made there, or a worker does not begin.
    """
    environment, payload = _environment(jobs), _packed(run)
    workers: list[_Worker] = []
    done = False
    try:
        while pending or any(worker.busy for worker in workers):
            wanted = min(jobs, len(workers) + len(pending))
            while len(workers) < wanted:  # each is in the list before an interrupt can lose it
                workers.append(_Worker(payload, environment))
            for worker in workers:
                if not worker.busy and pending:
                    worker.begin(pending.popleft(), timeout)
            for worker, reply in _replies([worker for worker in workers if worker.busy]):
                if not worker.alive:
                    workers.remove(worker)
                yield worker.key, reply
        done = True
    finally:
        for worker in workers:
            worker.connection.close()  # an idle one ends by itself
        for worker in workers:
            worker.kill(grace=_LEAVE if done else 0.0)


class _Worker:
    """One process, and the question that it is at."""

    def __init__(self, payload: bytes, environment: dict[str, str]) -> None:
        from joblib.externals.loky.backend.context import get_context

        context: Any = get_context("loky")
        connection, far = context.Pipe()
        self.connection: Connection = connection
        self.process = context.Process(target=_server(), args=(far, payload), env=environment)
        self.process.start()
        far.close()
        self.alive, self.ready, self.busy = True, False, False
        self.key: Any = None
        self.question: Any = None
        self.deadline, self.began = math.inf, time.monotonic()
        self.timeout: float | None = None

    def begin(self, task: Task, timeout: float | None) -> None:
        """Hand over a question; the time for it counts from when the worker is ready."""
        self.key, self.question = task
        self.busy, self.timeout = True, timeout
        if self.ready:
            self._send()
        else:
            self.deadline = time.monotonic() + _BOOT

    def reply(self, *, heard: bool) -> Reply | None:
        """Return what became of the question, if that is known."""
        if heard:
            try:
                message = self.connection.recv()
            except (EOFError, OSError):
                return self._dead()
            if self.ready:
                self.busy = False
                return Reply(*message)
            return self._begun(message)
        if self.process.exitcode is not None:
            return self._dead()
        if time.monotonic() < self.deadline:
            return None
        self.kill()
        if not self.ready:
            raise ValueError(f"a worker process did not begin within {_BOOT:g} s.")
        reason = f"timed out: it took longer than {self.timeout:g} s and was killed"
        return Reply(FAILED, None, reason, time.monotonic() - self.began)

    def kill(self, grace: float = 0.0) -> None:
        """End the process and all that it started; after ``grace`` seconds, if it does not."""
        self.alive = self.busy = False
        self.connection.close()
        if grace:
            self.process.join(grace)
        _kill_group(self.process)
        self.process.join()

    def _begun(self, trouble: str | None) -> None:
        if trouble is not None:
            self.kill()
            raise ValueError(
                f"the simulator cannot be made in a worker process: {trouble}; define it in a "
                f"module that can be imported, or pass jobs=1 and no timeout."
            )
        self.ready = True
        self._send()

    def _send(self) -> None:
        """Send the question, which cannot block: the worker waits for it."""
        with suppress(OSError):  # if it died while it was idle, its end is what is heard next
            self.connection.send(self.question)
        self.began = time.monotonic()
        self.deadline = math.inf if self.timeout is None else self.began + self.timeout

    def _dead(self) -> Reply:
        seconds = time.monotonic() - self.began
        self.process.join(_LOOK)
        code = self.process.exitcode
        self.kill()
        if not self.ready:
            raise ValueError(f"a worker process ended before it began (exit code {code}).")
        how = f"with exit code {code}"
        if code is None or code < 0:
            how = "by a signal" if code is None else f"by {signal.Signals(-code).name}"
        return Reply(FAILED, None, f"its process ended {how}", seconds)


def _replies(busy: list[_Worker]) -> list[tuple[_Worker, Reply]]:
    """Wait until some worker has an answer, is dead, or took too long."""
    nearest = min(worker.deadline for worker in busy) - time.monotonic()
    heard = wait([worker.connection for worker in busy], min(max(nearest, 0.0), _LOOK))
    found = [(worker, worker.reply(heard=worker.connection in heard)) for worker in busy]
    return [(worker, reply) for worker, reply in found if reply is not None]


def _kill_group(process: Any) -> None:
    """Kill a worker and its children, which are in a process group of its own."""
    if sys.platform == "win32":
        process.terminate()
        return
    for kill in (os.killpg, os.kill):  # the group is not there before the worker made it
        try:
            if kill is os.killpg or process.exitcode is None:
                kill(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _packed(run: Callable[[Any], tuple]) -> bytes:
    from joblib import wrap_non_picklable_objects

    try:
        return pickle.dumps(wrap_non_picklable_objects(run, keep_wrapper=False))
    except Exception as error:
        raise TypeError(
            f"the simulator cannot be sent to worker processes ({error}); make what cannot be sent "
            f"inside the function, or pass jobs=1 and no timeout."
        ) from error


def _environment(jobs: int) -> dict[str, str]:
    """Share the cores between the workers, as joblib does; what the user has set stays."""
    each = str(max(1, cores() // jobs))
    return {name: os.environ.get(name, each) for name in _THREADS}


@functools.cache
def _server() -> Any:
    """Return what a worker does, as a closure: sent by value, it needs no import of this package.

    Importing torch, which this package does, would take seconds in every worker.
    """

    def serve(connection: Connection, payload: bytes) -> None:
        import os
        import pickle
        import sys

        if hasattr(os, "setsid"):
            os.setsid()  # an interrupt of the terminal goes to the caller, who kills the group
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).prctl(1, 9)  # be killed if the caller is (PR_SET_PDEATHSIG)
        try:
            run = pickle.loads(payload)  # noqa: S301 - from the process that started this one
        except BaseException as error:  # noqa: BLE001 - of any kind, while modules are imported
            connection.send(f"{type(error).__name__}: {error}")
            return
        connection.send(None)
        while True:
            try:
                question = connection.recv()
            except EOFError:
                return
            connection.send(run(question))

    from joblib import wrap_non_picklable_objects

    return wrap_non_picklable_objects(serve, keep_wrapper=False)
