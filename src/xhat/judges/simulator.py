"""Simulators: any Python function on arrays, made into what a ``Truth`` can ask of a batch.

Simulators differ: they take one candidate or many, NumPy arrays or tensors, milliseconds or
minutes; they raise an exception, hang, or crash their process. ``Simulator`` wraps one into a
function on batches that always answers: NaN where it failed, with the reason kept.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xhat.core import check_count, check_positive
from xhat.executors import Reply, Task, Workers, as_workers, cores

__all__ = ["CallRecord", "Simulator"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CallRecord:
    """How one candidate was answered.

    Attributes:
        seconds: the time that the function took, all tries together; for a call with several
            candidates, the time divided by their number.
        tries: how often the function was called for it; 0 if the answer came from the cache.
        reason: why the last try failed; None if it gave finite numbers.
    """

    seconds: float
    tries: int
    reason: str | None


class Simulator:
    """Any function on arrays as a batch function that fits ``Truth(f=Simulator(...))``.

    Without a timeout and without workers the function runs in this process: quick, and easy to
    debug, but then a hanging function hangs the caller, and one that kills its process kills the
    caller. With either, it runs in worker processes, which are killed, with all that they started,
    when they take too long or the caller is interrupted. Lambdas and closures will do.

    Args:
        f: the function of one candidate, ``x_shape -> y_shape`` or a number; or, with ``batch``, of
            several, ``(m, *x_shape) -> (m, *y_shape)``. An exception or a NaN means failure.
        batch: the largest number of candidates in one call; None for a function of one candidate.
            If a call with several fails, each candidate is tried alone.
        workers: where calls run, several at the same time: a number of processes, -1 for one on
            each core, or a cluster (``Dask``, ``Ray``); None for this process.
        timeout: seconds for one call; None for no limit.
        retries: further tries of a candidate that failed.
        cache: whether answers, also failures, are kept, so that the same input is never run twice.
        tensors: whether the function takes float64 tensors; NumPy arrays by default. It may give
            either.

    Raises:
        TypeError: no function.
        ValueError: a number out of its range.

    Example:
        >>> import math
        >>> root = Simulator(lambda x: math.sqrt(x[0]), retries=1)
        >>> root(torch.tensor([[4.0], [-1.0]]))
        tensor([2., nan], dtype=torch.float64)
        >>> root.records[1].reason, root.calls
        ('ValueError: math domain error', 3)
    """

    def __init__(
        self,
        f: Callable[[Any], Any],
        *,
        batch: int | None = None,
        workers: Workers | int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        cache: bool = False,
        tensors: bool = False,
    ) -> None:
        if not callable(f) or isinstance(f, type):
            raise TypeError(f"the simulator must be a function, not {f!r}.")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise ValueError(f"retries must be a whole number from 0, but is {retries!r}.")
        self.f, self.retries, self.cache, self.tensors = f, retries, cache, tensors
        self.batch = None if batch is None else check_count("batch", batch)
        self.workers = as_workers(workers)
        if timeout is not None:
            cores()  # what is missing is said now, and not after hours
        self.timeout = None if timeout is None else check_positive("timeout", timeout)
        self._records: list[CallRecord] = []
        self._calls = 0
        self._known: dict[bytes, tuple[Array | None, str | None]] = {}
        self._shape: tuple[int, ...] | None = None

    @contextmanager
    def on(self, workers: Workers | int | None) -> Iterator[None]:
        """Let calls run elsewhere for the time of a block; None leaves them where they run."""
        before = self.workers
        self.workers = before if workers is None else as_workers(workers)
        try:
            yield
        finally:
            self.workers = before

    @property
    def records(self) -> tuple[CallRecord, ...]:
        """One record per candidate that was asked about, in that order."""
        return tuple(self._records)

    @property
    def calls(self) -> int:
        """How often the function was asked about a candidate: each try of each counts one."""
        return self._calls

    def __call__(self, x: Tensor | Array) -> Tensor:
        """Return what the function gives, ``(n, *y_shape)`` on the CPU; NaN where it failed.

        float64, or int64 if the function returns integers and never failed. As long as every
        candidate failed, the shape of its outputs is unknown, and ``(n,)`` is returned.

        Args:
            x: ``(n, *x_shape)``.

        Raises:
            TypeError: it gives no real numbers, or cannot be sent to another process.
            ValueError: it gives another shape than before, or a wrong number of rows.
        """
        rows = self._rows(x)
        asked = _Asked(self, rows)
        try:
            asked.finish()
        finally:  # what was answered before an interrupt is kept
            self._records += asked.records()
        return self._stacked(asked.values)

    def _rows(self, x: Tensor | Array) -> Array:
        rows = x.detach().cpu().double().numpy() if isinstance(x, Tensor) else x
        rows = np.array(rows, dtype=np.float64)  # a copy: functions may write into what they get
        if rows.ndim == 0 or rows.size == 0:
            raise ValueError(
                f"a simulator takes inputs of shape (n, *x_shape), but {rows.shape} came."
            )
        return rows

    def _stacked(self, values: Sequence[Array | None]) -> Tensor:
        shape = self._shape or ()
        given = [value for value in values if value is not None]
        whole = len(given) == len(values) and all(value.dtype.kind in "biu" for value in given)
        kind = np.int64 if whole else np.float64
        out = np.full((len(values), *shape), 0 if whole else math.nan, dtype=kind)
        for i, value in enumerate(values):
            if value is not None:
                out[i] = value
        return torch.from_numpy(out)

    def _check_shape(self, value: Array, row: int) -> None:
        if self._shape is None:
            self._shape = value.shape
        if value.shape != self._shape:
            raise ValueError(
                f"the simulator must give one shape for all candidates, but gave {self._shape} "
                f"before and {value.shape} for candidate {row}; raise where there is no answer."
            )


class _Asked:
    """One batch on its way through a simulator."""

    def __init__(self, simulator: Simulator, rows: Array) -> None:
        self.simulator, self.rows = simulator, rows
        self.values: list[Array | None] = [None] * len(rows)
        self.reasons: list[str | None] = [None] * len(rows)
        self.seconds, self.tries = [0.0] * len(rows), [0] * len(rows)
        self.done = [False] * len(rows)
        self.keys = [row.tobytes() + repr(row.shape).encode() for row in rows]

    def finish(self) -> None:
        """Answer all candidates that are not known."""
        todo = list(range(len(self.rows)))
        if self.simulator.cache:
            first = {key: i for i, key in reversed(list(enumerate(self.keys)))}
            todo = [i for key, i in first.items() if key not in self.simulator._known]
        pending = deque(self._task(group) for group in self._groups(sorted(todo)))
        with closing(self._replies(pending)) as replies:
            for group, reply in replies:
                pending.extend(self._task((i,)) for i in self._take(group, reply))
        if self.simulator.cache:
            for i, key in enumerate(self.keys):
                self.values[i], self.reasons[i] = self.simulator._known[key]
                self.done[i] = True

    def records(self) -> list[CallRecord]:
        """Return the records of what is done."""
        return [
            CallRecord(self.seconds[i], self.tries[i], self.reasons[i])
            for i, done in enumerate(self.done)
            if done
        ]

    def _groups(self, rows: list[int]) -> Iterator[tuple[int, ...]]:
        size = self.simulator.batch or 1
        return (tuple(rows[k : k + size]) for k in range(0, len(rows), size))

    def _task(self, group: tuple[int, ...]) -> tuple[tuple[int, ...], Array]:
        alone = self.simulator.batch is None
        return group, self.rows[group[0]] if alone else self.rows[list(group)]

    def _replies(self, pending: deque[Any]) -> Generator[tuple[tuple[int, ...], Reply], None, None]:
        simulator = self.simulator
        run = _runner(simulator.f, tensors=simulator.tensors)

        def take() -> Task | None:
            return pending.popleft() if pending else None

        return simulator.workers.replies(run, take, timeout=simulator.timeout)

    def _take(self, group: tuple[int, ...], reply: Reply) -> list[int]:
        """Keep the answer of a group; return the candidates that are to be asked once more."""
        simulator, again = self.simulator, []
        simulator._calls += len(group)
        if reply.kind == "refused":
            raise TypeError(f"{reply.reason} (candidate {group[0]}).")
        given = self._split(group, reply.value) if reply.kind == "given" else [None] * len(group)
        for i, value in zip(group, given, strict=True):
            self.tries[i] += 1
            self.seconds[i] += reply.seconds / len(group)
            whole = value is not None and bool(np.isfinite(value).all())
            reason = None if whole else reply.reason or "it gave a number that is not finite"
            alone_next = len(group) > 1 and value is None
            if not whole and (alone_next or self.tries[i] <= simulator.retries):
                again.append(i)
            self._keep(i, value, reason)
        return again

    def _keep(self, i: int, value: Array | None, reason: str | None) -> None:
        self.values[i], self.reasons[i], self.done[i] = value, reason, True
        if self.simulator.cache:
            self.simulator._known[self.keys[i]] = value, reason

    def _split(self, group: tuple[int, ...], value: Array) -> list[Array]:
        if self.simulator.batch is None:
            self.simulator._check_shape(value, group[0])
            return [value]
        if value.ndim == 0 or len(value) != len(group):
            raise ValueError(
                f"the simulator was asked about {len(group)} candidates at once and must give "
                f"{len(group)} rows, but gave shape {value.shape}; for a function of one candidate "
                f"leave batch out."
            )
        for i, row in zip(group, value, strict=True):
            self.simulator._check_shape(row, i)
        return list(value)


def _runner(f: Callable[[Any], Any], *, tensors: bool) -> Callable[[Array], tuple[Any, ...]]:
    """Return what asks ``f`` and never raises: a closure, so that workers need not import us."""

    def run(x: Array) -> tuple[Any, ...]:
        import time

        import numpy as np

        began = time.perf_counter()
        try:
            if tensors:
                import torch

                with torch.no_grad():
                    y = f(torch.from_numpy(x.copy()))
            else:
                y = f(x.copy())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a simulator may raise
            told = (str(error).strip().splitlines() or [""])[0]
            reason = f"{type(error).__name__}: {told}" if told else type(error).__name__
            return "failed", None, reason, time.perf_counter() - began
        seconds = time.perf_counter() - began
        if hasattr(y, "detach"):
            y = y.detach().cpu()
            y = (y.double() if y.is_floating_point() else y).numpy()
        trouble = f"the simulator must give real numbers, but gave {type(y).__name__}"
        try:
            y = np.asarray(y)
        except ValueError:  # lists of different lengths
            return "refused", None, f"{trouble} with rows of different lengths", seconds
        if y.dtype.kind not in "biuf":
            named = trouble if y.dtype.kind == "O" else f"{trouble} of {y.dtype.name}"
            return "refused", None, f"{named}; raise or give NaN where there is no answer", seconds
        if y.size == 0:
            return "refused", None, f"{trouble} without any", seconds
        return "given", y, "", seconds

    return run
