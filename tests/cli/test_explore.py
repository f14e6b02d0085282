import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from httpx2 import Client

from tests.apps.explorer.small import SHAPES, shapes
from xhat.apps.web.serving import listen

QUICKLY = """
from xhat.cli import main
from xhat.apps.explorer import Explorer
Explorer.warm = lambda self, tell=None: None  # what it sets up is tried elsewhere
main()
"""


def test_it_serves_until_it_is_interrupted():
    command = [sys.executable, "-c", QUICKLY, "explore", "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as server:  # noqa: S603
        first = server.stdout.readline()
        assert first.startswith("http://127.0.0.1:")
        assert first.endswith("/explore\n")
        assert "Ctrl-C" in server.stdout.readline()
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
    assert server.returncode == 130
    assert errors == "Interrupted; nothing half-written was left behind.\n"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with coloured shapes of three classes, and models of three and of four."""
    monkeypatch.chdir(tmp_path)
    pixels, kinds = shapes()
    np.savez("shapes.npz", x=pixels, y=np.array(SHAPES)[kinds])
    np.savez("table.npz", x=np.eye(9), y=np.arange(9) % 3)
    rows = [f"{k},{word}" for k, word in enumerate(["ring", "disk"] * 6)]
    Path("table.csv").write_text("\n".join(["size,kind", *rows]))
    np.save("x.npy", pixels)
    Path("shape_nets.py").write_text(
        "def f(x):\n    return 20 * x.mean(dim=(2, 3)).flip(1) / 255\n"
        "def four(x):\n    return x.flatten(1)[:, :4]\n"
    )
    return tmp_path


def test_your_own_images_are_explored(own):
    words = ("--reference", "shapes.npz", "--model", "shape_nets:f")
    command = [sys.executable, "-c", QUICKLY, "explore", "--no-open", "--port", "0", *words]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as server:  # noqa: S603
        base = server.stdout.readline().strip().removesuffix("/explore")
        with Client(base_url=base, headers={"X-Xhat": "1", "Origin": base}, timeout=60) as web:
            about = web.get("/api/explore/about").json()
            found = web.get("/api/explore/sample?label=1").json()
            asked = {"index": found["index"], "target": 2, "method": "plain"}
            told = web.post("/api/explore/search", json=asked).text
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)
    assert (about["domain"], about["classes"]) == ("shapes", list(SHAPES))
    assert "event: found" in told
    assert "images_of(Path('shapes.npz'), None)" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reference", "shapes.npz"], "needs both --model"),
        (["--model", "shape_nets:f"], "needs both --model"),
        (["--labels", "y.npy"], "needs both --model"),
        (["--reference", "none.npz", "--model", "shape_nets:f"], "none.npz"),
        (["--reference", "x.npy", "--model", "shape_nets:f"], "is for images with classes"),
        (["--reference", "table.npz", "--model", "shape_nets:f"], "samples of the kind image"),
        (
            ["--reference", "table.csv", "--model", "shape_nets:f", "--labels", "kind"],
            "holds a table, and images are shown here",
        ),
        (["--reference", "shapes.npz", "--model", "shape_nets:g"], "no attribute 'g'"),
        (["--reference", "shapes.npz", "--model", "shape_nets:four"], "(1, 4)"),
    ],
)
def test_what_is_wrong_with_your_own_is_one_sentence(refused, own, words, said):
    assert said in refused("explore", "--no-open", "--port", "0", *words)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--results", "missing.parquet"], "missing.parquet cannot be read as Parquet"),
        (["--host", "192.0.2.1"], "no address of this machine"),
        (["--port", "99999"], "port must lie from 0 to 65535"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_set_up(xhat, arguments, said):
    code, _, errors = xhat("explore", "--no-open", *arguments)
    assert code == 2
    assert said in errors


def test_a_port_in_use_is_said_before_anything_is_set_up(xhat):
    with listen(port=0) as taken:
        code, _, errors = xhat("explore", "--no-open", "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert "is in use; choose another by --port" in errors
