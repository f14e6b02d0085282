import csv
import json

import numpy as np

from xhat.engine import Result

GOOD = ("robustness", "--model", "own_models:classifier", "--inputs", "x.npy", "--labels", "y.npy")


def labels(folder):
    x = np.load(folder / "x.npy")
    np.save(folder / "y.npy", x[:, :3].argmax(axis=1))


def test_a_users_classifier_is_attacked(xhat, folder):
    labels(folder)
    options = ("--norm", "linf", "--norm", "l1", "--attack", "quick", "--out", "found")
    code, out, err = xhat(*GOOD, *options)
    assert (code, err) == (0, "")
    assert "95 % interval" in out
    assert out.endswith("Open found/robustness.html\n")
    told = json.loads((folder / "found" / "robustness.json").read_text())
    assert (told["n"], told["accuracy"], set(told["norms"])) == (3, 1.0, {"linf", "l1"})
    nearest = Result.load(folder / "found" / "nearest-linf.parquet")
    x = np.load(folder / "x.npy")
    gap = (np.sort(x[:, :3], axis=1)[:, 2] - np.sort(x[:, :3], axis=1)[:, 1]) / 2
    np.testing.assert_allclose(nearest.loss, gap, rtol=0.02)  # of a linear model it is known
    with (folder / "found" / "inputs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["right"] for row in rows] == ["True"] * 3
    assert "Robust accuracy" in (folder / "found" / "robustness.html").read_text()


def test_radii_are_those_that_were_asked_for(xhat, folder):
    labels(folder)
    assert xhat(*GOOD, "--radii", "0.2,0.01", "--norm", "linf", "--n", "2")[0] == 0
    told = json.loads((folder / "runs" / "robustness" / "robustness.json").read_text())
    assert told["n"] == 2
    assert told["norms"]["linf"]["radii"] == [0.01, 0.2]
    assert told["norms"]["linf"]["robust_accuracy"] == [1.0, 0.0]


def test_bad_input_is_one_sentence(refused, folder):
    labels(folder)
    assert "holds no labels" in refused(*GOOD[:-2])
    assert "quick, standard, thorough" in refused(*GOOD, "--attack", "huge")
    assert "linf, l2, l1, l0, but is 'l7'" in refused(*GOOD, "--norm", "l7")
    assert "--radii must be numbers" in refused(*GOOD, "--radii", "a")
    assert "a radius must be" in refused(*GOOD, "--radii", "-1")
    np.save(folder / "y.npy", np.array([0, 1, 7]))
    assert "labels" in refused(*GOOD)
