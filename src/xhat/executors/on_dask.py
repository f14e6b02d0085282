"""The workers of a Dask cluster, by Dask's own client.

The function is sent once, as a task whose result the workers pass on among themselves; the
scheduler makes it again when the worker that had it dies. A question whose worker dies is asked of
another.

Source: Rocklin, "Dask: Parallel Computation with Blocked Algorithms and Task Scheduling", SciPy
2015.
"""

import hashlib
import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from xhat.core import check_count, extra
from xhat.executors.addresses import listens
from xhat.executors.base import FAILED, Reply, Run, Take, Workers
from xhat.executors.hosting import answer, dismiss, facts, unlike
from xhat.executors.sending import packed

__all__ = ["Dask"]

_CONNECT = 10.0  # seconds for a scheduler to answer
_LOOK = 5.0  # seconds after which the cluster is looked after
_ALONE = 60.0  # seconds for which there may be no worker at all
_LEAVE = 5.0  # seconds for workers to end their children


@dataclass(frozen=True)
class Dask(Workers):
    """The workers of a Dask cluster; each of their threads is one of ours.

    Args:
        address: of the scheduler, such as ``"tcp://10.0.0.1:8786"``; a ``distributed.Client`` that
            is connected already; or None for a cluster of this machine, made for the time of the
            work.
        n: how many tasks at once, at most; None for all that there are.

    Raises:
        MissingExtraError: dask and distributed are not installed.
    """

    address: Any = None
    n: int | None = None

    def __post_init__(self) -> None:
        """Say now what is missing, and not after hours."""
        with extra("dask", "a Dask cluster needs"):
            import distributed as _distributed  # noqa: F401
        if self.n is not None:
            check_count("workers", self.n)

    @property
    def count(self) -> int:
        """How many tasks are done at once."""
        if self.address is None:
            return self._here
        with self._client() as client:
            return self._at_once(client)

    def replies(
        self, run: Run, take: Take, *, timeout: float | None = None
    ) -> Generator[tuple[Any, Reply], None, None]:
        """Answer questions; see ``Workers``."""
        payload = packed(run)
        name = hashlib.sha256(payload).hexdigest()
        with self._client() as client:
            share, slots = _looked_at(client)
            running: dict[Any, Any] = {}
            done = False
            try:
                sent = _submitted(client, _kept, payload, key=f"xhat-{name}")
                while True:
                    while len(running) < self._room(client):
                        if (task := take()) is None:
                            break
                        question = packed(task[1], "a question")
                        asked = name, sent, question, timeout, share, slots
                        running[_submitted(client, _answer, *asked)] = task[0]
                    if not running:
                        break
                    for future in _finished(client, running):
                        yield running.pop(future), _reply(future)
                done = True
            finally:
                with suppress(Exception):  # of a cluster that has gone
                    if not done:
                        client.cancel(list(running), force=True)
                    client.run(dismiss, name, on_error="ignore")

    @property
    def _here(self) -> int:
        from dask.system import CPU_COUNT

        return self.n or CPU_COUNT

    def _room(self, client: Any) -> int:
        """Return how many tasks may be there; some wait, unless not all workers are ours."""
        return self._at_once(client) * (2 if self.n is None else 1)

    def _at_once(self, client: Any) -> int:
        there = sum(each["nthreads"] for each in _workers(client).values())
        return max(1, there if self.n is None else min(there, self.n))

    @contextmanager
    def _client(self) -> Iterator[Any]:
        from distributed import Client, LocalCluster

        if hasattr(self.address, "scheduler_info"):  # a client of the user's own
            yield self.address
        elif self.address is None:
            with (
                LocalCluster(
                    n_workers=self._here,
                    threads_per_worker=1,
                    processes=False,  # children are processes of their own
                    dashboard_address=None,  # pyright: ignore[reportArgumentType] - none
                ) as cluster,
                Client(cluster, set_as_default=False) as client,
            ):
                yield client
        else:
            address = str(self.address)
            if not (address.startswith("inproc://") or listens(address)):
                raise ConnectionError(
                    f"no Dask scheduler answers at {address!r}; begin one (dask scheduler, and "
                    f"dask worker on each machine), or correct the address, such as "
                    f"tcp://10.0.0.1:8786."
                )
            with Client(address, timeout=_CONNECT, set_as_default=False) as client:
                yield client


def _workers(client: Any) -> dict[str, Any]:
    return client.scheduler_info(n_workers=-1)["workers"]


def _looked_at(client: Any) -> tuple[dict[str, str], dict[str, int]]:
    """Return the threads of a child, and each worker's first place on its machine.

    Raises:
        ConnectionError: there is no worker, or one is of another version.
    """
    from xhat.executors.children import share_of

    if not (known := _workers(client)):
        raise ConnectionError(
            "the Dask cluster has no workers; begin some: dask worker, and the scheduler's address."
        )
    try:
        found = client.run(facts)
    except Exception as error:
        raise ConnectionError(
            f"a Dask worker cannot say which xhat it has ({type(error).__name__}: {error}); "
            f"install the same version of xhat for all workers."
        ) from error
    for address, about in found.items():
        if differ := unlike(about):
            raise ConnectionError(
                f"the Dask worker {address} has {differ}; install the same for all workers."
            )
    slots, at_once = dict[str, int](), Counter[str]()
    for address, about in sorted(found.items()):
        slots[address] = at_once[about["host"]]
        at_once[about["host"]] += known[address]["nthreads"] if address in known else 1
    least = min(about["cores"] / at_once[about["host"]] for about in found.values())
    return share_of(max(1, int(least)), 1), slots


def _submitted(client: Any, *words: Any, **more: Any) -> Any:
    with warnings.catch_warnings():  # of a large graph: questions do hold the starts
        warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
        return client.submit(*words, pure=False, **more)


def _finished(client: Any, running: dict[Any, Any]) -> list[Any]:
    """Return what is done; wait for it as long as there is a cluster.

    Raises:
        ConnectionError: there is none.
    """
    from distributed import wait

    alone = 0.0
    while True:
        with suppress(TimeoutError), client.as_current():
            wait(list(running), timeout=_LOOK, return_when="FIRST_COMPLETED")
        if client.status not in ("running", "connecting"):
            raise ConnectionError("the Dask scheduler has gone; what is finished is kept.")
        if found := [future for future in running if future.status != "pending"]:
            return found
        alone = 0.0 if _workers(client) else alone + _LOOK
        if alone >= _ALONE:
            raise ConnectionError(
                f"the Dask cluster has had no workers for {_ALONE:g} s; what is finished is kept."
            )


def _reply(future: Any) -> Reply:
    if future.status == "finished":
        return Reply(*future.result())
    if future.status in ("cancelled", "lost"):
        raise ConnectionError("the Dask scheduler has gone; what is finished is kept.")
    error = future.exception()
    if isinstance(error, ValueError):  # of ours: the function cannot be made there
        raise error
    return Reply(FAILED, None, f"{type(error).__name__}: {error}", 0.0)


def _kept(payload: bytes) -> bytes:
    return payload


def _answer(
    name: str,
    payload: bytes,
    question: bytes,
    timeout: float | None,
    share: dict[str, str],
    slots: dict[str, int],
) -> tuple[str, Any, str, float]:
    from distributed import get_worker

    return answer(name, payload, question, timeout, share, slots.get(get_worker().address, 0))
