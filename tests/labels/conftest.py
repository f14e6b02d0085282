"""Stores for the tests: SQLite in a file, and a real PostgreSQL where its programs exist."""

import getpass
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from xhat import labels
from xhat.labels import Database, Item, Settings

PLAIN = Settings(classes=("0", "1", "2"), each=2, repeats=0.0, golds=0.0, quota=10)


def item(k: int, **options) -> Item:
    """Return an image whose pixels are those of no other ``k``."""
    pixels = np.zeros((4, 4), np.uint8)
    pixels.flat[:4] = k % 256, k // 256, 7, 9
    return Item(pixels, "made", k, **options)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory) -> Iterator[str]:
    """Start a PostgreSQL of our own, in a folder of its own; yield its address."""
    programs = shutil.which("initdb") or next(
        iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None
    )
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    binaries = Path(programs).resolve().parent
    # the path of a Unix socket may have 107 bytes only, so not pytest's own folder
    folder = Path("/tmp") / f"xhat-pg-{os.getpid()}"  # noqa: S108
    folder.mkdir(mode=0o700)
    owner = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        if shutil.which("runuser") is None or not _exists("postgres"):
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        shutil.chown(folder, "postgres")
        owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **owner}
    name = "postgres" if owner else getpass.getuser()
    try:
        subprocess.run(  # noqa: S603 - our own arguments
            [binaries / "initdb", "-D", folder / "data", "-A", "trust", "-U", name, "--no-sync"],
            check=True,
            **quiet,
        )
        command = [binaries / "postgres", "-D", folder / "data", "-k", folder, "-h", ""]
        server = subprocess.Popen([*command, "-c", "fsync=off"], **quiet)  # noqa: S603
        try:
            url = f"postgresql://{name}@/postgres?host={folder}"
            _wait_for(url, server)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # SIGTERM would wait for whoever is still connected
            server.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """Return the address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'labels.sqlite'}"
    from sqlalchemy import create_engine, text

    server = request.getfixturevalue("postgresql")
    name = f"labels_{os.getpid()}_{next(_numbers)}"
    engine = create_engine(server.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def database(url) -> Iterator[Database]:
    """Return a database without a collection."""
    with Database(url, create=True) as found:
        yield found


@pytest.fixture
def filled(database) -> Database:
    """Return a database with a plain collection of 12 images, and three people."""

    def fill(connection) -> None:
        labels.create(connection, PLAIN, 0.0)
        labels.add_images(connection, [item(k, label=k % 3) for k in range(12)], PLAIN.each)
        labels.invite(connection, 3, 0.0)

    database.write(fill)
    return database


@pytest.fixture
def never() -> Callable[[], float]:
    """Return a draw that never calls for a repeat or a gold image."""
    return lambda: 0.999


def _exists(user: str) -> bool:
    import pwd

    return any(entry.pw_name == user for entry in pwd.getpwall())


def _wait_for(url: str, server: subprocess.Popen, seconds: float = 60.0) -> None:
    import psycopg

    until = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < until:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:  # not there yet, or still starting up
            time.sleep(0.05)
        else:
            return
    pytest.fail("PostgreSQL did not start")
