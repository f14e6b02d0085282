import functools
import importlib
import sys

import numpy as np
import pytest

from tests.cli.shell import MODELS, call


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A user's current folder, with models in ``own_models.py`` and inputs in ``x.npy``."""
    (tmp_path / "own_models.py").write_text(MODELS)
    np.save(tmp_path / "x.npy", np.linspace(0.2, 0.8, 12, dtype=np.float32).reshape(3, 4))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_models", raising=False)
    importlib.invalidate_caches()
    return tmp_path


@pytest.fixture
def xhat(monkeypatch, capsys):
    """Call the command line within this process: ``xhat(*words) -> code, out, err``."""
    return functools.partial(call, monkeypatch=monkeypatch, capsys=capsys)


@pytest.fixture
def refused(xhat):
    """Call the command line with bad input, and return the one sentence that it says."""

    def ask(*words):
        code, out, err = xhat(*words)
        assert code == 2, err
        assert out == ""
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert err.endswith((".\n", "?\n")) or "; it says: " in err  # a model's own words
        assert "Traceback" not in err
        return err.removeprefix("Error: ").strip()

    return ask
