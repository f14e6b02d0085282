"""``xhat audit`` and ``xhat optimize`` on data of one's own: tables, images, signals."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.domains import small_digits, wine

NETS = """
import torch
from tests.domains import cultivar, small_classifier

digits = small_classifier()


def wines(x):
    return cultivar(x)


def alcohol(x):
    return x[:, 0]


def low(x):
    return x[:, 0] - 13.8


def true(x):
    return float(x[0])
"""


@pytest.fixture
def table(folder):
    """A user's folder with a table of wines, some rows to begin from, and models."""
    (folder / "cellar.py").write_text(NETS)
    domain = wine()
    frame = pd.DataFrame(domain.x.numpy(), columns=domain.names)
    frame.iloc[::40].to_csv(folder / "in.csv", index=False)
    names = np.array(domain.classes)[domain.labels]
    frame.assign(cultivar=names).to_csv(folder / "ref.csv", index=False)
    frame.to_parquet(folder / "ref.parquet")
    np.save(folder / "y.npy", domain.labels.numpy())
    return folder


REFERENCE = ("--reference", "ref.csv", "--labels", "cultivar")


def test_a_table_is_searched_judged_and_drawn_by_one_command(xhat, table):
    code, out, err = xhat(
        "optimize", "--model", "cellar:wines", "--inputs", "in.csv", "--target", "c", *REFERENCE,
        "--constraint", "cellar:low", "--fixed", "ash,hue", "--out", "o",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out.endswith("Open o/report.html\n")
    summary = json.loads((table / "o" / "summary.json").read_text())
    assert summary["reached"] == summary["feasible"] == 5
    assert sum(summary["verdicts"].values()) == 5
    found = pd.read_parquet(table / "o" / "results.parquet")
    x, x0 = np.stack(found["x"]), np.stack(found["x0"])
    assert (x[:, 0] <= 13.8 + 1e-4).all()
    columns = wine().names
    for name in ("ash", "hue"):
        assert np.array_equal(x[:, columns.index(name)], x0[:, columns.index(name)])
    assert "Changed: " in (table / "o" / "report.html").read_text()


@pytest.mark.parametrize(
    "wanted",
    [("--within", "12.5,13"), ("--at-least", "14"), ("--at-most", "12"), ("--value", "13")],
)
def test_values_are_searched_and_asked_of_the_truth(xhat, table, wanted):
    code, _, err = xhat(
        "optimize", "--model", "cellar:alcohol", "--inputs", "in.csv", *wanted, *REFERENCE,
        "--truth", "cellar:true", "--tolerance", "0.01", "--out", "o",
    )  # fmt: skip
    assert (code, err) == (0, "")
    summary = json.loads((table / "o" / "summary.json").read_text())
    assert summary["reached"] == 5
    assert "mistaken" not in summary["verdicts"]


def test_least_goes_to_the_limits(xhat, table):
    words = ("optimize", "--model", "cellar:alcohol", "--inputs", "in.csv", "--least", *REFERENCE)
    assert xhat(*words, "--out", "o", "--max-steps", "400")[0] == 0
    x = np.stack(pd.read_parquet(table / "o" / "results.parquet")["x"])
    assert np.allclose(x[:, 0], float(wine().low[0, 0]), atol=0.05)


def test_samples_of_another_tool_are_audited(xhat, table):
    code, out, err = xhat(
        "audit", "--inputs", "in.csv", "--target", "0", "--model", "cellar:wines",
        "--reference", "ref.parquet", "--labels", "y.npy", "--out", "a",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "unreached" in out
    assert out.endswith("Open a/report.html\n")
    far = pd.read_csv(table / "in.csv") * 4
    far.to_csv(table / "far.csv", index=False)
    code, out, _ = xhat("audit", "--inputs", "far.csv", "--reference", "ref.parquet", "--out", "b")
    assert code == 0
    assert "genuine:" not in out


def test_what_optimize_found_can_be_audited_again(xhat, table):
    words = ("--target", "b", *REFERENCE)
    assert (
        xhat("optimize", "--model", "cellar:wines", "--inputs", "in.csv", *words, "--out", "o")[0]
        == 0
    )
    code, _, err = xhat("audit", "--inputs", "o/results.parquet", *words, "--out", "a")
    assert (code, err) == (0, "")
    first = pd.read_parquet(table / "o" / "results.parquet")
    again = pd.read_parquet(table / "a" / "results.parquet")
    assert np.array_equal(np.stack(first["x0"]), np.stack(again["x0"]))
    reached = first["reached"]
    assert (first["verdict"] == again["verdict"])[reached].all()


def test_images_are_searched_by_every_kind_of_file(xhat, folder):
    (folder / "cellar.py").write_text(NETS)
    domain = small_digits()
    domain.save(folder / "d.safetensors")
    some = domain.halves[1][:3]
    for k, image in enumerate(domain.x[some]):
        (folder / "in").mkdir(exist_ok=True)
        Image.fromarray((255 * image[0]).byte().numpy()).save(folder / "in" / f"{k}.png")
    words = ("--reference", "d.safetensors", "--target", "3", "--out", "o")
    code, _, err = xhat("optimize", "--model", "cellar:digits", "--inputs", "in", *words)
    assert (code, err) == (0, "")
    assert {each.name for each in (folder / "o").iterdir()} == {
        "results.parquet", "summary.json", "changes.png", "report.html",
    }  # fmt: skip
    np.savez(folder / "ref.npz", x=domain.x.numpy(), y=domain.labels.numpy())
    code, _, err = xhat("audit", "--inputs", "in", "--reference", "ref.npz", "--target", "3")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--inputs", "in.csv", "--target", "a"), "an audit needs to know what is real"),
        (("--inputs", "in.csv", "--reference", "ref.csv"), "'cultivar' of ref.csv is not numbers"),
        (("--inputs", "in.csv", *REFERENCE, "--target", "z"), "'z' is none of the classes a, b, c"),
        (("--inputs", "ref.parquet", *REFERENCE[:3], "town"), "ref.csv has no column 'town'"),
        (("--inputs", "ref.csv", *REFERENCE), "the column 'cultivar' of ref.csv is not numbers"),
        (("--inputs", "none.npy", *REFERENCE), "the samples cannot be read from none.npy"),
        (("--inputs", "y.npy", *REFERENCE), "like the reference samples"),
        (("--inputs", "in.csv", "--reference", "in.csv"), "needs at least"),
        (("--inputs", "in.csv", *REFERENCE, "--kind", "image"), "of the kind image"),
        (("--inputs", "in.csv", *REFERENCE, "--alpha", "2"), "alpha must lie between 0 and 1"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(refused, table, words, said):
    assert said in refused("audit", *words, "--out", "none")
    assert not (table / "none").exists()
