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


SIM = """
def total(x):
    return x.sum(dim=1)


def run(x):
    if x[1] > 0.97:
        raise RuntimeError("no convergence")
    return float(x.sum()) - 0.5 * (x[0] > 0.9)
"""


def test_a_budget_says_what_to_believe_and_what_to_simulate_next(xhat, folder):
    (folder / "sim.py").write_text(SIM)
    x = np.random.default_rng(0).random((200, 3), dtype=np.float32)
    pd.DataFrame(x, columns=["a", "b", "c"]).to_csv(folder / "designs.csv", index=False)
    words = ("audit", "--model", "sim:total", "--inputs", "designs.csv", "--at-least", "1.4")
    asked = (*words, "--truth", "sim:run", "--budget", "40", "--fdr", "0.05", "--seed", "1")
    code, out, err = xhat(*asked, "--out", "a")
    assert (code, err) == (0, "")
    found = pd.read_parquet(folder / "a" / "results.parquet")
    said = {line.partition(": ")[0]: line.partition(": ")[2] for line in out.splitlines()}
    believed, left = int(found["trusted"].sum()), int((found["next"] > 0).sum())
    assert found["verified"].sum() == 40
    assert said["Believe"].endswith(f", … ({believed} in all)")
    first = found["trusted"].to_numpy().nonzero()[0][:20]
    assert said["Believe"].startswith(", ".join(map(str, first)))
    assert said["Simulate next"].split(", ")[0] == str(found["next"].tolist().index(1))
    assert left > 0
    assert "at a false discovery rate of 5 %" in out
    assert "Note: the truth failed on" in out
    assert out.endswith("Open a/report.html\n")
    summary = json.loads((folder / "a" / "summary.json").read_text())
    assert (summary["trusted"], len(summary["next"])) == (believed, left)
    assert "Which to believe" in (folder / "a" / "report.html").read_text()
    code, again, _ = xhat(*asked, "--out", "b")
    assert again.replace("b/report", "a/report") == out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--truth", "sim:run", "--budget", "201"), "there are only 200 samples"),
        (("--truth", "sim:run", "--budget", "0"), "the budget must be a whole number from 1"),
        (("--truth", "sim:run", "--budget", "9", "--fdr", "2"), "fdr must lie between 0 and 1"),
        (("--reference", "designs.csv", "--budget", "9"), "give truth=, a simulator"),
    ],
)
def test_a_wrong_budget_is_refused(refused, folder, more, said):
    (folder / "sim.py").write_text(SIM)
    np.savetxt(folder / "designs.csv", np.random.default_rng(0).random((200, 3)), delimiter=",",
               header="a,b,c", comments="")  # fmt: skip
    words = ("audit", "--inputs", "designs.csv", "--at-least", "1.4")
    assert said in refused(*words, *more, "--out", "none")


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
        (("--inputs", "in.csv", "--reference", "ref.csv"), "the frame lacks cultivar"),
        (("--inputs", "in.csv", *REFERENCE, "--target", "z"), "'z' is none of the classes a, b, c"),
        (("--inputs", "ref.parquet", *REFERENCE[:3], "town"), "ref.csv has no column 'town'"),
        (("--inputs", "ref.csv", *REFERENCE), "has cultivar, which the domain does not know"),
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
