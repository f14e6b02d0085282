"""Processes of this machine.

The supervising loop is one thread that waits for all children at once: an interrupt ends the wait,
and the loop's end kills every child.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from xhat.core import check_count, extra
from xhat.executors.base import Reply, Run, Take, Workers
from xhat.executors.children import Child, device_of, replies_of, share_of
from xhat.executors.sending import packed

__all__ = ["Processes", "cores"]

_LEAVE = 2.0  # seconds that an idle child has to end by itself


def cores() -> int:
    """Return on how many cores this process may run, as joblib counts them.

    Raises:
        MissingExtraError: joblib is not installed.
    """
    with extra("scale", "worker processes need"):
        import cloudpickle as _cloudpickle  # noqa: F401 - what is missing is said now
        from joblib import cpu_count
    return cpu_count()


@dataclass(frozen=True)
class Processes(Workers):
    """So many processes of this machine. Several GPUs are dealt out between them.

    Args:
        n: how many at once.

    Raises:
        MissingExtraError: joblib or cloudpickle is not installed.
        ValueError: fewer than one.
    """

    n: int

    def __post_init__(self) -> None:
        """Say now what is missing, and not after hours."""
        check_count("workers", self.n)
        cores()

    @property
    def count(self) -> int:
        """How many."""
        return self.n

    def replies(
        self, run: Run, take: Take, *, timeout: float | None = None
    ) -> Generator[tuple[Any, Reply], None, None]:
        """Answer questions; see ``Workers``."""
        payload, share = packed(run), share_of(cores(), self.count)
        children: dict[int, Child] = {}
        done = False
        try:
            while True:
                for slot in range(self.count):
                    if slot in children and children[slot].busy:
                        continue
                    if (task := take()) is None:
                        break
                    if slot not in children:  # it is there before an interrupt can lose it
                        children[slot] = Child(payload, share | device_of(slot))
                    key, question = task
                    children[slot].begin(key, packed(question, "a question"), timeout)
                busy = {child: slot for slot, child in children.items() if child.busy}
                if not busy:
                    break
                for child, reply in replies_of(list(busy)):
                    if not child.alive:
                        del children[busy[child]]
                    yield child.key, reply
            done = True
        finally:
            for child in children.values():
                child.connection.close()  # an idle one ends by itself
            for child in children.values():
                child.kill(grace=_LEAVE if done else 0.0)
