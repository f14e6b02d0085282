import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xhat.judges import Outcome
from xhat_zoo import digits
from xhat_zoo.digits import judging

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
    assert "Distance in pixels" in out
    assert "nothing is unusual" not in out.lower()


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
    assert "at least 9999 real samples, but there are 2500" in refused(
        "judge", *words, "--alpha", "1e-4"
    )


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
    np.save(tmp_path / "x.npy", X)
    words = ["--samples", tmp_path / "x.npy", "--targets", "3", "--out", tmp_path / "out"]
    assert hurt.name in refused("judge", *words)
    assert not (tmp_path / "out").exists()


def test_something_to_judge_is_needed_and_only_one_thing(refused, tmp_path):
    np.save(tmp_path / "x.npy", X)
    said = "give either --samples to judge, or --self-test"
    assert said in refused("judge", "--targets", "3", "--out", tmp_path)
    both = ["--samples", tmp_path / "x.npy", "--self-test"]
    assert said in refused("judge", *both, "--out", tmp_path)


def test_a_domain_of_ones_own_is_judged_by_its_reference(xhat, tmp_path):
    random = np.random.default_rng(0)
    np.save(tmp_path / "real.npy", random.normal(size=(300, 4)).astype(np.float32))
    np.save(tmp_path / "x.npy", np.float32([[0, 0.2, -0.1, 0.4], [9, -9, 9, 9]]))
    words = ["--samples", tmp_path / "x.npy", "--reference", tmp_path / "real.npy"]
    code, out, err = xhat("judge", *words, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "1  genuine" in out
    assert "1  out_of_distribution" in out
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["judged.html", "summary.json", "verdicts.parquet"]


def test_a_folder_of_pictures_is_judged(xhat, refused, tmp_path, real):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(real[0][:3]):
        Image.fromarray(np.uint8(image[0] * 255)).save(folder / f"{i}.png")
    targets = ",".join(map(str, real[1][:3]))
    code, _, err = xhat(
        "judge", "--samples", folder, "--targets", targets, "--out", tmp_path / "out"
    )
    assert (code, err) == (0, "")
    assert len(pd.read_parquet(tmp_path / "out" / "verdicts.parquet")) == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no .png" in refused("judge", "--samples", empty, "--targets", "3")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the judge of digits needs the target"),
        (["--targets", "3", "--labels", "y.npy"], "labels go with a reference"),
        (["--targets", "3", "--reference", "x.npy"], "targets need classes"),
        (["--reference", "x.npy"], "must not hold a sample twice"),
    ],
)
def test_references_targets_and_labels_must_fit(refused, tmp_path, words, said):
    np.save(tmp_path / "x.npy", np.repeat(X, 60, axis=0))
    np.save(tmp_path / "y.npy", np.zeros(120, dtype=np.int64))
    words = [tmp_path / word if word.endswith(".npy") else word for word in words]
    told = refused("judge", "--samples", tmp_path / "x.npy", *words, "--out", tmp_path / "out")
    assert said in told
