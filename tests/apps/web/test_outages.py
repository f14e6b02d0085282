"""What a browser is told while the database is away, and that it goes on after."""

import signal
import threading

import pytest

from tests.apps.label.conftest import own_postgresql  # noqa: F401 - a fixture
from tests.apps.label.locks import locked
from tests.apps.web.labelling_pages import SECRET, Collection
from xhat.apps import label as labels
from xhat.apps.label import Database


@pytest.fixture
def impatient(tmp_path):
    """Return a collection in SQLite whose lock is given up at once."""
    found = Collection.at(tmp_path, wait=0.1)
    yield found
    found.database.close()


def refused(answer):
    """Whether a browser was told to come again, in a sentence."""
    assert answer.status_code == 503
    assert "try again in a few seconds" in answer.json()["error"]
    assert "sqlite" not in answer.text  # where the database is concerns nobody
    return int(answer.headers["retry-after"]) > 0


def test_a_vote_under_a_lock_is_refused_and_counts_when_it_comes_again(impatient, tmp_path, caplog):
    browser = impatient.annotator()
    with locked(tmp_path / "labels.sqlite"):
        for _ in range(3):
            assert refused(browser.vote())
        assert refused(browser.send("GET", "/api/label/state"))
        assert refused(browser.client.get("/api/health"))
        assert browser.client.get("/label").status_code == 200
    assert browser.vote().json()["outcome"] == "recorded"
    assert browser.client.get("/api/health").json() == {"status": "ok"}
    assert len(impatient.votes()) == 1
    said = [each.getMessage() for each in caplog.records]
    assert said == [  # once, not for every request
        f"the database does not answer: the database {impatient.database.url} cannot be used at "
        "present: database is locked.",
        "the database answers again",
    ]


def test_of_votes_on_a_full_disk_those_that_are_acknowledged_are_there(impatient):
    browsers = [impatient.annotator(k) for k in range(3)]
    impatient.database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1"))
    codes = [browser.vote().status_code for _ in range(40) for browser in browsers]
    assert set(codes) == {200, 503}  # there is some room in pages that are not full
    assert len(impatient.votes()) == codes.count(200)
    impatient.database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    assert browsers[0].vote().status_code == 200


def test_the_administrator_is_told_as_well(impatient, tmp_path):
    admin = impatient.browser()
    assert admin.enter(SECRET, "admin").status_code == 200
    with locked(tmp_path / "labels.sqlite"):
        assert refused(admin.send("POST", "/api/admin/paused", {"paused": True}))
        overview = admin.send("GET", "/api/admin/overview")
        assert overview.json()["paused"] is False
    assert admin.send("POST", "/api/admin/paused", {"paused": True}).json()["paused"] is True


def test_a_database_that_hangs_keeps_no_request(tmp_path):
    collection = Collection.at(tmp_path)
    collection.annotator()
    collection.seconds = 0.2
    collection.start()
    held, go = threading.Event(), threading.Event()
    collection.database.submit(lambda _: (held.set(), go.wait(60)))
    held.wait(60)
    assert all(refused(collection.browser().enter(each.token)) for each in collection.invitations)
    go.set()
    with collection.database.read() as connection:  # those who gave up were never begun
        assert len(labels.open_sessions(connection, collection.clock())) == 1
    collection.seconds = 60.0
    collection.start()
    assert collection.annotator().vote().json()["outcome"] == "recorded"
    collection.database.close()


def test_readers_that_hang_keep_nobody_else(tmp_path, monkeypatch):
    collection = Collection.at(tmp_path)
    collection.seconds = 0.2
    collection.start()
    admin = collection.browser()
    go = threading.Event()
    monkeypatch.setattr(labels, "person_rows", lambda *_, **__: go.wait(60) and [])
    codes = [admin.enter(SECRET, "admin").status_code for _ in range(6)]
    assert codes == [503] * 6
    hanging = [each for each in threading.enumerate() if "_look" in each.name]
    assert 0 < len(hanging) <= 4
    assert admin.client.get("/admin").status_code == 200
    go.set()
    for each in hanging:
        each.join(60)
    collection.database.close()


def test_postgresql_may_go_and_come_at_any_time(own_postgresql):  # noqa: F811
    name = own_postgresql.create().split("/")[3].split("?")[0]
    with Database(own_postgresql.url(name), create=True, wait=30) as database:
        collection = Collection(database)
        browser = collection.annotator()
        for how in (signal.SIGINT, signal.SIGQUIT):
            own_postgresql.stop(how)
            assert refused(browser.vote())
            assert refused(browser.client.get("/api/health"))
            own_postgresql.start()
            assert browser.vote().json()["outcome"] == "recorded"
        assert own_postgresql.terminate(name) > 0
        answers = [browser.vote() for _ in range(3)]
        assert {each.status_code for each in answers} <= {200, 503}
        assert answers[-1].status_code == 200
        recorded = 2 + sum(each.status_code == 200 for each in answers)
        assert len(collection.votes()) == recorded
