"""The library with nothing but what it requires: it imports, searches and judges, and says why not.

Packages of extras are hidden from processes of their own, as if they were not installed.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
HIDDEN = (
    "alembic", "cloudpickle", "dask", "distributed", "e2cnn", "fastapi", "joblib", "kiwisolver",
    "matplotlib", "narwhals", "onnxruntime", "optuna",
    "pandas", "PIL", "polars", "psycopg", "pyarrow", "pyautoattack", "ray", "skdim", "sklearn",
    "sqlalchemy", "starlette", "torchmetrics", "uvicorn",
)  # fmt: skip
"""Of all that extras bring, but for what torch requires too."""

HIDE = f"import sys; sys.modules.update(dict.fromkeys({HIDDEN}));"

IMPORT_ALL = """
import importlib, json, pkgutil, xhat
told = {}
for module in pkgutil.walk_packages(xhat.__path__, "xhat.", onerror=lambda name: None):
    if module.name != "xhat.__main__":
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            told[module.name] = str(error)
print(json.dumps(told))
"""


MAY_REFUSE = ("xhat.report", "xhat.apps", "xhat.training")  # rooms of pages


def run(code, folder, *arguments):
    environment = os.environ | {"XHAT_CACHE": "", "COLUMNS": "200"}
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", HIDE + code, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def xhat(folder, *arguments):
    done = run("from xhat.cli import main; main()", folder, *arguments)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A model and data of a user's own, of two classes."""
    folder = tmp_path_factory.mktemp("own")
    draws = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = (draws.normal(size=(160, 3)) + 3 * y[:, None]).astype(np.float32)
    np.savez(folder / "real.npz", x=x, y=y)
    np.save(folder / "x.npy", x[:2])
    (folder / "nets.py").write_text(
        "import torch\ndef f(x):\n    return torch.stack([4.5 - x.sum(1), x.sum(1) - 4.5], 1)\n"
    )
    return folder


def test_every_module_is_imported_or_says_what_to_install(tmp_path):
    done = run(IMPORT_ALL, tmp_path)
    assert done.returncode == 0, done.stderr
    refused = json.loads(done.stdout.splitlines()[-1])
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert refused, "nothing was hidden"
    for name, said in refused.items():
        assert name.startswith(MAY_REFUSE), (name, said)
        assert any(
            f"pip install 'xhat[{extra}]'" in said for extra in extras["optional-dependencies"]
        )


def test_own_models_and_data_are_searched_and_judged(own):
    what = ("--target", "1", "--reference", "real.npz")
    code, out, err = xhat(
        own, "optimize", "--model", "nets:f", "--inputs", "x.npy", *what, "--out", "o"
    )
    assert code == 0, err
    assert "Wrote o/results.npz" in out
    assert "There is no page: pages and pictures need matplotlib" in err
    assert "pip install 'xhat[report]'" in err
    assert json.loads((own / "o" / "summary.json").read_text())["reached"] == 2
    code, out, err = xhat(
        own, "audit", "--model", "nets:f", "--inputs", "o/results.npz", *what, "--out", "a"
    )
    assert code == 0, err
    assert "Open a/results.npz" in out
    assert {path.name for path in (own / "a").iterdir()} == {"results.npz", "summary.json"}
    with np.load(own / "o" / "results.npz") as found, np.load(own / "a" / "results.npz") as again:
        assert np.array_equal(found["x"], again["x"])
        assert np.array_equal(found["x0"], again["x0"])
        assert found["verdict"].tolist() == again["verdict"].tolist()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("xhat.Result.load('r.parquet')", "tables"),
        ("from xhat.domain.reading import read_data; read_data('x.csv', 'the inputs')", "tables"),
        ("xhat.Simulator(len, workers=2)", "scale"),
        ("xhat.Simulator(len, timeout=1)", "scale"),
        ("import xhat.report", "report"),
        ("import xhat.apps.web", "web"),
    ],
)
def test_what_needs_more_says_what_to_install(tmp_path, wanted, said):
    done = run(f"import xhat; {wanted}", tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.endswith(f"which is not installed; install it with: pip install 'xhat[{said}]'.")
