"""Ways to call the command line from a test."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

from xhat.cli import (  # noqa: F401 - commands join the app
    commands,
    demos,
    exchange,
    explore,
    labels,
    optimize,
    robustness,
    self_testing,
    serving,
    training,
)
from xhat.cli.app import app
from xhat.cli.shell import run

XHAT = Path(sys.executable).with_name("xhat")
MODELS = """
import time
from pathlib import Path

import torch

classifier = torch.nn.Linear(4, 3).eval()
classifier.weight.data = 9 * torch.eye(3, 4)
classifier.bias.data.zero_()  # torch draws it from its global generator
training = torch.nn.Sequential(torch.nn.Dropout(0.5), classifier)
nan = torch.nn.Linear(4, 3).eval()
nan.weight.data.fill_(float("nan"))


def same(x):
    return 1.0 * x


def lift(x):
    return x.sum(1)


def crash(x):
    return {}["no such key"]


def flat(x):
    return torch.nn.functional.one_hot(x[:, :3].argmax(1), 3).float()


def some_nan(x):
    return classifier(x) + 0 * (x[:, :1] - 0.1).sqrt()


def slow(x):
    Path("searching").touch()
    time.sleep(0.05)
    return classifier(x)
"""


def call(*words, monkeypatch, capsys):
    """Run a command within this process; return its exit code, output and error output."""
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["xhat", *map(str, words)])
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    code = None
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        try:
            run(app)
        except SystemExit as ended:
            code = ended.code or 0
    said = capsys.readouterr()
    return code, said.out, said.err


def start(*words, cwd):
    """Start a true process of the command line, with pipes."""
    return subprocess.Popen(  # noqa: S603 - our own command
        [XHAT, *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=_interruptible,
    )


def interrupt_when(process, path, seconds=60, number=signal.SIGINT):
    """Send Ctrl-C or another signal once ``path`` is there; return exit code and both outputs."""
    until = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def _interruptible():
    signal.signal(signal.SIGINT, signal.default_int_handler)
