"""The database behind the votes: SQLite in a file by default, PostgreSQL by its address.

Many people answer at once, yet SQLite has one writer. So all that writes is handed to one thread
(``Writer``), which commits for many at once. Nothing waits for a database without end: a lock and
a connection are given up after ``wait`` seconds, and a lost connection is noticed.

What SQLite writes can be read and written by the user alone who runs it.
"""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from xhat.apps.label.schema import metadata
from xhat.apps.label.writer import UnavailableError, Writer, is_outage, said, unavailable
from xhat.core import check_positive

__all__ = ["Database"]

T = TypeVar("T")
_PRAGMAS = (
    "journal_mode=WAL",  # readers and the writer do not wait for each other
    "synchronous=FULL",  # a commit is on the disk, also when the power fails
    "foreign_keys=ON",
)
_ALIVE = {  # of libpq: a server that went away without a word is noticed within half a minute
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class Database:
    """Connections to read by, and the one thread that writes.

    Args:
        url: such as ``sqlite:///labels.sqlite`` or ``postgresql+psycopg://user@host/name``.
        create: whether to make the tables where there are none.
        wait: seconds after which a connection or a lock is given up; others may write meanwhile.

    Raises:
        ValueError: the address cannot be understood, or its driver is not installed.
        UnavailableError: the database cannot be opened.
    """

    def __init__(self, url: str, *, create: bool = False, wait: float = 5.0) -> None:
        check_positive("wait", wait)
        self.engine = _engine(url, wait)
        self.url = self.engine.url.render_as_string(hide_password=True)
        self._writer = Writer(_engine(url, wait, pool_size=1, max_overflow=0), self.url)
        try:
            _keep_private(self.engine.url)
            if create:
                metadata.create_all(self.engine)
            with self.engine.connect():
                pass
        except SQLAlchemyError as error:
            self.engine.dispose()
            raise UnavailableError(
                f"the database {self.url} cannot be opened: {said(error)}."
            ) from error

    def write(self, piece: Callable[[Connection], T]) -> T:
        """Run ``piece`` in a transaction, and return what it returns once that is on the disk.

        Raises:
            UnavailableError: the database cannot be written to at present.
        """
        return self.submit(piece).result()

    def submit(self, piece: Callable[[Connection], T]) -> "Future[T]":
        """Hand ``piece`` to the writer; the future is done once it is committed, or has failed."""
        return self._writer.submit(piece)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection to read from, which sees one state of the database.

        Raises:
            UnavailableError: the database cannot be read at present.
        """
        try:
            with self.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            if is_outage(error):
                raise unavailable(self.url, error) from error
            raise

    def close(self) -> None:
        """Finish what is waiting, and let go of the database."""
        self._writer.close()
        self.engine.dispose()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _engine(url: str, wait: float, **pool: int) -> Engine:
    try:
        parsed = _parsed(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        engine = create_engine(
            parsed,
            pool_pre_ping=not sqlite,
            pool_timeout=wait,
            connect_args={} if sqlite else _bounds(parsed, wait),
            **pool,
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise ValueError(
            f"the database must be an address such as sqlite:///labels.sqlite, but is {url!r}."
        ) from error
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{error.name} is needed for this database; install it: pip install 'xhat[postgresql]'."
        ) from error
    milliseconds = math.ceil(1000 * wait)
    if sqlite:
        event.listen(engine, "connect", lambda new, _: _set_pragmas(new, milliseconds))
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "connect", lambda new, _: _set_lock_timeout(new, milliseconds))
    return engine


def _parsed(url: str) -> URL:
    parsed = make_url(url)
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError(
            f"the database must be SQLite (sqlite:///labels.sqlite) or PostgreSQL "
            f"(postgresql+psycopg://user@host/name), but is {parsed.get_backend_name()}."
        )
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError(
            "a database in memory would lose every vote; name a file: sqlite:///labels.sqlite."
        )
    return parsed


def _bounds(url: URL, wait: float) -> dict[str, Any]:
    """Return how long libpq waits, where the address does not say so itself."""
    if not url.get_driver_name().startswith("psycopg"):
        return {}
    told = _ALIVE | {"connect_timeout": math.ceil(wait)}
    return {name: value for name, value in told.items() if name not in url.query}


def _set_pragmas(connection: Any, milliseconds: int) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    for pragma in (*_PRAGMAS, f"busy_timeout={milliseconds}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _set_lock_timeout(connection: Any, milliseconds: int) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = {milliseconds}")
    cursor.close()
    connection.commit()  # or else the end of this transaction would take it back


def _begin(connection: Connection) -> None:
    # whoever means to write says so at once: what began as a reader may not become a writer later
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _keep_private(url: URL) -> None:
    """Let a file of SQLite's be read by its owner alone, from its very beginning.

    Its journals, ``-wal`` and ``-shm``, are made with the permissions of the file.
    """
    if url.get_backend_name() != "sqlite" or url.database is None or "uri" in url.query:
        return
    with suppress(OSError):  # SQLite says better what is wrong
        os.close(os.open(url.database, os.O_CREAT | os.O_RDWR, 0o600))
    for ending in ("", "-wal", "-shm"):
        with suppress(OSError):  # there is none, or it is somebody else's
            Path(url.database + ending).chmod(0o600)
