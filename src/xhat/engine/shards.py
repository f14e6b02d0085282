"""Shards: a search over many candidates, cut into contiguous rows that are searched one by one.

Candidates know nothing of each other, so a shard's answers are those that the whole would give, to
float tolerance, wherever and in whatever order shards are searched. The driver writes each as a
Parquet part as soon as it is done: after the death of a worker its shards are searched by another,
and after that of the driver the same call goes on with what is missing. A shard that fails three
times is named in the status of its candidates, and the others go on.
"""

import math
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xhat.core import InputWarning, Layout, Parts, check_kind, check_tensor
from xhat.engine.compute import Compute
from xhat.engine.joining import joined
from xhat.engine.parts import Folder, StoredResult, digest_of
from xhat.engine.problem import Problem
from xhat.engine.result import Result
from xhat.engine.run import Progress, Restarts, Watch
from xhat.engine.starts import Lazy, count_of, pieces
from xhat.engine.status import Status
from xhat.engine.steppers import Stepper
from xhat.engine.stopping import StopRule
from xhat.executors import Reply, Task, as_workers, fingerprint, told
from xhat.executors.base import BROKEN

__all__ = ["How", "solve_in_shards", "solve_to"]

_TRIES = 3
_MOST = 16_384  # candidates of a shard, and
_BYTES = 64 * 2**20  # of its starts
_EACH = 4  # shards for each worker, where there are few candidates
_REFUSED = "refused"

Tell = Callable[[Progress], None] | None


@dataclass(frozen=True)
class How:
    """How every shard is searched: the arguments of ``solve``."""

    stepper: Stepper | None
    stop: StopRule | tuple[StopRule, ...]
    max_steps: int
    restarts: Restarts | None
    compute: Compute
    trace: int

    @property
    def question(self) -> tuple[Any, ...]:
        """What the answers depend on besides the problem."""
        compute = self.compute
        computed = compute.seed, compute.precision
        return self.stepper, self.stop, self.max_steps, self.restarts, computed, self.trace


def solve_to(
    problem: Problem,
    starts: Lazy,
    path: str | Path,
    *,
    stepper: Stepper | None = None,
    stop: StopRule | tuple[StopRule, ...] = (),
    max_steps: int = 200,
    restarts: Restarts | None = None,
    compute: Compute | None = None,
    watch: Watch | None = None,
) -> StoredResult:
    """Search from starts that need not fit into memory, and write what is found part by part.

    The same call goes on where it stopped, whatever has ended it, with any number of workers.

    Args:
        problem: what is wanted, as for ``solve``.
        starts: ``(n, *x_shape)``: a tensor or array (such as a ``numpy.memmap``), the name of a
            ``.npy`` or Parquet file, or an iterable of chunks ``(m, *x_shape)``, which must be the
            same each time.
        path: the folder of the parts, or a URL of fsspec such as ``s3://bucket/found``.
        stepper: as for ``solve``, likewise the rest. A time budget counts for each shard.
        stop: as there.
        max_steps: as there.
        restarts: as there.
        compute: where: ``Compute(workers=…)``; and how many candidates in a shard.
        watch: ``on_progress`` is called after every shard.

    Returns:
        The parts, to be read lazily.

    Raises:
        KeyboardInterrupt: Ctrl-C; what is finished is kept.
        PermissionError: the folder cannot be written to, or another process is writing to it.
        TypeError, ValueError: as ``solve``; or the folder holds the answers to another question.
    """
    check_kind("problem", problem, Problem)
    compute, watch = Compute.of(compute), Watch() if watch is None else watch
    check_kind("watch", watch, Watch)
    how = How(stepper, stop, max_steps, restarts, compute, watch.trace)
    search = _Search(problem, how, starts, Folder(path), watch.on_progress)
    for _ in search.run():
        pass
    return StoredResult(path)


