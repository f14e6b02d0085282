import json
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.datasets import load_wine

from xhat.cli import training


def test_a_recipe_is_trained_from_the_embedded_data(xhat, tmp_path):
    out = tmp_path / "weights"
    words = ["train", "digits", "--recipe", "plain", "--epochs", "1", "--limit", "60"]
    code, said, err = xhat(*words, "--out", out, "--seed", "5")
    assert (code, err) == (0, "")
    assert {path.name for path in out.iterdir()} == {"plain.json", "plain.safetensors"}
    card = json.loads((out / "plain.json").read_text())
    assert card["seed"] == 5
    assert json.loads(said.rpartition("Wrote")[0]) == card["metrics"]
    assert said.endswith(f"Wrote {out}/plain.safetensors\n")


def test_all_epochs_share_one_bar(xhat, tmp_path, monkeypatch):
    bars = []

    @contextmanager
    def listen():
        yield lambda *bar: bars.append(bar)

    monkeypatch.setattr(training, "progress_bar", listen)
    xhat("train", "digits", "--epochs", "2", "--limit", "60", "--out", tmp_path)
    assert bars == [("plain", 1, 2), ("plain", 2, 2)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["letters"],
            "task must be one of airfoil, ambigrams, conjunction, digits, rendered, shapes, but is",
        ),
        (["digits", "--recipe", "magic"], "recipe must be one of plain, quick, wide, robust"),
        (["digits", "--epochs", "0"], "epochs must be above 0"),
        (["digits", "--limit", "-1"], "limit must be above 0"),
    ],
)
def test_bad_options(refused, tmp_path, words, said):
    assert said in refused("train", *words, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_embedding_is_trained_by_its_name(xhat, tmp_path):
    words = ["train", "digits", "--embedding", "beta-vae", "--latent", "3", "--beta", "2"]
    code, said, err = xhat(*words, "--epochs", "1", "--limit", "90", "--out", tmp_path)
    assert (code, err) == (0, "")
    card = json.loads((tmp_path / "beta-vae.json").read_text())
    assert card["arguments"]["latent"] == 3
    assert card["hyperparameters"]["beta"] == 2
    assert card["metrics"] == json.loads(said.rpartition("Wrote")[0])
    assert "--latent 3 --beta 2.0 --epochs 1 --limit 90" in card["command"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--embedding", "line", "--recipe", "plain"], "--recipe does not go with --embedding"),
        (["--embedding", "line", "--report"], "--report does not go with --embedding"),
        (["--latent", "3"], "--latent goes with --embedding"),
        (["--beta", "1"], "--beta goes with --embedding"),
        (["--embedding", "line", "--latent", "2"], "line has 1 latent value"),
        (["--embedding", "magic"], "embedding must be one of autoencoder"),
    ],
)
def test_what_does_not_go_with_an_embedding(refused, tmp_path, words, said):
    assert said in refused("train", "digits", *words, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_found_before_the_training(refused, tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be written to" in refused("train", "digits", "--out", tmp_path / "file" / "x")


def test_a_report_is_a_page(xhat, tmp_path):
    words = ["train", "digits", "--recipe", "smooth+outliers", "--epochs", "1", "--limit", "60"]
    code, said, _ = xhat(*words, "--report", "--autoattack", "0", "--out", tmp_path)
    assert code == 0
    page = tmp_path / "smooth+outliers.report.html"
    assert f"Open {page}" in said
    assert "The surrogate smooth+outliers" in page.read_text()


def test_targets_are_distributions_from_a_file(xhat, refused, tmp_path):
    np.save(tmp_path / "even.npy", np.full((30_000, 10), 0.1, dtype=np.float32))
    np.save(tmp_path / "wrong.npy", np.full((30_000, 10), 0.2, dtype=np.float32))
    words = ("train", "digits", "--epochs", "1", "--limit", "60", "--out", tmp_path / "out")
    assert xhat(*words, "--targets", tmp_path / "even.npy")[0] == 0
    assert "Divide each by its sum" in refused(*words, "--targets", tmp_path / "wrong.npy")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "vae", "--report"], "--report measures surrogates, but vae is another"),
        (["--precision", "int4"], "precision must be one of auto, float32, bfloat16"),
        (["--device", "abacus"], "the device 'abacus' cannot be used"),
        (["--recipe", "robust+wide"], "has 2 bases"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(refused, tmp_path, words, said):
    assert said in refused("train", "digits", *words, "--out", tmp_path)


def test_a_shape_is_trained_like_a_recipe(xhat, tmp_path):
    words = ["train", "shapes", "--recipe", "capsule", "--epochs", "1", "--limit", "300"]
    code, said, err = xhat(*words, "--out", tmp_path, "--seed", "5")
    assert (code, err) == (0, "")
    card = json.loads((tmp_path / "capsule.json").read_text())
    assert card["command"] == f"xhat {' '.join(words[:4])} --seed 5 --epochs 1 --limit 300"
    assert said.endswith(f"Wrote {tmp_path}/capsule.safetensors\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipe", "cube"], "shape must be one of torus, box, capsule, dumbbell"),
        (["--embedding", "vae"], "--embedding is for the task digits"),
        (["--report"], "--report is for the task digits"),
        (["--latent", "3"], "--latent is for the task digits"),
    ],
)
def test_what_shapes_do_not_have_is_refused(refused, tmp_path, words, message):
    assert message in refused("train", "shapes", *words, "--out", tmp_path)


