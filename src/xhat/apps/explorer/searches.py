"""Searches in worker threads, and what they tell on its way to whoever watches.

worker thread ──frame──→ Channel (bounded; frames may be left out, the end never) ──→ stream
"""

import asyncio
import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from xhat.apps.explorer.exploring import Explorer, Finding, Frame
from xhat.apps.explorer.question import Question
from xhat.core import check_count
from xhat.task import Cancelled

__all__ = ["Busy", "Channel", "Searches"]

_log = logging.getLogger("xhat.apps.web")
_WAITING = 64  # frames that may wait to be sent
_FAILED = "The search failed on the server; its log says why."
_KEPT = 200  # findings that may still be downloaded


class Busy(Exception):  # noqa: N818 - nothing went wrong
    """As many searches are running as may."""

    def __init__(self, running: int) -> None:
        super().__init__(f"{running} searches are running; try again in a few seconds.")


class Channel:
    """Events from one thread to one coroutine; the oldest frames give way where it is full."""

    def __init__(self, most: int = _WAITING) -> None:
        self._loop, self._ready = asyncio.get_running_loop(), asyncio.Event()
        self._frames: deque[tuple[str, Any]] = deque(maxlen=check_count("most", most))
        self._lasting: deque[tuple[str, Any]] = deque()
        self._closed = self.unwanted = False

    def put(self, name: str, data: Any, *, lasting: bool = False) -> None:
        """Add an event, from whatever thread; one that lasts is never left out."""
        (self._lasting if lasting else self._frames).append((name, data))
        self._wake()

    def close(self) -> None:
        """Say that nothing more will come."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop is gone, and with it whoever watched
            self.unwanted = True

    async def __aiter__(self) -> AsyncIterator[tuple[str, Any]]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            closed = self._closed  # asked first: what came before is all there by now
            while self._frames:
                yield self._frames.popleft()
            while self._lasting:
                yield self._lasting.popleft()
            if closed:
                return


@dataclass(frozen=True)
class _Job:
    """One search that runs."""

    channel: Channel
    thread: threading.Thread


class Searches:
    """All searches that run, at most so many at once, and the last findings.

    Args:
        explorer: what searches.
        most: how many at once.
    """

    def __init__(self, explorer: Explorer, most: int = 24) -> None:
        self.explorer, self.most = explorer, check_count("most", most)
        self._running: dict[int, _Job] = {}
        self._found: OrderedDict[str, Finding] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def running(self) -> int:
        """How many searches run now."""
        return len(self._running)

    def begin(self, question: Question, tell: Callable[[Frame], Any]) -> Channel:
        """Start a search, and return where its events come from.

        Events are ``frame``, of what ``tell`` makes of each; then ``found`` with a name for
        ``finding``; or ``failed`` with a sentence.

        Raises:
            Busy: too many are running.
        """
        channel = Channel()
        thread = threading.Thread(
            target=self._run, args=(question, tell, channel), daemon=True, name="xhat-search"
        )
        with self._lock:
            if len(self._running) >= self.most:
                raise Busy(len(self._running))
            self._running[id(channel)] = _Job(channel, thread)
        thread.start()
        return channel

    def finding(self, name: str) -> Finding | None:
        """Return a finding by its name; None if it is unknown or was forgotten."""
        return self._found.get(name)

    def close(self, seconds: float = 2.0) -> None:
        """End every search, and wait so long in all for them to notice."""
        jobs, until = list(self._running.values()), time.monotonic() + seconds
        for job in jobs:
            job.channel.unwanted = True
        for job in jobs:
            job.thread.join(max(0.0, until - time.monotonic()))

    def _run(self, question: Question, tell: Callable[[Frame], Any], channel: Channel) -> None:
        def show(frame: Frame) -> None:
            channel.put("frame", tell(frame), lasting=frame.last)

        try:
            found = self.explorer.explore(question, show, lambda: channel.unwanted)
            channel.put("found", self._kept(found), lasting=True)
        except Cancelled:
            pass
        except (ValueError, TypeError) as error:
            channel.put("failed", str(error), lasting=True)
        except Exception:  # noqa: BLE001 - logged; whoever watches must learn of it
            _log.exception("the search for %r failed", question)
            channel.put("failed", _FAILED, lasting=True)
        finally:
            with self._lock:
                self._running.pop(id(channel), None)
            channel.close()

    def _kept(self, found: Finding) -> str:
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._found[name] = found
            while len(self._found) > _KEPT:
                self._found.popitem(last=False)
        return name
