"""What a worker of a cluster does: it keeps children, and asks them.

Everything here runs on the cluster's machines; so the same version of this package is needed there.
"""

import os
import platform
import socket
import threading
from importlib.metadata import version
from typing import Any

import torch

from xhat.executors.base import Reply
from xhat.executors.children import Child, device_of, replies_of

__all__ = ["Host", "answer", "dismiss", "facts", "unlike"]

_IDLE: dict[str, list[Child]] = {}
_BUSY: dict[str, list[Child]] = {}
_LOCK = threading.Lock()


def facts() -> dict[str, Any]:
    """Return what is to be known of a worker: versions, its machine, and its cores."""
    several = hasattr(os, "sched_getaffinity")
    return {
        "xhat": version("xhat"),
        "torch": torch.__version__.partition("+")[0],
        "python": ".".join(platform.python_version_tuple()[:2]),
        "host": socket.gethostname(),
        "cores": len(os.sched_getaffinity(0)) if several else os.cpu_count() or 1,
    }


def unlike(found: dict[str, Any]) -> str:
    """Return how a worker's versions differ from ours; nothing where they do not."""
    ours = facts()
    differ = [name for name in ("xhat", "torch", "python") if found[name] != ours[name]]
    return ", ".join(f"{name} {found[name]} and not {ours[name]}" for name in differ)


def answer(
    name: str,
    payload: bytes,
    question: bytes,
    timeout: float | None,
    share: dict[str, str],
    slot: int,
) -> tuple[str, Any, str, float]:
    """Return what a child of this process replies; it is kept for the next question.

    Args:
        name: of the payload.
        payload: the function.
        question: of it, as ``packed`` made it.
        timeout: seconds, or None.
        share: the environment of a child: its threads.
        slot: this worker's first place among those of its machine.

    Raises:
        ValueError: the function cannot be made here.
    """
    with _LOCK:
        idle = _IDLE.get(name, [])
        child = idle.pop() if idle else None
        if child is not None and child.process.poll() is not None:
            child = None  # it ended while it was idle
        busy = _BUSY.setdefault(name, [])
        child = child or Child(payload, share | device_of(slot + len(busy)))
        busy.append(child)
    try:
        child.begin(None, question, timeout)
        found: list[tuple[Child, Reply]] = []
        while not found:
            found = replies_of([child])
    except OSError:  # ``dismiss`` has killed it
        return "failed", None, "it was no longer wanted", 0.0
    finally:
        with _LOCK:
            busy.remove(child)
            if child.alive and not child.busy:
                _IDLE.setdefault(name, []).append(child)
    reply = found[0][1]
    return reply.kind, reply.value, reply.reason, reply.seconds


def dismiss(name: str) -> None:
    """Kill the children of this process that were made for a function."""
    with _LOCK:
        children = _IDLE.pop(name, []) + _BUSY.get(name, [])
    for child in children:
        child.kill()


class Host:
    """A worker of Ray that keeps one child."""

    def __init__(self, name: str, payload: bytes, share: dict[str, str]) -> None:
        self.name, self.payload, self.share = name, payload, share

    def facts(self) -> dict[str, Any]:
        """Return what is to be known of this worker."""
        return facts()

    def answer(self, question: bytes, timeout: float | None) -> tuple[str, Any, str, float]:
        """Return what the child replies."""
        return answer(self.name, self.payload, question, timeout, self.share, 0)
