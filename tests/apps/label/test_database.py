import threading
from concurrent.futures import Future

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from xhat.apps import label as labels
from xhat.apps.label import Database, Settings
from xhat.apps.label.schema import about
from xhat.core import UnreadableFileError


def test_what_fails_takes_nothing_else_with_it(database):
    held, go = threading.Event(), threading.Event()

    def hold(connection):
        held.set()
        go.wait(5)

    first = database.submit(hold)
    held.wait(5)  # what is handed in now shares one transaction

    def broken(connection):
        connection.execute(insert(about).values(id=2, version=1, settings={}, created=0.0))

    good = database.submit(lambda c: labels.create(c, Settings(), 0.0))
    bad = database.submit(broken)
    raising = database.submit(lambda c: 1 / 0)
    go.set()
    first.result(5)
    good.result(5)
    with pytest.raises(IntegrityError):
        bad.result(5)
    with pytest.raises(ZeroDivisionError):
        raising.result(5)
    with database.read() as connection:
        assert len(connection.execute(select(about)).all()) == 1
        assert labels.settings_of(connection) == Settings()


def test_whoever_has_gone_is_left_out(database):
    held, go = threading.Event(), threading.Event()
    database.submit(lambda c: (held.set(), go.wait(5)))
    held.wait(5)
    gone: Future = database.submit(lambda c: labels.create(c, Settings(), 0.0))
    assert gone.cancel()
    go.set()
    assert database.write(labels.settings_of) is None


def test_closing_finishes_what_waits(url):
    database = Database(url, create=True)
    done = database.submit(lambda c: labels.create(c, Settings(each=7), 0.0))
    database.close()
    assert done.done()
    with Database(url) as again, again.read() as connection:
        found = labels.settings_of(connection)
    assert found is not None
    assert found.each == 7


def test_a_database_of_another_version_is_refused(database):
    database.write(
        lambda c: c.execute(insert(about).values(id=1, version=99, settings={}, created=0.0))
    )
    with pytest.raises(UnreadableFileError, match="version 99"), database.read() as connection:
        labels.settings_of(connection)


def test_a_second_collection_is_refused(database):
    database.write(lambda c: labels.create(c, Settings(), 0.0))
    with pytest.raises(ValueError, match="holds a collection already"):
        database.write(lambda c: labels.create(c, Settings(), 0.0))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("labels.sqlite", "address such as sqlite:///"),
        ("mysql://x/y", r"SQLite .* or PostgreSQL"),
        ("sqlite://", "in memory"),
        ("nosuch://x", r"SQLite .* or PostgreSQL"),
    ],
)
def test_addresses_that_are_none(url, said):
    with pytest.raises(ValueError, match=said):
        Database(url)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be opened"):
        Database(f"sqlite:///{tmp_path}/none/labels.sqlite")


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "labels.sqlite"
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(UnreadableFileError, match="not a database"):
        Database(f"sqlite:///{path}", create=True)
