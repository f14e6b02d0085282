"""Stores for the tests: SQLite in a file, and a real PostgreSQL where its programs exist."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.apps.label.postgres import Postgres
from xhat.apps import label as labels
from xhat.apps.label import Database, Item, Settings

PLAIN = Settings(classes=("0", "1", "2"), each=2, repeats=0.0, golds=0.0, quota=10)


def item(k: int, **options) -> Item:
    """Return an image whose pixels are those of no other ``k``."""
    pixels = np.zeros((4, 4), np.uint8)
    pixels.flat[:4] = k % 256, k // 256, 7, 9
    return Item(pixels, "made", k, **options)


def _started() -> Iterator[Postgres]:
    try:
        server = Postgres()
    except LookupError as error:
        pytest.skip(str(error))
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """Return a PostgreSQL for all tests."""
    yield from _started()


@pytest.fixture
def own_postgresql() -> Iterator[Postgres]:
    """Return a PostgreSQL of a test's own, to be stopped and started."""
    yield from _started()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """Return the address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'labels.sqlite'}"
    return request.getfixturevalue("postgresql").create()


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
