import base64
import re
import resource
import signal
import time

import numpy as np
import pytest
from httpx2 import Client

from tests.apps.explorer.small import SHAPES, shapes
from tests.cli.shell import start
from xhat.apps import label as labels
from xhat.apps.label import Database
from xhat.apps.web.serving import listen


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).random((12, 1, 28, 28), dtype=np.float32))
    return tmp_path


def served(cwd, *words):
    """Start the server; return the process and what it said until it was ready."""
    process = start("label", "serve", "--port", "0", *words, cwd=cwd)
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    return process, "".join(said)


def end(process):
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors


def test_links_are_printed_open_and_go_on_after_a_restart(here):
    process, said = served(here, "--images", "x.npy", "--invite", "2", "--each", "2")
    try:
        links = re.findall(r"(http://[\d.]+:\d+)/label#(\S+)", said)
        assert len(links) == 2
        assert re.search(r"/admin#\S{40,}", said)
        assert "12 images are asked about" in said
        base, token = links[0]
        headers = {"X-Xhat": "1", "Origin": base}
        with Client(base_url=base, headers=headers) as client:
            state = client.post("/api/label/session", json={"token": token}).json()
            ticket = state["tickets"][0]
            body = {"ticket": ticket["ticket"], "revision": 0, "shares": [1.0] + 10 * [0.0]}
            csrf = {"X-CSRF-Token": state["csrf"]}
            answer = client.post("/api/label/votes", json=body, headers=csrf)
            assert answer.json()["outcome"] == "recorded"
    finally:
        code, errors = end(process)
    assert code == 130
    assert "Traceback" not in errors
    process, said = served(here)  # without --images: the collection goes on
    try:
        assert "/label#" not in said
        base = re.search(r"http://[\d.]+:\d+", said)[0]
        with Client(base_url=base, headers={"X-Xhat": "1", "Origin": base}) as client:
            state = client.post("/api/label/session", json={"token": token}).json()
        assert state["done"] == 1
    finally:
        assert end(process)[0] == 130


def test_votes_outlive_a_full_disk_and_a_server_that_is_killed(here):
    process, said = served(here, "--images", "x.npy", "--invite", "1", "--repeats", "0")
    base, token = re.search(r"(http://[\d.]+:\d+)/label#(\S+)", said).groups()
    with Client(base_url=base, headers={"X-Xhat": "1", "Origin": base}) as client:
        state = client.post("/api/label/session", json={"token": token}).json()

        def vote():
            ticket = state["tickets"][0]
            body = {"ticket": ticket["ticket"], "revision": 0, "shares": [1.0] + 10 * [0.0]}
            csrf = {"X-CSRF-Token": state["csrf"]}
            return client.post("/api/label/votes", json=body, headers=csrf)

        for k in range(5):
            if k == 2 and hasattr(resource, "prlimit"):  # Linux: from now on nothing is written
                most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, most[1]))
                assert {vote().status_code for _ in range(3)} == {503}
                assert client.get("/api/health").status_code == 503
                assert client.head("/label").status_code == 200
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, most)
            state = vote().json()
            assert state["outcome"] == "recorded"
        assert client.get("/api/health").json() == {"status": "ok"}
        process.kill()
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    with Database("sqlite:///labels.sqlite") as database, database.read() as connection:
        settings = labels.settings_of(connection)
        assert len(labels.read_votes(connection, settings, gold=True)) == 5


def test_any_images_and_their_classes_can_be_asked_about(here):
    pixels, kinds = shapes(12)
    np.savez("shapes.npz", x=pixels, y=np.array(SHAPES)[kinds])
    process, said = served(here, "--reference", "shapes.npz", "--invite", "1")
    try:
        assert "12 images are asked about" in said
        base, token = re.search(r"(http://[\d.]+:\d+)/label#(\S+)", said).groups()
        with Client(base_url=base, headers={"X-Xhat": "1", "Origin": base}) as client:
            state = client.post("/api/label/session", json={"token": token}).json()
        assert state["classes"] == list(SHAPES)
        ticket = state["tickets"][0]
        sent = np.frombuffer(base64.b64decode(ticket["pixels"]), np.uint8).reshape(12, 10, 3)
        assert any(np.array_equal(sent, each) for each in pixels)
    finally:
        assert end(process)[0] == 130


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reference", "x.npy"], "labelling is for images with classes"),
        (["--reference", "none.npz"], "none.npz"),
        (["--images", "x.npy", "--labels", "y.npy"], "go with --reference"),
        (["--images", "x.npy", "--model", "nets:f"], "go with --reference"),
        ([], "holds no collection yet; say what to ask about"),
        (["--images", "missing.npy"], "missing.npy"),
        (["--images", "digits:nonsense"], "nonsense"),
        (["--images", "x.npy", "--each", "0"], "each must be a whole number from 1"),
        (["--images", "x.npy", "--repeats", "0.9"], "repeats must be a share"),
        (["--images", "x.npy", "--purpose", "fun"], "purpose must be one of"),
        (["--images", "x.npy", "--invite", "-1"], "number of invitations"),
        (["--images", "x.npy", "--host", "192.0.2.1"], "no address of this machine"),
        (["--images", "x.npy", "--db", "labels.sqlite"], "address such as sqlite:///"),
        (["--images", "x.npy", "--db", "sqlite:///no/such/labels.sqlite"], "cannot be opened"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(xhat, here, words, said):
    begun = time.monotonic()
    code, _, errors = xhat("label", "serve", *words)
    assert code == 2
    assert said in errors
    assert errors.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["x.npy"]  # nothing was begun
    assert time.monotonic() - begun < 60


def test_a_port_in_use_is_said_before_images_are_looked_at(xhat, here):
    with listen(port=0) as taken:
        port = str(taken.getsockname()[1])
        code, _, errors = xhat("label", "serve", "--images", "x.npy", "--port", port)
    assert code == 2
    assert "is in use; choose another by --port" in errors
