"""``xhat self-test`` on data of one's own."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.domains import wine
from xhat.domain import Domain

CELLAR = "from tests.domains import cultivar\n\n\ndef wines(x):\n    return cultivar(x)\n"


@pytest.fixture
def cellar(folder):
    """A user's folder: a table of wines, others from elsewhere, and a model."""
    domain = wine()
    frame = pd.DataFrame(domain.x.numpy(), columns=domain.names)
    names = np.array(domain.classes)[domain.labels]
    frame.assign(cultivar=names).to_csv(folder / "ref.csv", index=False)
    (frame[:30] / 3).to_csv(folder / "ales.csv", index=False)
    frame[::30].to_csv(folder / "in.csv", index=False)
    np.save(folder / "short.npy", np.zeros((4, 5)))
    (folder / "vineyard.py").write_text(CELLAR)
    return folder


def test_any_reference_is_tested_and_every_verdict_then_shows_it(xhat, cellar):
    code, out, err = xhat(
        "self-test", "--reference", "ref.csv", "--labels", "cultivar", "--foreign", "ales.csv",
        "--model", "vineyard:wines", "--n", "40", "--out", "o",
    )  # fmt: skip
    assert (code, err) == (0, "")
    found = json.loads((cellar / "o" / "selftest.json").read_text())
    rows = {row["name"]: row for row in found["rows"]}
    assert {"real, own class", "real, wrong class", "minimum norm, model", "ales"} <= set(rows)
    assert sum(rows["ales"]["counts"].values()) == 30
    assert f"{found['line'][1:]}.\n" in out
    assert "On these data, of 40 wrong-class samples" in out
    assert out.endswith("Open o/selftest.html\n")
    page = (cellar / "o" / "selftest.html").read_text()
    assert found["line"] in page
    assert all(remark in page for remark in found["remarks"])
    kept = Domain.load(cellar / "o" / "domain.safetensors")
    assert kept.self_tested.line == found["line"]
    words = ("audit", "--inputs", "in.csv", "--target", "a", "--out", "a", "--reference")
    code, out, err = xhat(*words, "o/domain.safetensors")
    assert (code, err) == (0, "")
    assert f"{found['line'][1:]}.\n" in out
    assert json.loads((cellar / "a" / "summary.json").read_text())["worth"] == found["line"]
    assert found["line"] in (cellar / "a" / "report.html").read_text()


def test_a_reference_without_a_self_test_says_how_to_make_one(xhat, cellar):
    wine().save(cellar / "d.safetensors")
    words = ("audit", "--inputs", "in.csv", "--reference", "d.safetensors", "--target", "a")
    code, out, err = xhat(*words, "--out", "a")
    assert (code, err) == (0, "")
    assert "Not self-tested on these data: run xhat self-test --reference …." in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--labels", "cultivar"), "--labels goes with --reference"),
        (("--foreign", "ales.csv"), "--foreign goes with --reference"),
        (("digits", "--reference", "ref.csv"), "TASK goes with a task's own controls"),
        (("--half", "reported", "--reference", "ref.csv"), "--half goes with a task's own"),
        (("--reference", "none.csv"), "cannot be read"),
        (("--reference", "in.csv"), "needs at least"),
        (("--reference", "ales.csv", "--foreign", "short.npy"), "'short' must be (n, 13)"),
        (("--reference", "ales.csv", "--model", "vineyard:wines"), "the domain has none"),
        (("--reference", "ales.csv", "--n", "0"), "n must"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(refused, cellar, words, said):
    assert said in refused("self-test", *words, "--out", "none")
    assert not (cellar / "none").exists()


@pytest.mark.parametrize("values", ["alcohol", "alcohol,hue", "v.npy"])
def test_a_reference_with_values_is_tested_and_audited(xhat, cellar, values):
    domain = wine()
    frame = pd.DataFrame(domain.x.numpy(), columns=domain.names)
    kept = ["alcohol"] if values == "v.npy" else values.split(",")
    np.save(cellar / "v.npy", frame[["alcohol"]].to_numpy())
    known = frame.drop(columns=kept) if values == "v.npy" else frame
    known.to_csv(cellar / "ref.csv", index=False)
    frame[::30].drop(columns=kept).to_csv(cellar / "in.csv", index=False)
    reference = ("--reference", "ref.csv", "--values", values, "--beta", "0.2")
    code, _, err = xhat("self-test", *reference, "--n", "20", "--out", "o")
    assert (code, err) == (0, "")
    assert json.loads((cellar / "o" / "selftest.json").read_text())["beta"] == 0.2
    found = Domain.load(cellar / "o" / "domain.safetensors")
    assert found.values.reshape(len(found), -1).shape[1] == len(kept)
    assert not set(kept) & set(found.names)
    code, _, err = xhat("audit", "--inputs", "in.csv", *reference, "--out", "a")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--values", "alcohol", "--labels", "cultivar"), "give either --labels"),
        (("--values", "proof"), "has no column 'proof'"),
        (("--values", "alcohol,proof"), "has no further column 'proof'"),
    ],
)
def test_values_that_are_not_there_are_told(xhat, cellar, words, said):
    frame = pd.read_csv(cellar / "ref.csv").drop(columns="cultivar")
    frame.to_csv(cellar / "ref.csv", index=False)
    code, _, err = xhat("self-test", "--reference", "ref.csv", *words, "--out", "o")
    assert code != 0
    assert said in err
