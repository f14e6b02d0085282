"""What a client may keep waiting, over true sockets."""

import asyncio
import socket
import threading
from contextlib import closing, suppress

import pytest
from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from tests.apps.conftest import running
from tests.apps.web.shell import part
from xhat.apps.web import Part, build
from xhat.apps.web.connections import Patient

LONG = 60  # seconds that only bound a hang
GET = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/hello/count HTTP/1.1\r\nHost: localhost\r\nX-Xhat: 1\r\n"
POST += b"Content-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n"


class Hasty(Patient):
    head = body = reading = 1.0


class Small(Patient):
    most = 3


def connect(base):
    return socket.create_connection(("127.0.0.1", int(base.rsplit(":", 1)[1])), timeout=LONG)


def rest(connection):
    """Return all that comes until the server closes."""
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def answer(connection, request=GET):
    """Send a request and return its answer, which is short and comes at once."""
    connection.sendall(request)
    found = b""
    while b"\r\n\r\n" not in found or not found.endswith(b"}"):
        piece = connection.recv(65_536)
        if not piece:
            break
        found += piece
    return found


def answered(base):
    """Return a connection over which a request was answered, however slow this machine is."""
    for _ in range(LONG):
        connection = connect(base)
        with suppress(ConnectionError):
            if b" 200 " in answer(connection):
                return connection
        connection.close()
    pytest.fail("nobody is served")


@pytest.fixture
def hasty():
    with running(build(part()), http=Hasty) as base:
        yield base


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: local"])
def test_half_a_head_is_given_up(hasty, sent):
    with closing(connect(hasty)) as connection:
        connection.sendall(sent)
        said = rest(connection)
        assert said == b"" if not sent else b" 408 " in said
        assert not sent or b"The head of a request must come within" in said
    answered(hasty).close()  # others are served


def test_a_head_that_trickles_is_given_up(hasty):
    with closing(connect(hasty)) as connection:
        connection.settimeout(0.02)
        said = b""
        for k in range(LONG * 50):
            try:
                connection.sendall(b"GET / HTTP/1.1\r\n" if k == 0 else b"a: b\r\n")
                said += (piece := connection.recv(1000))
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if not piece:
                break
        else:
            pytest.fail("it was never closed")


def test_half_a_body_is_given_up(hasty):
    with closing(connect(hasty)) as connection:
        connection.sendall(POST + b"half of it")
        assert rest(connection) == b""  # who reads it says so before, see Sizes


def test_a_connection_that_is_idle_is_closed(hasty):
    with closing(answered(hasty)) as connection:
        assert rest(connection) == b""


def test_a_second_request_has_its_time_anew(hasty):
    with closing(answered(hasty)) as connection:
        connection.sendall(GET[:10])
        assert b" 408 " in rest(connection)


def test_whoever_does_not_read_is_given_up():
    lost = threading.Event()

    class Noting(Hasty):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            lost.set()

    router = APIRouter()
    router.add_api_route("/large", lambda: PlainTextResponse(bytes(50_000_000)))
    with (
        running(build(Part("large", "Large", router)), http=Noting) as base,
        closing(connect(base)) as connection,
    ):
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert lost.wait(LONG)
        assert len(rest(connection)) < 50_000_000


def test_where_all_places_are_taken_whoever_asks_for_nothing_gives_way():
    with running(build(part()), http=Small) as base:
        idle = [connect(base) for _ in range(3)]
        for each in idle[1:]:
            each.sendall(b"GET /")
        with closing(connect(base)) as asking:
            assert b" 200 " in answer(asking)
            assert rest(idle[0]) == b""
            assert b" 200 " in answer(asking)  # its connection is kept
        for each in idle:
            each.close()


def test_where_all_are_served_the_next_is_told_to_come_again():
    router, go, busy = APIRouter(), threading.Event(), threading.Semaphore(0)

    @router.get("/slow")
    async def slow():
        busy.release()
        while not go.is_set():
            await asyncio.sleep(0.01)
        return {}

    with running(build(Part("slow", "Slow", router)), http=Small) as base:
        served = [connect(base) for _ in range(3)]
        for each in served:
            each.sendall(GET.replace(b"/api/health", b"/slow"))
            assert busy.acquire(timeout=LONG)
        with closing(connect(base)) as late:
            said = rest(late)
        assert b" 503 " in said
        assert b"Too many connections" in said
        assert b"retry-after" in said
        go.set()
        for each in served:
            assert b" 200 " in each.recv(1000)
            each.close()
