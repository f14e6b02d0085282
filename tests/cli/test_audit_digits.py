import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xhat.judges import Outcome
from xhat_zoo import digits
from xhat_zoo.digits import domain, judging

DIGITS = ("--reference", "digits")
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
        words = ["--inputs", tmp_path / "x.npy", "--target", tmp_path / "t.npy"]
        code, out, err = xhat("audit", *words, *DIGITS, "--out", tmp_path / name)
        assert (code, err) == (0, "")
        table = pd.read_parquet(tmp_path / name / "results.parquet")
        for outcome, n in table["verdict"].value_counts().items():
            assert f"{n:6d}  {outcome}: " in out
        genuine = (table["verdict"] == Outcome.GENUINE).mean()
        assert genuine >= 0.8 if name == "right" else genuine <= 0.1
        assert table["evidence"].str.contains("Held-out judges, asked for").all()


def test_one_sample_is_explained(xhat, tmp_path, real):
    np.save(tmp_path / "x.npy", 1 - real[0][:1])
    code, out, _ = xhat(
        "audit", "--inputs", tmp_path / "x.npy", "--target", "3", *DIGITS, "--out", tmp_path
    )
    assert code == 0
    assert "Held-out judges, asked for 3, see" in out
    assert "Distance in pixels" in out
    assert "nothing is unusual" not in out.lower()


@pytest.mark.parametrize(
    ("array", "targets", "said"),
    [
        (X[:, :, 1:], "3", "must be (n, 1, 28, 28), like the reference samples"),
        (X[:0], "3", "the samples is empty"),
        (X - np.inf, "3", "the samples must be finite"),
        (
            X,
            "10",
            "the target must be a class from 0 to 9",
        ),
        (X, "3,-1", "classes are numbered from 0, but -1 came"),
        (X, "1,2,3", "names 3 classes, but there are 2 inputs"),
        (X, "three", "'three' is none of the classes"),
    ],
)
def test_bad_samples_and_targets(refused, tmp_path, array, targets, said):
    np.save(tmp_path / "x.npy", array)
    told = refused(
        "audit", "--inputs", tmp_path / "x.npy", "--target", targets, *DIGITS, "--out", tmp_path
    )
    assert said in told
    assert not (tmp_path / "results.parquet").exists()


def test_samples_beyond_the_limits_are_infeasible(xhat, tmp_path, real):
    np.save(tmp_path / "x.npy", np.stack((real[0][0], real[0][0] + 1)))
    words = ["--inputs", tmp_path / "x.npy", "--target", str(real[1][0]), *DIGITS]
    code, out, _ = xhat("audit", *words, "--out", tmp_path / "out")
    assert code == 0
    assert "1  infeasible" in out


@pytest.mark.parametrize("alpha", ["0", "1", "-0.1", "nan"])
def test_bad_alpha(refused, tmp_path, alpha):
    np.save(tmp_path / "x.npy", X)
    words = ["--inputs", tmp_path / "x.npy", "--target", "3", *DIGITS, "--out", tmp_path]
    assert "alpha must" in refused("audit", *words, "--alpha", alpha)


def test_an_alpha_too_small_for_the_calibration_leaves_it_undecided(xhat, tmp_path):
    np.save(tmp_path / "x.npy", X[:1])
    words = ["--inputs", tmp_path / "x.npy", "--target", "3", *DIGITS, "--out", tmp_path]
    code, out, _ = xhat("audit", *words, "--alpha", "1e-4")
    assert code == 0
    assert "1  undecided" in out
    assert "2500 real samples tell what is usual, and it takes 9999 to say" in " ".join(out.split())


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
    monkeypatch.setattr(judging, "_digits_judge", judging._digits_judge.__wrapped__)
    monkeypatch.setattr(domain, "digits_domain", domain.digits_domain.__wrapped__)
    np.save(tmp_path / "x.npy", X)
    words = ["--inputs", tmp_path / "x.npy", "--target", "3", *DIGITS, "--out", tmp_path / "out"]
    assert hurt.name in refused("audit", *words)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_pictures_is_judged(xhat, refused, tmp_path, real):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(real[0][:3]):
        Image.fromarray(np.uint8(image[0] * 255)).save(folder / f"{i}.png")
    targets = ",".join(map(str, real[1][:3]))
    words = ["--inputs", folder, "--target", targets, *DIGITS, "--out", tmp_path / "out"]
    code, _, err = xhat("audit", *words)
    assert (code, err) == (0, "")
    assert len(pd.read_parquet(tmp_path / "out" / "results.parquet")) == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no" in refused("audit", "--inputs", empty, "--target", "3", *DIGITS)
