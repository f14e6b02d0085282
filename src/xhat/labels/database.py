"""The database behind the votes: SQLite in a file by default, PostgreSQL by its address.

Many people answer at once, yet SQLite has one writer. So all that writes is handed to one thread,
which takes whatever is waiting, runs it in one transaction, each piece within a savepoint of its
own, commits once for all, and only then tells those who wait. One commit to the disk serves many
votes (group commit: Gray and Reuter, "Transaction Processing", 1992), nobody meets a locked
database, and a vote that was acknowledged is on the disk.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from xhat.core import UnreadableFileError
from xhat.labels.schema import metadata

__all__ = ["Database"]

T = TypeVar("T")
_AT_ONCE = 256  # pieces of work in one transaction
_PRAGMAS = (
    "journal_mode=WAL",  # readers and the writer do not wait for each other
    "synchronous=FULL",  # a commit is on the disk, also when the power fails
    "foreign_keys=ON",
    "busy_timeout=10000",  # milliseconds; a command may write while the server runs
)


class Database:
    """An engine, and the one thread that writes through it.

    Args:
        url: such as ``sqlite:///labels.sqlite`` or ``postgresql+psycopg://user@host/name``.
        create: whether to make the tables where there are none.

    Raises:
        ValueError: the address cannot be understood, or its driver is not installed.
        UnreadableFileError: the database cannot be opened.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        self.engine = _engine(url)
        self.url = self.engine.url.render_as_string(hide_password=True)
        self._writing = self.engine.execution_options(writes=True)
        try:
            if create:
                metadata.create_all(self.engine)
            with self.engine.connect():
                pass
        except DBAPIError as error:
            self.engine.dispose()
            raise UnreadableFileError(
                f"the database {self.url} cannot be opened: {_said(error)}."
            ) from error
        self._work: queue.Queue[tuple[Callable[[Connection], Any], Future[Any]] | None]
        self._work = queue.Queue()
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()

    def write(self, piece: Callable[[Connection], T]) -> T:
        """Run ``piece`` in a transaction, and return what it returns once that is on the disk."""
        return self.submit(piece).result()

    def submit(self, piece: Callable[[Connection], T]) -> "Future[T]":
        """Hand ``piece`` to the writer; the future is done once it is committed, or has failed."""
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="votes", daemon=True)
                self._writer.start()
        done: Future[T] = Future()
        self._work.put((piece, done))
        return done

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection to read from, which sees one state of the database."""
        with self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Finish what is waiting, and let go of the database."""
        if self._writer is not None:
            self._work.put(None)
            self._writer.join()
            self._writer = None
        self.engine.dispose()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        while (first := self._work.get()) is not None:
            waiting, more = [first], True
            while more and len(waiting) < _AT_ONCE:
                try:
                    entry = self._work.get_nowait()
                except queue.Empty:
                    break
                more = entry is not None
                if entry is not None:
                    waiting.append(entry)
            self._commit(waiting)
            if not more:
                return

    def _commit(self, waiting: list[tuple[Callable[[Connection], Any], Future[Any]]]) -> None:
        finished: list[tuple[Future[Any], Any]] = []
        try:
            with self._writing.begin() as connection:
                for piece, done in waiting:
                    if not done.set_running_or_notify_cancel():
                        continue  # whoever asked has gone before it was begun
                    try:
                        with connection.begin_nested():
                            finished.append((done, piece(connection)))
                    except Exception as error:  # noqa: BLE001 - whoever waits is told, not this thread
                        done.set_exception(error)
        except DBAPIError as error:  # nothing of it is on the disk: nobody may believe it is
            for done, _ in finished:
                done.set_exception(error)
        else:
            for done, value in finished:
                done.set_result(value)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ValueError(
                f"the database must be SQLite (sqlite:///labels.sqlite) or PostgreSQL "
                f"(postgresql+psycopg://user@host/name), but is {parsed.get_backend_name()}."
            )
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite" and not parsed.database:
            raise ValueError(
                "a database in memory would lose every vote; name a file: sqlite:///labels.sqlite."
            )
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError) as error:
        raise ValueError(
            f"the database must be an address such as sqlite:///labels.sqlite, but is {url!r}."
        ) from error
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is needed for this database; install it: pip install 'xhat[postgresql]'."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # whoever means to write says so at once: what began as a reader may not become a writer later
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _said(error: DBAPIError) -> str:
    first = str(error.orig if error.orig is not None else error).strip().splitlines()
    return first[0].rstrip(".") if first else type(error).__name__
