import signal
import socket
import subprocess
import sys

import pytest

from xhat.apps.web.serving import listen, own_names

EVERYWHERE = "0.0.0.0"  # noqa: S104
SCRIPT = """
from fastapi import APIRouter
from xhat.apps.web import Part, build, serve
part = Part("hello", "Hello", APIRouter(), close=lambda: print("closed", flush=True))
serve(build(part), {host!r}, 0, say=lambda line: print(line, flush=True), paths=("/hello",))
"""


def test_it_says_where_it_is_and_ends_cleanly():
    script = SCRIPT.format(host=EVERYWHERE)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as run:  # noqa: S603
        said = [run.stdout.readline()]
        assert said[0].startswith("http://")
        assert said[0].endswith("/hello\n")
        port = int(said[0].split(":")[2].split("/")[0])
        while "Ctrl-C" not in said[-1]:
            said.append(run.stdout.readline())
        assert any("Anyone who can reach this machine" in line for line in said)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connected:
            connected.sendall(b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"404" in connected.recv(1000)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert out == "closed\n"
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_a_port_in_use_is_said():
    with listen(port=0) as taken, pytest.raises(ValueError, match="in use; choose another by"):
        listen(port=taken.getsockname()[1])


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_must_be_one(port):
    with pytest.raises(ValueError, match="port must lie"):
        listen(port=port)


def test_a_host_must_be_ours():
    with pytest.raises(ValueError, match="no address of this machine"):
        listen("192.0.2.1", 0)


def test_at_every_address_the_machines_own_names_are_answered():
    assert socket.gethostname() in own_names(EVERYWHERE)
    assert own_names("xhat.example") == ("xhat.example",)
