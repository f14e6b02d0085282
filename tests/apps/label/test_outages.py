"""Whatever becomes of the database, everybody is told, and nobody is told what is not so."""

import random
import signal
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select

from tests.apps.label.conftest import PLAIN
from tests.apps.label.locks import locked
from xhat.apps import label as labels
from xhat.apps.label import Database, UnavailableError
from xhat.apps.label.schema import annotators, sessions

LONG = 60  # seconds that only bound a hang


def inviting(name):
    return lambda connection: labels.invite(connection, 1, 0.0, names=[name])


def names(database):
    with database.read() as connection:
        return set(connection.execute(select(annotators.c.name)).scalars())


def together(database, *pieces):
    """Hand in pieces that share one transaction; return their futures once all are resolved."""
    held, go = threading.Event(), threading.Event()
    database.submit(lambda _: (held.set(), go.wait(LONG)))
    assert held.wait(LONG)
    futures = [database.submit(piece) for piece in pieces]
    go.set()
    for each in futures:
        each.exception(LONG)
    return futures


def goes_on(database):
    database.write(inviting("afterwards"))
    return "afterwards" in names(database)


def cut_itself(connection):
    connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")


def fill_the_disk(connection):
    connection.exec_driver_sql("PRAGMA max_page_count = 1")  # as few as there are now
    for k in range(1000):
        labels.invite(connection, 1, 0.0, names=[f"{k} " + 70 * "x"])


