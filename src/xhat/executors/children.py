"""Children: processes that answer questions, and can be killed while they do.

A function that hangs in C code holds the interpreter, so nothing inside its own process can stop
it; a function that crashes takes its process along. Both happen with simulators, and a process that
has lost its GPU is of no more use either. So each child is a process of its own (a fresh
interpreter, which imports nothing of the caller's main module), gets one question at a time, and is
killed with all that it started when it takes too long.
"""

import math
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from xhat.executors.base import BROKEN, FAILED, Reply

__all__ = ["Child", "device_of", "replies_of", "share_of"]

_BOOT = 120.0  # seconds until a child must have begun: imports are slow on a busy machine
_LOOK = 1.0  # seconds after which children are looked after, in case a death gave no sign
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_GPUS = "CUDA_VISIBLE_DEVICES"
_RUN = "import runpy, sys; runpy.run_path(sys.argv[2], run_name='__main__')  # xhat-worker"
_SERVING = str(Path(__file__).with_name("serving.py"))


class Child:
    """One process, and the question that it is at.

    Args:
        payload: the function, as ``packed`` made it.
        environment: variables that it gets besides ours.
    """

    def __init__(self, payload: bytes, environment: Mapping[str, str]) -> None:
        near, far = Pipe()
        self.connection: Connection = near  # pyright: ignore[reportAttributeAccessIssue] - or alike
        handle = far.fileno()
        self.process: subprocess.Popen[Any] = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", _RUN, str(handle), _SERVING],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a terminal's interrupt goes to the caller, who kills it all
            **_handing_over(handle),
        )
        far.close()
        self.alive, self.ready, self.busy = True, False, False
        self.key: Any = None
        self.question = b""
        self.deadline, self.began = math.inf, time.monotonic()
        self.timeout: float | None = None
        with suppress(OSError):  # if it died, its end is what is heard next
            near.send_bytes(pickle.dumps((sys.path, payload)))

    def begin(self, key: Any, question: bytes, timeout: float | None) -> None:
        """Hand over a question, as ``packed`` made it; its time counts from when we are ready."""
        self.key, self.question = key, question
        self.busy, self.timeout = True, timeout
        if self.ready:
            self._send()
        else:
            self.deadline = time.monotonic() + _BOOT

    def reply(self, *, heard: bool) -> Reply | None:
        """Return what became of the question, if that is known."""
        if heard:
            try:
                message = self.connection.recv_bytes()
            except (EOFError, OSError):
                return self._dead()
            return self._read(message) if self.ready else self._begun(pickle.loads(message))  # noqa: S301
        if self.process.poll() is not None:
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
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(grace)
        _kill_group(self.process)
        self.process.wait()

    def _read(self, message: bytes) -> Reply:
        self.busy = False
        try:
            reply = Reply(*pickle.loads(message))  # noqa: S301 - from the process that we started
        except Exception as error:  # noqa: BLE001 - of any kind: pickle calls the code of others
            seconds = time.monotonic() - self.began
            return Reply(FAILED, None, f"its answer cannot be read: {error}", seconds)
        if reply.kind == BROKEN:
            self.kill()
        return reply

    def _begun(self, trouble: str | None) -> None:
        if trouble is not None:
            self.kill()
            raise ValueError(
                f"what is to be run cannot be made in a worker process: {trouble}; define it in a "
                f"module that can be imported there, or leave out workers= and timeout=."
            )
        self.ready = True
        self._send()

    def _send(self) -> None:
        """Send the question, which cannot block: the child waits for it."""
        with suppress(OSError):  # if it died while it was idle, its end is what is heard next
            self.connection.send_bytes(self.question)
        self.began = time.monotonic()
        self.deadline = math.inf if self.timeout is None else self.began + self.timeout

    def _dead(self) -> Reply:
        seconds = time.monotonic() - self.began
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_LOOK)
        code = self.process.returncode
        self.kill()
        if not self.ready:
            raise ValueError(f"a worker process ended before it began (exit code {code}).")
        how = f"with exit code {code}"
        if code is None or code < 0:
            how = "by a signal" if code is None else f"by {signal.Signals(-code).name}"
        return Reply(FAILED, None, f"its process ended {how}", seconds)


def replies_of(busy: list[Child]) -> list[tuple[Child, Reply]]:
    """Wait until some child has an answer, is dead, or took too long; at most a second."""
    nearest = min(child.deadline for child in busy) - time.monotonic()
    heard = wait([child.connection for child in busy], min(max(nearest, 0.0), _LOOK))
    found = [(child, child.reply(heard=child.connection in heard)) for child in busy]
    return [(child, reply) for child, reply in found if reply is not None]


def share_of(cores: int, children: int) -> dict[str, str]:
    """Share the cores between children; what the user has set stays."""
    each = os.environ.get(_THREADS[0], str(max(1, cores // children)))  # said for one is for all
    return {name: os.environ.get(name, each) for name in _THREADS}


def device_of(slot: int) -> dict[str, str]:
    """Give a child one of the GPUs that this process may use, so that ``"cuda"`` is that one."""
    told = os.environ.get(_GPUS)
    if told is None:
        import torch

        gpus = [str(number) for number in range(torch.cuda.device_count())]
    else:
        gpus = [name.strip() for name in told.split(",") if name.strip()]
    return {_GPUS: gpus[slot % len(gpus)]} if len(gpus) > 1 else {}


def _handing_over(handle: int) -> dict[str, Any]:
    """Return how a process inherits one end of a pipe."""
    if sys.platform != "win32":
        return {"pass_fds": (handle,)}
    os.set_handle_inheritable(handle, True)
    return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})}


def _kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill a child and its children, which are in a session of their own."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
