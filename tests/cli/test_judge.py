import numpy as np
import pandas as pd
import pytest

from xhat.judges import Outcome
from xhat.study import judging
from xhat.tasks import digits

X = np.zeros((2, 1, 28, 28), dtype=np.float32)


@pytest.fixture(scope="module")
def real():
    part = digits.split("test")
    return part.images[:40].numpy(), part.labels[:40].numpy()


def test_real_digits_are_genuine_and_as_other_digits_they_are_not(xhat, tmp_path, real):
    images, labels = real
    np.save(tmp_path / "x.npy", images)
    for name, targets in (("right", labels), ("wrong", (labels + 1) % 10)):
        np.save(tmp_path / "t.npy", targets)
        words = ["--samples", tmp_path / "x.npy", "--targets", tmp_path / "t.npy"]
        code, out, err = xhat("judge", *words, "--out", tmp_path / name)
        assert (code, err) == (0, "")
        table = pd.read_parquet(tmp_path / name / "verdicts.parquet")
        assert table["target"].tolist() == targets.tolist()
        for outcome, n in table["verdict"].value_counts().items():
            assert f"{n:6d}  {outcome}: {Outcome(outcome).meaning}\n" in out
        genuine = (table["verdict"] == Outcome.GENUINE).mean()
        assert genuine >= 0.8 if name == "right" else genuine <= 0.1
        assert table["evidence"].str.contains("Held-out judges, asked for").all()


def test_one_sample_is_explained(xhat, tmp_path, real):
    np.save(tmp_path / "x.npy", 1 - real[0][:1])
    code, out, _ = xhat(
        "judge", "--samples", tmp_path / "x.npy", "--targets", "3", "--out", tmp_path
    )
    assert code == 0
    assert "Held-out judges, asked for 3, see" in out
    assert "Distance to real samples by pixels" in out
    assert "genuine" not in out


@pytest.mark.parametrize(
    ("array", "targets", "said"),
    [
        (X[:, 0], "3", "samples must have shape (n, 1, 28, 28)"),
        (X[:0], "3", "the samples is empty"),
        (X + 2, "3", "the samples must lie in [0, 1]"),
        (X - np.inf, "3", "the samples must be finite"),
        (X.astype(np.uint8), "3", "the samples must be floating point, but is uint8"),
        (X, "10", "the target must be a class from 0 to 9, but 10 came"),
        (X, "3,-1", "the target must be a class from 0 to 9, but -1 came"),
        (X, "1,2,3", "one row per candidate (2)"),
        (X, "three", "the target must be a class (8)"),
    ],
)
def test_bad_samples_and_targets(refused, tmp_path, array, targets, said):
    np.save(tmp_path / "x.npy", array)
    told = refused(
        "judge", "--samples", tmp_path / "x.npy", "--targets", targets, "--out", tmp_path
    )
    assert said in told
    assert not (tmp_path / "verdicts.parquet").exists()


@pytest.mark.parametrize("alpha", ["0", "1", "-0.1", "nan"])
def test_bad_alpha(refused, tmp_path, alpha):
    np.save(tmp_path / "x.npy", X)
    words = ["--samples", tmp_path / "x.npy", "--targets", "3", "--out", tmp_path]
    assert "alpha must" in refused("judge", *words, "--alpha", alpha)


def test_an_alpha_too_small_for_the_calibration_split_names_how_many_it_needs(refused, tmp_path):
    np.save(tmp_path / "x.npy", X)
    words = ["--samples", tmp_path / "x.npy", "--targets", "3", "--out", tmp_path]
    assert "calibration samples, but 5000 came" in refused("judge", *words, "--alpha", "1e-4")


@pytest.mark.parametrize("damage", ["missing", "truncated", "card"])
def test_damaged_weights_are_told_in_one_sentence(refused, tmp_path, monkeypatch, damage):
    weights = tmp_path / "weights"
    weights.mkdir()
    for path in digits.WEIGHTS.iterdir():
        (weights / path.name).write_bytes(path.read_bytes())
    hurt = weights / "judge-mlp.safetensors"
    if damage == "missing":
        hurt.unlink()
    elif damage == "truncated":
        hurt.write_bytes(hurt.read_bytes()[:-100])
    else:
        hurt = weights / "judge-mlp.json"
        hurt.write_text(hurt.read_text()[:-10])
    monkeypatch.setattr(digits, "WEIGHTS", weights)
    monkeypatch.setattr(judging, "_digits_panel", judging._digits_panel.__wrapped__)
    np.save(tmp_path / "x.npy", X)
    words = ["--samples", tmp_path / "x.npy", "--targets", "3", "--out", tmp_path / "out"]
    assert hurt.name in refused("judge", *words)
    assert list((tmp_path / "out").iterdir()) == []
