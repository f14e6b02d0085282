"""The one thread that writes, which nothing may end.

It takes whatever is waiting, runs it in one transaction, each piece within a savepoint of its own,
commits once for all, and only then tells those who wait. One commit to the disk serves many
votes (group commit: Gray and Reuter, "Transaction Processing", 1992), nobody meets a locked
database, and a vote that was acknowledged is on the disk.

A piece that fails takes nothing else with it. Where the database itself fails, be it at the
beginning, in a piece or at the end, nothing of that transaction is believed: everybody in it is
told, and the next transaction begins on a new connection. Whatever happens, every future is
resolved.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
)
from sqlalchemy.exc import (
    TimeoutError as NoneFreeError,
)

from xhat.core import UnreadableFileError

__all__ = ["UnavailableError", "Writer", "is_outage", "said", "unavailable"]

_OF_THE_STATEMENT = (IntegrityError, DataError, ProgrammingError)


class UnavailableError(UnreadableFileError):
    """A database cannot be opened, reached or written to at present; it may be later."""


def is_outage(error: BaseException) -> bool:
    """Return whether an error is the database's own, not that of one statement.

    A connection was lost, a lock was not given in time, the disk is full. What else was done in the
    transaction is then lost as well, or may be: SQLite takes back a whole transaction by itself
    when the disk is full. ("Response To Errors Within A Transaction", sqlite.org/lang_transaction.)

    Example:
        >>> is_outage(DBAPIError("SELECT 1", {}, Exception())), is_outage(ValueError())
        (True, False)
    """
    if isinstance(error, DBAPIError):
        return not isinstance(error, _OF_THE_STATEMENT)
    return isinstance(error, NoneFreeError)  # no connection was free in time


def unavailable(url: str, error: BaseException) -> UnavailableError:
    """Return the error that says so in one sentence."""
    found = UnavailableError(f"the database {url} cannot be used at present: {said(error)}.")
    found.__cause__ = error
    return found


def said(error: BaseException) -> str:
    """Return the first line of what a driver said first; what followed from it says less."""
    at: BaseException | None = error
    while (at := at.__context__) is not None:
        error = at if isinstance(at, DBAPIError) else error
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(told).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


T = TypeVar("T")
_Piece = tuple[Callable[[Connection], Any], "Future[Any]"]
_AT_ONCE = 256  # pieces of work in one transaction
_WAITING = 4_096  # pieces that may wait; where the database hangs, memory must not fill
_CLOSING = 10.0  # seconds that what waits is given at the end


class Writer:
    """Runs pieces of work in transactions, many in one.

    Args:
        engine: to connect by; this thread alone uses it, and lets go of it at the end.
        url: of the database, as it may be shown.
    """

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine = engine.execution_options(writes=True)
        self._url = url
        self._waiting: deque[_Piece] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, piece: Callable[[Connection], T]) -> "Future[T]":
        """Hand in ``piece``; the future is done once it is committed, or has failed.

        Whoever gives up waiting cancels it: what has not begun by then is never done.
        """
        done: Future[T] = Future()
        with self._changed:
            if self._closed or len(self._waiting) >= _WAITING:
                why = "is closed" if self._closed else "does not keep up with what is asked of it"
                done.set_exception(UnavailableError(f"the database {self._url} {why}."))
                return done
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="votes", daemon=True)
                self._thread.start()
            self._waiting.append((piece, done))
            self._changed.notify()
        return done

    def close(self) -> None:
        """Finish what is waiting, or tell those who wait that it is not; take nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSING)
        else:
            self._engine.dispose()
        with self._changed:  # the database hangs: what has not begun never will
            left = list(self._waiting)
            self._waiting.clear()
        for _, done in left:
            if done.set_running_or_notify_cancel():
                done.set_exception(UnavailableError(f"the database {self._url} is closed."))

    def _run(self) -> None:
        while batch := self._next():
            self._settle(batch)
        self._engine.dispose()

    def _next(self) -> list[_Piece]:
        """Return what waits, as soon as something does; nothing once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]

    def _settle(self, batch: list[_Piece]) -> None:
        begun: dict[Future[Any], tuple[Any, Exception | None]] = {}
        try:
            with self._engine.begin() as connection:
                for piece, done in batch:
                    if done.set_running_or_notify_cancel():  # or else whoever asked has gone
                        begun[done] = (None, None)
                        begun[done] = _tried(connection, piece)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, not this thread
            failed = unavailable(self._url, error)
            for _, done in batch:
                if done in begun or (not done.cancelled() and done.set_running_or_notify_cancel()):
                    done.set_exception(failed)
        else:
            for done, (value, error) in begun.items():
                if error is None:
                    done.set_result(value)
                else:
                    done.set_exception(error)


def _tried(connection: Connection, piece: Callable[[Connection], Any]) -> tuple[Any, Any]:
    """Return what a piece returns and None, or None and its error; an outage is raised."""
    try:
        with connection.begin_nested():
            return piece(connection), None
    except Exception as error:
        if is_outage(error) or connection.invalidated:
            raise
        return None, error
