import signal
import subprocess
import sys

import pytest

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
