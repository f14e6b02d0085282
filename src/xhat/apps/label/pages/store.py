"""The database as a request meets it: it answers in time, or the request is told to come back.

A database may be away, locked, full, or stand still. No request waits for it longer than a few
seconds; it is then told to be sent again, which the page does by itself. Whether a vote that was
given up so was recorded is not known to the page, and need not be: sent again it counts once.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from fastapi import HTTPException
from sqlalchemy import Connection

from xhat.apps.label import Database, UnavailableError, touch

__all__ = ["Store"]

T = TypeVar("T")
_READERS = 4  # at once; a database that hangs must not use up all threads
_AWAY = (
    "The database does not answer at present; try again in a few seconds. "
    "What is sent twice as an answer to an image counts once."
)
_LATER = {"Retry-After": "2"}
_log = logging.getLogger("xhat.apps.web")


class Store:
    """A database that is asked by requests.

    Args:
        database: of the votes.
        seconds: that a request waits for it.
    """

    def __init__(self, database: Database, seconds: float) -> None:
        self._database, self._seconds = database, seconds
        self._readers = threading.BoundedSemaphore(_READERS)
        self._away = False

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` returns, once what it wrote is on the disk.

        Raises:
            HTTPException: 503 where the database does not answer in time.
        """
        return await self._answer(self._database.submit(work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` returns, beside those who write.

        Raises:
            HTTPException: 503 where the database does not answer in time.
        """
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()
        if self._readers.acquire(blocking=False):
            # no thread of a pool: those are waited for at the end, however long they hang
            threading.Thread(target=self._look, args=(work, done), daemon=True).start()
        else:
            done.set_exception(UnavailableError("as many read the database as may."))
        return await self._answer(done)

    async def check(self) -> None:
        """Find out whether votes can be recorded.

        Raises:
            HTTPException: 503 where they cannot.
        """
        await self.write(touch)

    def _look(self, work: Callable[[Connection], T], done: "Future[T]") -> None:
        try:
            with self._database.read() as connection:
                found = work(connection)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            done.set_exception(error)
        else:
            done.set_result(found)
        finally:
            self._readers.release()

    async def _answer(self, done: "Future[T]") -> T:
        try:
            async with asyncio.timeout(self._seconds):
                found = await asyncio.wrap_future(done)
        except (TimeoutError, UnavailableError) as error:
            self._note(away=True, why=str(error) or f"no answer within {self._seconds:g} s")
            raise HTTPException(503, _AWAY, _LATER) from error
        self._note(away=False)
        return found

    def _note(self, *, away: bool, why: str = "") -> None:
        """Say in the log when it goes away and when it is back, not at every request."""
        if away and not self._away:
            _log.warning("the database does not answer: %s", why)
        if self._away and not away:
            _log.warning("the database answers again")
        self._away = away