def break_at_the_end(connection):
    """Do what is found wrong only when all is committed."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(
            insert(sessions).values(annotator=9_999, hashed="", created=0.0, expires=0.0)
        )
    else:
        event.listen(connection.engine, "commit", cut_itself, once=True)


def test_a_connection_that_is_cut_in_a_batch(postgresql):
    with Database(postgresql.create(), create=True) as database:
        futures = together(database, inviting("a"), cut_itself, inviting("b"), lambda _: 1 / 0)
        assert all(isinstance(each.exception(), UnavailableError) for each in futures)
        assert names(database) == set()
        assert goes_on(database)


def test_what_breaks_at_the_commit_is_believed_by_nobody(database):
    futures = together(database, inviting("a"), break_at_the_end, inviting("b"))
    assert all(isinstance(each.exception(), UnavailableError) for each in futures)
    assert names(database) == set()
    assert goes_on(database)


def test_a_server_that_is_stopped_and_started(own_postgresql):
    with Database(own_postgresql.create(), create=True, wait=30) as database:
        database.write(inviting("a"))
        for how in (signal.SIGINT, signal.SIGQUIT):
            own_postgresql.stop(how)
            for _ in range(3):
                with pytest.raises(UnavailableError, match="cannot be used at present"):
                    database.write(inviting("b"))
            with pytest.raises(UnavailableError):
                names(database)
            own_postgresql.start()
            assert names(database) == {"a"}
        assert goes_on(database)


def test_a_restart_between_two_votes_is_not_even_noticed(own_postgresql):
    with Database(own_postgresql.create(), create=True) as database:
        database.write(inviting("a"))
        own_postgresql.stop()
        own_postgresql.start()
        assert goes_on(database)


def test_whoever_gives_up_while_a_server_hangs_is_never_served(own_postgresql):
    with Database(own_postgresql.create(), create=True) as database:
        database.write(inviting("a"))
        own_postgresql.freeze()
        first, second = database.submit(inviting("b")), database.submit(inviting("c"))
        with pytest.raises(TimeoutError):
            first.result(0.2)
        assert second.cancel()
        own_postgresql.freeze(frozen=False)
        assert first.exception(LONG) is None
        assert names(database) == {"a", "b"}


def test_a_lock_of_another_process_is_waited_for_and_then_told(tmp_path):
    path = tmp_path / "labels.sqlite"
    with Database(f"sqlite:///{path}", create=True, wait=0.1) as database:
        with locked(path):
            assert names(database) == set()  # reading goes on
            futures = [database.submit(inviting(name)) for name in "ab"]
            told = [str(each.exception(LONG)) for each in futures]
        assert all("database is locked" in each for each in told)
        assert goes_on(database)
    with Database(f"sqlite:///{path}", wait=LONG) as database, locked(path):
        waiting = database.submit(inviting("patient"))
    assert waiting.result(LONG)


def test_a_lock_in_postgresql_is_given_up(postgresql):
    import psycopg

    url = postgresql.create()
    with Database(url, create=True, wait=0.1) as database:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE annotators")
            with pytest.raises(UnavailableError, match="lock timeout"):
                database.write(inviting("a"))
        assert goes_on(database)


def test_a_full_disk_is_told_and_nothing_is_half_done(tmp_path):
    with Database(f"sqlite:///{tmp_path / 'labels.sqlite'}", create=True) as database:
        futures = together(database, inviting("a"), fill_the_disk, inviting("b"))
        # SQLite takes back all of it, "a" as well
        assert all("disk is full" in str(each.exception()) for each in futures)
        assert names(database) == set()
        database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1000000"))
        assert goes_on(database)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_what_is_acknowledged_is_there_and_the_rest_is_told(database, seed):
    draw = random.Random(seed)  # noqa: S311
    sqlite = database.engine.dialect.name == "sqlite"
    faults = [lambda _: 1 / 0, break_at_the_end, leave, inviting("twice")]
    faults += [fill_the_disk] if sqlite else [cut_itself]
    acknowledged, refused = set(), 0
    for k in range(12):
        pieces = [inviting(f"{k}.{j}") for j in range(8)]
        pieces.insert(draw.randrange(9), draw.choice(faults))
        futures = dict(zip(pieces, together(database, *pieces), strict=True))
        done = [j for j, piece in enumerate(pieces) if futures[piece].exception() is None]
        acknowledged |= {each.name for j in done for each in futures[pieces[j]].result() or ()}
        refused += len(pieces) - len(done)
        if sqlite:
            database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    assert acknowledged == names(database)
    assert len(acknowledged) > 8
    assert refused > 8


def leave(_):
    raise SystemExit(1)


def test_no_exception_ends_the_writer(database):
    futures = together(database, inviting("a"), leave, inviting("b"))
    assert all(isinstance(each.exception(), UnavailableError) for each in futures)
    assert goes_on(database)


def test_only_so_much_may_wait(database, monkeypatch):
    monkeypatch.setattr("xhat.apps.label.writer._WAITING", 2)
    held, go = threading.Event(), threading.Event()
    first = database.submit(lambda _: (held.set(), go.wait(LONG)))
    held.wait(LONG)
    futures = [database.submit(inviting(name)) for name in "abc"]
    with pytest.raises(UnavailableError, match="does not keep up"):
        futures[2].result(LONG)
    go.set()
    for each in (first, *futures[:2]):
        each.result(LONG)
    assert names(database) == {"a", "b"}


def test_closing_tells_those_whom_a_database_that_hangs_keeps_waiting(database, monkeypatch):
    monkeypatch.setattr("xhat.apps.label.writer._CLOSING", 0.05)
    held, go = threading.Event(), threading.Event()
    database.submit(lambda _: (held.set(), go.wait(LONG)))
    held.wait(LONG)
    late = database.submit(inviting("a"))
    database.close()
    go.set()
    for each in (late, database.submit(inviting("b"))):
        with pytest.raises(UnavailableError, match="is closed"):
            each.result(LONG)
    database._writer._thread.join(LONG)


def test_what_sqlite_writes_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "labels.sqlite"
    with Database(f"sqlite:///{path}", create=True) as database:
        database.write(lambda c: labels.create(c, PLAIN, 0.0))
        found = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert found == {f"labels.sqlite{ending}": 0o600 for ending in ("", "-wal", "-shm")}
    path.chmod(0o644)  # as it was made before
    Database(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_of_somebody_else_keeps_its_permissions(tmp_path, monkeypatch):
    def denied(self, mode):
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", denied)
    with Database(f"sqlite:///{tmp_path / 'labels.sqlite'}", create=True) as database:
        assert goes_on(database)
