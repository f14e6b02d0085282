import functools
import sys
import warnings

import pytest

from studies import __main__ as commands
from tests.cli.conftest import refused  # noqa: F401 - a fixture


def call(*words, monkeypatch, capsys):
    """Call the command line of the studies within this process."""
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["studies", *map(str, words)])
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with pytest.raises(SystemExit) as ended:
            commands.main()
    said = capsys.readouterr()
    return ended.value.code or 0, said.out, said.err


@pytest.fixture
def xhat(monkeypatch, capsys):
    return functools.partial(call, monkeypatch=monkeypatch, capsys=capsys)
