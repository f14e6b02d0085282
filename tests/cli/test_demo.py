import json

import pytest

from xhat_zoo.digits import networks
from zoo.tests.digits.test_demo import FILES


def test_the_demo_writes_its_files_and_prints_the_page(xhat, tmp_path):
    out = tmp_path / "shown"
    words = ["--starts", "1", "--method", "latent-robust", "--seed", "2"]
    code, said, err = xhat("demo", "--out", out, *words)
    assert (code, err) == (0, "")
    assert said.endswith(f"\nOpen {out}/report.html\n")
    assert {path.name for path in out.iterdir()} == FILES
    summary = json.loads((out / "summary.json").read_text())
    assert list(summary["methods"]) == ["latent-robust"]
    assert summary["seed"] == 2
    rows = [line.split() for line in said.splitlines()]
    for name, told in summary["methods"].items():  # whole names, in 80 columns
        (row,) = [row for row in rows if row[:1] == [name]]
        assert row[1] == f"{100 * told['genuine']:.0f}"
    assert "Of 90 pairs of different digits" in said
    assert "adversarial" in said
    assert "…" not in said
    command = "xhat demo --starts 1 --confidence 0.95 --seed 2 --method latent-robust"
    assert command in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "magic"], "method must be one of flow, label-free"),
        (["--starts", "0"], "must lie between 1 and"),
        (["--starts", "5000"], "must lie between 1 and"),
        (["--confidence", "2"], "confidence must lie between 0 and 1"),
        (["--task", "chess"], "task must be one of airfoil"),
    ],
)
def test_bad_options(refused, tmp_path, words, said):
    assert said in refused("demo", "--out", tmp_path, *words)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_found_before_the_work_begins(refused, tmp_path, monkeypatch):
    monkeypatch.setattr("xhat_zoo.digits.demo.run", pytest.fail)
    (tmp_path / "file").touch()
    assert "file/below cannot be written to" in refused(
        "demo", "--out", tmp_path / "file" / "below"
    )


def test_missing_weights_are_told_in_one_sentence(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path / "nowhere")
    told = refused("demo", "--out", tmp_path / "out", "--starts", "1", "--method", "plain")
    assert "nowhere/" in told
    assert not (tmp_path / "out").exists()