def solve_in_shards(problem: Problem, x0: Tensor | Parts, how: How, tell: Tell) -> Result:
    """Return what ``solve`` returns, searched shard by shard; see ``Compute``."""
    layout = Layout.of(x0) if Layout.meant(x0) else None
    if layout is not None:
        problem, x0 = problem.laid_out(layout), layout.pack(x0)
    starts, parts = check_tensor("the start", x0).detach(), how.compute.parts
    problem.check_count(len(starts))
    folder = None if parts is None else Folder(parts() if callable(parts) else parts)
    search, found = _Search(problem, how, starts, folder, tell), dict[int, Result]()
    began = time.perf_counter()
    try:
        for number, result in search.run():
            found[number] = result
    except KeyboardInterrupt:
        found |= search.unfinished(found)
    if folder is not None:
        for number, part in search.known.items():
            found[number] = folder.read(part)
    whole = joined([found[number] for number in sorted(found)])
    return replace(whole, seconds=time.perf_counter() - began, layout=layout, x0=starts.cpu())


@dataclass(frozen=True)
class _Shard:
    """What a worker does with some rows; it is sent once, the rows and their starts each time."""

    problem: Problem
    how: How

    def __call__(self, question: tuple[int, Tensor]) -> tuple[Result, tuple[str, ...]]:
        """Return what is found, and what is to be warned of."""
        from xhat.engine.loop import solve  # which knows of shards

        (first, x0), how = question, self.how
        rows = torch.arange(first, first + len(x0))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = solve(
                self.problem.select(rows),
                x0,
                stepper=how.stepper,
                stop=how.stop,
                max_steps=how.max_steps,
                restarts=how.restarts,
                compute=how.compute.alone,
                watch=Watch(how.trace),
            ).finished()
        if torch.device(how.compute.device or x0.device).type == "cuda":
            torch.cuda.synchronize()  # raises where the device has gone
        notes = (str(each.message) for each in said if issubclass(each.category, InputWarning))
        return found, tuple(dict.fromkeys(notes))

    def run(self, question: Any) -> tuple[str, Any, str, float]:
        """Return the same as a reply; a process in which a shard failed is not used again."""
        kind, value, reason, seconds = told(self)(question)
        if isinstance(value, TypeError | ValueError):  # ``solve`` has refused the question
            return _REFUSED, value, reason, seconds
        return (BROKEN if kind == "failed" else kind), value, reason, seconds


