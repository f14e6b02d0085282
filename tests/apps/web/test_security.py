import asyncio

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.apps.web.shell import OURS, awaited, client, part
from xhat.apps.web.security import Buckets, Rate, Sizes, client_address


def double(web, **headers):
    kept = {name: value for name, value in (OURS | headers).items() if value is not None}
    return web.post("/api/hello/double", json={"number": 1}, headers=kept)


def test_a_page_of_ours_may_change_things():
    assert double(client()).status_code == 200
    # what is no browser says neither origin nor site
    assert double(client(), Origin=None, **{"Sec-Fetch-Site": None}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": None},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"X-Xhat": None},
        {"X-Xhat": "0"},
    ],
)
def test_another_site_may_not(headers):
    answer = double(client(), **headers)
    assert answer.status_code == 403
    assert answer.json()["error"].startswith("A change must")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_forms_of_other_sites_are_refused_by_their_kind(kind):
    headers = OURS | {"content-type": kind}
    answer = client().post("/api/hello/double", content=b'{"number": 1}', headers=headers)
    assert answer.status_code == 415


def test_every_change_is_guarded_and_reading_is_not():
    web = client()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert web.request(method, "/api/hello/double").status_code == 403
    elsewhere = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert web.get("/api/openapi.json", headers=elsewhere).status_code == 200


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:8000", "127.0.0.1:81", "[::1]:8000"])
def test_this_machines_own_names_are_answered(name):
    assert client().get("/api/openapi.json", headers={"host": name}).status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io"])
def test_other_names_are_not(name):
    answer = client().get("/api/openapi.json", headers={"host": name})
    assert answer.status_code == 421
    assert "--allow-host" in answer.json()["error"]


def test_a_name_may_be_allowed():
    web = client(hosts=("xhat.example",))
    assert web.get("/api/openapi.json", headers={"host": "xhat.example"}).status_code == 200


def test_a_body_may_be_as_large_as_its_route_says():
    web = client(part(sizes={"/api/hello/count": 100_000}))
    headers = OURS | {"content-type": "application/octet-stream"}

    def send(path, n):
        return web.post(path, content=bytes(n), headers=headers)

    assert send("/api/hello/count", 100_000).json() == {"bytes": 100_000}
    answer = send("/api/hello/count", 100_001)
    assert answer.status_code == 413
    assert answer.json() == {"error": "The body is too large: at most 97 kB are taken here."}
    assert send("/api/hello/double", 65_537).status_code == 413


def test_a_body_of_unsaid_length_is_counted():
    web = client()
    headers = OURS | {"content-type": "application/octet-stream"}
    parts = (bytes(1000) for _ in range(66))
    assert web.post("/api/hello/count", content=parts, headers=headers).status_code == 413
    parts = (bytes(1000) for _ in range(60))
    assert web.post("/api/hello/count", content=parts, headers=headers).json() == {"bytes": 60_000}


def test_a_body_that_never_ends_is_given_up():
    async def app(scope, receive, send):
        await receive()
        await receive()

    async def trickle():
        if sent:
            await asyncio.sleep(60)
        sent.append(1)
        return {"type": "http.request", "body": b"x", "more_body": True}

    sent: list[int] = []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(Exception, match=r"within 0\.05 seconds"):
        awaited(Sizes(app, seconds=0.05)(scope, trickle, None))


def test_a_client_that_asks_too_often_is_told_to_wait():
    web = client(rate=Rate(per_second=0.5, burst=3))
    codes = [web.get("/api/openapi.json").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    answer = web.get("/api/openapi.json")
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {"error": "Too many requests; try again in 2 s."}


def test_a_limit_of_a_part_counts_whom_it_says():
    def session(scope):
        return dict(scope["headers"]).get(b"x-session", b"").decode() or None

    rate = Rate(0.01, 1, key=session, prefix="/api/hello/double", methods=("POST",))
    web = client(part(rates=(rate,)))
    assert [double(web, **{"X-Session": "a"}).status_code for _ in range(2)] == [200, 429]
    assert double(web, **{"X-Session": "b"}).status_code == 200
    assert [double(web).status_code for _ in range(3)] == [200] * 3
    assert web.get("/api/openapi.json", headers={"X-Session": "a"}).status_code == 200


def test_buckets_fill_again_up_to_the_burst():
    now = [0.0]
    buckets = Buckets(Rate(per_second=2, burst=2), clock=lambda: now[0])
    assert [buckets.wait("a") for _ in range(3)] == [0, 0, 0.5]
    now[0] = 0.5
    assert [buckets.wait("a") for _ in range(2)] == [0, 0.5]
    now[0] = 100
    assert [buckets.wait("a") for _ in range(3)] == [0, 0, 0.5]


def test_only_so_many_clients_are_remembered():
    buckets = Buckets(Rate(1, 1, most=2), clock=lambda: 0.0)
    for who in "abc":
        assert buckets.wait(who) == 0
    assert len(buckets) == 2
    assert buckets.wait("c") > 0  # remembered
    assert buckets.wait("a") == 0  # forgotten


@pytest.mark.parametrize("burst", [0, -1, 1.5])
def test_rates_must_make_sense(burst):
    with pytest.raises(ValueError, match="burst"):
        Rate(1, burst)


def test_a_whole_ipv6_network_is_one_client():
    def of(host):
        return client_address({"client": (host, 1)})

    assert of("2001:db8::1") == of("2001:db8::2:3") != of("2001:db8:0:1::1")
    assert of("192.0.2.1") != of("192.0.2.2")
    assert client_address({}) == "unknown"


def test_web_sockets_are_not_answered():
    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/api/hello/double"):
        pass