@pytest.fixture
def wine(tmp_path, monkeypatch):
    """A user's folder with a table of wines, and their classes in words."""
    monkeypatch.chdir(tmp_path)
    data = load_wine(as_frame=True)
    frame = data.data.assign(cultivar=np.array(["barolo", "grignolino", "barbera"])[data.target])
    frame.to_csv("wine.csv", index=False)
    frame.drop(columns="cultivar").to_csv("bare.csv", index=False)
    frame.drop(columns="cultivar")[:3].to_csv("starts.csv", index=False)
    frame[frame.cultivar == "barolo"].to_csv("one.csv", index=False)
    frame[::12].to_csv("few.csv", index=False)
    np.save("short.npy", np.zeros(7, dtype=np.int64))
    np.save("soft.npy", np.full((7, 3), 1 / 3, dtype=np.float32))
    return tmp_path


OWN = ("train", "--reference", "wine.csv", "--labels", "cultivar")


def test_own_samples_are_trained_on_and_the_weights_searched(xhat, wine):
    code, said, err = xhat(*OWN, "--recipe", "quick+smooth", "--out", "weights")
    assert (code, err) == (0, "")
    name = "wine-quick+smooth"
    assert {path.name for path in (wine / "weights").iterdir()} == {
        f"{name}.json",
        f"{name}.safetensors",
    }
    card = json.loads((wine / f"weights/{name}.json").read_text())
    assert card["command"] == f"xhat {' '.join(OWN[:3])} --recipe quick+smooth --labels cultivar"
    assert card["hyperparameters"]["classes"] == ["barbera", "barolo", "grignolino"]
    assert f"--model weights/{name}.safetensors" in said
    sure = said.rpartition("--confidence ")[2].split()[0]
    assert 0.5 <= float(sure) == pytest.approx(card["metrics"]["typical confidence"], abs=0.01)
    words = ["--inputs", "starts.csv", "--target", "barbera", *OWN[1:], "--confidence", sure]
    code, said, err = xhat("optimize", "--model", f"weights/{name}.safetensors", *words)
    assert (code, err) == (0, "")
    told, _ = json.JSONDecoder().raw_decode(said)
    assert told["reached"] >= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "say what to train on: the name of a task"),
        (["train", "digits", "--reference", "wine.csv"], "one of the two"),
        (["train", "--reference", "bare.csv"], "bare has no labels; give labels="),
        (["train", "--reference", "one.csv", "--labels", "cultivar"], "but all are barolo"),
        (["train", "--reference", "few.csv", "--labels", "cultivar"], "needs 4 or more of each"),
        (["train", "--reference", "bare.csv", "--labels", "short.npy"], "for each of the 178"),
        (["train", "--reference", "none.csv"], "the reference cannot be read from none.csv"),
        ([*OWN, "--labels", "vineyard"], "has no column 'vineyard'"),
        ([*OWN, "--recipe", "magic"], "part of a recipe must be one of plain"),
        ([*OWN, "--recipe", "robust+trades"], "has 2 bases"),
        ([*OWN, "--recipe", "outliers+astray"], "exclude each other"),
        ([*OWN, "--targets", "soft.npy"], "one row for each of the 178 samples of wine"),
        ([*OWN, "--outliers", "starts.csv"], "add one of them, or leave the outliers out"),
        ([*OWN, "--latent", "3"], "--latent is for tasks such as digits"),
        ([*OWN, "--limit", "3"], "--limit is for tasks such as digits"),
        ([*OWN, "--kind", "image"], "a frame is a table; for samples of the kind image"),
        (["train", "digits", "--kind", "image"], "--kind goes with --reference"),
    ],
)
def test_own_samples_that_cannot_be_trained_on(refused, wine, words, said):
    assert said in refused(*words, "--out", "weights")
    assert not (wine / "weights").exists()


def test_weights_without_their_card_are_not_searched(refused, wine):
    (wine / "a.safetensors").write_bytes(b"")
    words = ["--model", "a.safetensors", "--inputs", "starts.csv", "--target", "1"]
    assert "a.json cannot be read" in refused("optimize", *words)