class _Search:
    """One question over all starts: what is asked, what failed, and what is finished."""

    def __init__(
        self, problem: Problem, how: How, starts: Lazy, folder: Folder | None, tell: Tell
    ) -> None:
        self.problem, self.how, self.starts, self.folder, self.tell = (
            problem, how, starts, folder, tell,
        )  # fmt: skip
        self.total, self.done, self.began = count_of(starts), 0, time.perf_counter()
        self.workers = as_workers(how.compute.workers)
        self.known: dict[int, str] = {}  # parts that were finished before
        self.asked: dict[int, tuple[int, Tensor, str]] = {}  # first row, starts, their hash
        self.again: deque[int] = deque()
        self.tries: Counter[int] = Counter()
        self.said: set[str] = set()
        self.size = 1

    def run(self) -> Iterator[tuple[int, Result]]:
        """Yield the number and the answers of every shard that is searched now, as it is done."""
        if self.folder is None:
            yield from self._searched(self._size())
            return
        with self.folder.claimed():
            question = {
                "problem": fingerprint(self.problem, "the problem"),
                "settings": fingerprint(self.how.question, "the search"),
            }
            size = self.folder.begin(question, self.total, self._size())
            yield from self._searched(size)

    def unfinished(self, found: dict[int, Result]) -> dict[int, Result]:
        """Return an answer for every shard that is neither found nor known: its starts."""
        left = enumerate(pieces(self.starts, self.size))
        missing = {k: x for k, x in left if k not in found and k not in self.known}
        return {
            k: self._without(k * self.size, x, Status.INTERRUPTED, "") for k, x in missing.items()
        }

    def _searched(self, size: int) -> Iterator[tuple[int, Result]]:
        self.size = size
        shard = _Shard(self.problem, self.how)
        names = {} if self.folder is None else self.folder.names()
        waiting = enumerate(pieces(self.starts, size))

        def take() -> Task | None:
            if self.again:
                number = self.again.popleft()
                return number, self.asked[number][:2]
            for number, x in waiting:
                starts = "" if self.folder is None else digest_of(x)
                if self.folder is not None and self.folder.has(names, number, starts):
                    self.known[number] = names[number]
                    self._told(len(x))
                    continue
                self.asked[number] = number * size, x, starts
                return number, (number * size, x)
            return None

        with closing(self.workers.replies(shard.run, take)) as replies:
            for number, reply in replies:
                if (found := self._taken(number, reply)) is not None:
                    yield number, found

    def _taken(self, number: int, reply: Reply) -> Result | None:
        """Return the answers of a shard, if there are any; else it is asked once more."""
        first, x, starts = self.asked[number]
        given = reply.kind == "given"
        if isinstance(reply.value, KeyboardInterrupt) or reply.kind == _REFUSED:
            raise reply.value
        self.tries[number] += 1
        if not given and self.tries[number] < _TRIES:
            self.again.append(number)
            return None
        if given:
            found, notes = reply.value
            for note in notes:
                self._warn(note)
        else:
            who = f": shard {number}, candidates {first} to {first + len(x) - 1}: {reply.reason}"
            found = self._without(first, x, Status.SHARD_FAILED, who)
        if self.folder is not None:
            self.folder.write(number, starts, found, failed=not given)
        del self.asked[number]
        self._told(len(x))
        return found

    def _warn(self, note: str) -> None:
        if note not in self.said:
            self.said.add(note)
            warnings.warn(note, InputWarning, stacklevel=6)

    def _told(self, more: int) -> None:
        self.done += more
        if self.tell is not None:
            total = self.total or self.done + sum(len(x) for _, x, _ in self.asked.values())
            self.tell(Progress(self.done, total, time.perf_counter() - self.began))

    def _size(self) -> int:
        """Return how many candidates a shard has, unless a folder says it already."""
        if self.how.compute.shard is not None:
            return self.how.compute.shard
        one = next(pieces(self.starts, 1)) if self.total else None
        most = _MOST
        if one is not None:
            most = max(1, min(_MOST, _BYTES // max(1, one.numel() * one.element_size())))
        if self.total is None:
            return most
        return max(1, min(most, math.ceil(self.total / (_EACH * self.workers.count))))

    def _without(self, first: int, x: Tensor, status: Status, detail: str) -> Result:
        """Return an answer for candidates that were not searched: their starts."""
        x, n = x.cpu().to(self.how.compute.dtype), len(x)
        rows = self.problem.select(torch.arange(first, first + n))
        try:  # others have search variables and certificates, which one table must have alike
            with torch.no_grad():
                z = torch.zeros_like(rows.space.begin(x))
            certificate = rows.certify(x)
        except Exception:  # noqa: BLE001 - what failed on a worker may fail here
            z, certificate = x, None
        nothing = torch.full((n,), torch.nan, dtype=x.dtype)
        if certificate is not None:
            unknown = torch.full_like(certificate.violation, torch.nan)
            certificate = replace(certificate, violation=unknown)
        return Result(
            x0=x,
            x=x,
            z=z,
            loss=nothing,
            confidence=nothing.float(),
            reached=torch.zeros(n, dtype=torch.bool),
            violation=nothing,
            feasible=torch.zeros(n, dtype=torch.bool),
            status=(status,) * n,
            steps=torch.zeros(n, dtype=torch.long),
            evaluations=torch.zeros(n, dtype=torch.long),
            seed=self.how.compute.seed,
            details=(detail,) * n,
            certificate=certificate,
        )
