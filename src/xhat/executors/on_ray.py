"""The workers of a Ray cluster, by Ray's own actors.

One actor for each task at once; it keeps a child. An actor that dies is made anew, and its question
asked again; after the third death the question has failed. Where the cluster has GPUs, each actor
has one of them.

Source: Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications", OSDI 2018.
"""

import hashlib
import logging
import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from xhat.core import check_count, extra
from xhat.executors.addresses import listens
from xhat.executors.base import FAILED, Reply, Run, Take, Workers
from xhat.executors.hosting import Host, unlike
from xhat.executors.sending import packed

__all__ = ["Ray"]

_DEATHS = 3  # of its workers that a question survives


@dataclass(frozen=True)
class Ray(Workers):
    """The workers of a Ray cluster.

    Args:
        address: of the cluster, such as ``"auto"``, ``"10.0.0.1:6379"`` or ``"ray://…"``; None for
            the one that this process is connected to, or else one of this machine, made for the
            time of the work.
        n: how many tasks at once, at most; None for one on each of the cluster's cores, or of its
            GPUs where it has some.

    Raises:
        MissingExtraError: ray is not installed.
    """

    address: str | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        """Say now what is missing, and not after hours."""
        with extra("ray", "a Ray cluster needs"):
            import ray as _ray  # noqa: F401  # pyright: ignore[reportMissingImports]
        if self.n is not None:
            check_count("workers", self.n)

    @property
    def count(self) -> int:
        """How many tasks are done at once."""
        if self.address is None and self.n is not None:
            return self.n
        with self._connected() as ray:
            return self._actors(ray)[0]

    def replies(
        self, run: Run, take: Take, *, timeout: float | None = None
    ) -> Generator[tuple[Any, Reply], None, None]:
        """Answer questions; see ``Workers``."""
        from xhat.executors.children import share_of

        payload = packed(run)
        with self._connected() as ray:
            count, gpus = self._actors(ray)
            made = ray.remote(num_cpus=1, num_gpus=gpus)(Host)
            sent, name = ray.put(payload), hashlib.sha256(payload).hexdigest()
            idle: list[Any] = []
            running: dict[Any, tuple[Any, Any, bytes]] = {}
            deaths: Counter[Any] = Counter()
            hosts = 0
            try:
                while True:
                    while len(running) < count and (task := take()) is not None:
                        if not idle:
                            hosts += 1
                            idle.append(made.remote(name, sent, share_of(1, 1)))
                            _check(ray, idle[-1], first=hosts == 1)
                        host, question = idle.pop(), packed(task[1], "a question")
                        running[host.answer.remote(question, timeout)] = host, task[0], question
                    if not running:
                        break
                    done, _ = ray.wait(list(running), num_returns=1)
                    host, key, question = running.pop(done[0])
                    try:
                        reply = Reply(*ray.get(done[0]))
                    except ray.exceptions.RayActorError as error:
                        deaths[key] += 1
                        host = made.remote(name, sent, share_of(1, 1))
                        if deaths[key] < _DEATHS:
                            running[host.answer.remote(question, timeout)] = host, key, question
                            continue
                        reply = Reply(FAILED, None, f"its worker died: {_first(error)}", 0.0)
                    except ray.exceptions.RayTaskError as error:
                        raise _told(error) from error
                    idle.append(host)
                    yield key, reply
            finally:
                with suppress(Exception):  # of a cluster that has gone
                    for host in (*idle, *(host for host, _, _ in running.values())):
                        ray.kill(host)

    def _actors(self, ray: Any) -> tuple[int, float]:
        """Return how many actors there are, and how much of a GPU each has."""
        there = ray.cluster_resources()
        gpus, cpus = int(there.get("GPU", 0)), max(1, int(there.get("CPU", 1)))
        most = gpus or cpus
        count = min(most if self.n is None else self.n, cpus)
        return count, min(1.0, gpus / count)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        import ray  # pyright: ignore[reportMissingImports]

        if ray.is_initialized():  # Ray knows one cluster a process
            yield ray
            return
        how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address is None:
            how |= {"include_dashboard": False, "num_cpus": self.n}
        try:
            if self.address not in (None, "auto", "local") and not listens(str(self.address)):
                raise ConnectionRefusedError("nobody listens there")
            with warnings.catch_warnings():  # of what future versions will do
                warnings.simplefilter("ignore")
                ray.init(self.address, **how)
        except (OSError, ValueError, RuntimeError) as error:
            raise ConnectionError(
                f"no Ray cluster answers at {self.address!r} ({_first(error)}); begin one (ray "
                f"start --head), or correct the address."
            ) from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _check(ray: Any, host: Any, *, first: bool) -> None:
    """Raise ``ConnectionError`` where workers are of another version; the first one tells."""
    if not first:
        return
    try:
        found = ray.get(host.facts.remote())
    except ray.exceptions.RayError as error:
        raise ConnectionError(
            f"a Ray worker cannot say which xhat it has ({_first(error)}); install the same "
            f"version of xhat for all workers."
        ) from error
    if differ := unlike(found):
        raise ConnectionError(f"a Ray worker has {differ}; install the same for all workers.")


def _told(error: Any) -> Exception:
    """Return what was raised on a worker: a sentence of ours, where the function cannot be made."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, ValueError) else RuntimeError(_first(error))


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
