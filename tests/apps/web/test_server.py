import logging

import pytest
from fastapi import APIRouter, HTTPException

from tests.apps.web.shell import OURS, client, part
from xhat.apps.web import Part, build
from xhat.apps.web.security import POLICY

WAYS = ("GET", "HEAD")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "page.html").write_text("<!doctype html><title>Hi</title>{{nav}}")
    (tmp_path / "page.js").write_text("// " + "long " * 400)
    (tmp_path / "secret.txt").write_text("not an asset")
    return tmp_path


def test_parts_answer(folder):
    with client(part(folder=folder)) as web:
        answer = web.post("/api/hello/double", json={"number": 2.5}, headers=OURS)
        assert answer.json() == {"number": 5.0}
        page = web.get("/", follow_redirects=True)
        assert page.url.path == "/hello"
        assert page.text == "<!doctype html><title>Hi</title>"
        assert page.headers["content-type"].startswith("text/html")


def test_pages_link_to_the_other_parts_that_are_listed(folder):
    parts = [part(folder=folder), part("other", folder), part("hidden", folder, listed=False)]
    page = client(*parts).get("/other").text
    assert 'href="/hello"' in page
    assert 'href="/other" aria-current=page' in page
    assert "hidden" not in page


def test_every_answer_carries_the_policy(folder):
    web = client(part(folder=folder))
    paths = ["/hello", "/static/base.css", "/static/none.css", "/api/hello/broken", "/api/x"]
    for answer in [web.get(path) for path in paths]:
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "cache-control" in answer.headers
    assert "unsafe" not in POLICY
    assert "strict-transport-security" not in web.get("/hello").headers


def test_files_are_compressed_and_not_sent_twice(folder):
    web = client(part(folder=folder))
    first = web.get("/static/hello/page.js", headers={"accept-encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < 200
    assert first.text == (folder / "page.js").read_text()
    plain = web.get("/static/hello/page.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    again = web.get("/static/hello/page.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    changed = web.get("/static/hello/page.js", headers={"if-none-match": '"other"'})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "../server.py",
        "..%2Fserver.py",
        "%2e%2e/server.py",
        "hello/../../server.py",
        "/etc/passwd",
        "hello/secret.txt",
        "hello/page.html",
        "hello/page.js%00.css",
        "hello\\page.js",
    ],
)
def test_nothing_but_the_assets_can_be_read(folder, name):
    answer = client(part(folder=folder)).get(f"/static/{name}")
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is no such page."}


def test_an_exception_is_logged_and_not_told(caplog):
    with caplog.at_level(logging.ERROR, logger="xhat.apps.web"):
        answer = client().get("/api/hello/broken")
    assert answer.status_code == 500
    assert answer.json() == {"error": "Something went wrong on the server; its log says what."}
    assert "the secret is 42" in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "JSON"), (b'{"number": "x"}', "number"), (b"[]", "number"), (b"", "required")],
)
def test_what_cannot_be_read_is_said_in_a_sentence(content, said):
    headers = OURS | {"content-type": "application/json"}
    answer = client().post("/api/hello/double", content=content, headers=headers)
    assert answer.status_code == 422
    assert said.lower() in answer.json()["error"].lower()


def test_other_methods_are_refused_in_a_sentence():
    answer = client().get("/api/hello/double")
    assert answer.status_code == 405
    assert answer.json() == {"error": "That cannot be done here."}


def test_every_route_that_answers_get_answers_head(folder):
    web = client(part(folder=folder))
    for path in ("/", "/hello", "/static/base.css", "/api/openapi.json", "/api/health", "/none"):
        whole, head = (web.request(method, path, follow_redirects=False) for method in WAYS)
        assert (head.status_code, dict(head.headers)) == (whole.status_code, dict(whole.headers))
        assert head.content == b""
    assert web.head("/api/hello/double").status_code == 405
    assert web.head("/api/hello/broken").status_code == 500


def test_the_health_route_asks_every_part():
    async def ill():
        raise HTTPException(503, "The disk is full.", {"Retry-After": "2"})

    assert client().get("/api/health").json() == {"status": "ok"}
    answer = client(part(), part("other", check=ill)).get("/api/health")
    assert answer.status_code == 503
    assert answer.json() == {"error": "The disk is full."}
    assert answer.headers["retry-after"] == "2"


def test_no_page_loads_documentation_from_elsewhere():
    web = client()
    assert web.get("/docs").status_code == web.get("/redoc").status_code == 404
    assert web.get("/api/openapi.json").json()["info"]["title"] == "xhat"


def test_parts_are_closed_at_the_end():
    closed = []
    with client(part(close=lambda: closed.append("hello"))):
        assert not closed
    assert closed == ["hello"]


def test_parts_must_make_sense(folder):
    with pytest.raises(ValueError, match="different names"):
        build(part(), part())
    with pytest.raises(ValueError, match="needs parts"):
        build()
    with pytest.raises(ValueError, match="lower-case word"):
        part("Not one")
    with pytest.raises(ValueError, match="no folder"):
        Part("hello", "Hello", APIRouter(), pages={"/": "page.html"})
    with pytest.raises(ValueError, match=r"no file missing\.html"):
        build(Part("hello", "Hello", APIRouter(), static=folder, pages={"/": "missing.html"}))
