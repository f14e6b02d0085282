import json

import numpy as np
import pandas as pd
import pytest

GOOD = {"--model": "own_models:classifier", "--inputs": "x.npy", "--target": "1"}


def words(**changes):
    options = GOOD | {f"--{name}": value for name, value in changes.items()}
    given = [(name, value) for name, value in options.items() if value is not None]
    return ["optimize", *(word for pair in given for word in (pair[0], *str(pair[1]).split(" ")))]


@pytest.mark.parametrize("method", ["plain", "pgd", "proximal"])
def test_a_users_classifier_is_searched(xhat, folder, method):
    code, out, err = xhat(*words(method=method, confidence=0.5, out="found", seed=4))
    assert (code, err) == (0, "")
    assert out.endswith("Wrote found/results.parquet\n")
    summary = json.loads(out.rpartition("Wrote")[0])
    assert summary == json.loads((folder / "found" / "summary.json").read_text())
    assert (summary["n"], summary["reached"], summary["seed"]) == (3, 3, 4)
    table = pd.read_parquet(folder / "found" / "results.parquet")
    np.testing.assert_allclose(np.stack(table["x0"]), np.load(folder / "x.npy"))
    assert set(table["status"]) == {"target reached"}


def test_targets_may_differ_be_soft_and_come_from_files(xhat, folder):
    np.save(folder / "t.npy", np.array([[0.5, 0.5, 0.0]] * 3))
    assert xhat(*words(target="t.npy", confidence=0.8))[0] == 0
    assert xhat(*words(target="2,1,0", confidence=0.5, method="plain"))[0] == 0
    table = pd.read_parquet(folder / "runs" / "optimize" / "results.parquet")
    assert np.stack(table["x"])[:, :3].argmax(1).tolist() == [2, 1, 0]


def test_a_users_regression_is_matched(xhat, folder):
    code, _, err = xhat(
        *words(model="own_models:lift", target=None, value=-1.5, bounds="-1,1", tolerance=0.01)
    )
    assert (code, err) == (0, "")
    table = pd.read_parquet(folder / "runs" / "optimize" / "results.parquet")
    np.testing.assert_allclose(np.stack(table["x"]).sum(1), -1.5, atol=0.011)


@pytest.mark.parametrize(
    ("wanted", "right"),
    [
        (
            {"value": "0.2,any,-0.1,any", "tolerance": "0.01,1,0.02,1"},
            lambda y: abs(y[:, 0] - 0.2) < 0.011,
        ),
        ({"at-least": "any,0.6,any,any"}, lambda y: y[:, 1] >= 0.6 - 1e-5),
        ({"at-least": 0.6, "column": 2}, lambda y: y[:, 2] >= 0.6 - 1e-5),
        ({"within": "any,-0.6:-0.5,any,0:1"}, lambda y: (y[:, 1] <= -0.499) & (y[:, 3] >= -1e-5)),
        ({"wanted-labels": "1,0,any,1"}, lambda y: (y[:, 0] > 0) & (y[:, 1] < 0) & (y[:, 3] > 0)),
    ],
)
def test_several_outputs_are_asked_for(xhat, folder, wanted, right):
    more = {"model": "own_models:same", "target": None, "bounds": "-1,1"}
    more |= {"confidence": 0.7} if "wanted-labels" in wanted else {}
    code, _, err = xhat(*words(**more, **wanted))
    assert (code, err) == (0, "")
    table = pd.read_parquet(folder / "runs" / "optimize" / "results.parquet")
    assert right(np.stack(table["x"])).all()


def test_a_model_that_gives_nan_for_one_candidate_lets_the_others_finish(xhat, folder):
    x = np.full((3, 4), 0.5, dtype=np.float32)
    x[1, 0] = 0
    np.save(folder / "x.npy", x)
    code, out, err = xhat(*words(model="own_models:some_nan", confidence=0.5, method="plain"))
    assert (code, err) == (0, "")
    assert json.loads(out.rpartition("Wrote")[0])["reached"] == 2


def test_a_model_that_gives_nan_for_all_is_told_in_valid_json(xhat, folder):
    code, out, err = xhat(*words(model="own_models:nan"))
    assert (code, err) == (0, "")
    summary = json.loads(out.rpartition("Wrote")[0], parse_constant=pytest.fail)
    assert summary["reached"] == 0
    assert summary["loss"] is None


X = np.linspace(0.2, 0.8, 12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (X[:, :2], "cannot take a start of shape (2,)"),
        (X[0], "one row per candidate"),
        (X[:0], "the starts is empty"),
        ((X * 255).astype(np.uint8), "must be floating point, but is uint8"),
        (X + 1, "must lie in [0, 1]"),
        (X - 1, "must lie in [0, 1]"),
        (np.where(X > 0.7, np.nan, X), "must be finite"),
        (np.where(X > 0.7, np.inf, X), "must be finite"),
        (X.astype(object), "must be a whole .npy file of numbers"),
        (X.astype(str), "must be numbers"),
    ],
)
def test_bad_inputs(refused, xhat, folder, array, said):
    assert xhat(*words(**{"max-steps": 2}))[0] == 0
    np.save(folder / "x.npy", array, allow_pickle=True)
    assert said in refused(*words(out="none", bounds="0,1"))
    assert not (folder / "none").exists()


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY\x01", b"no array"])
def test_bad_files(refused, folder, content):
    (folder / "x.npy").unlink()
    if content is not None:
        (folder / "x.npy").write_bytes(content)
    assert "the inputs cannot be read from x.npy" in refused(*words())


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("3", "class index from 0 to 2, but 3 came"),
        ("-1", "classes are numbered from 0, but -1 came"),
        ("1,2", "names 2 classes, but there are 3 inputs"),
        ("one", "the target 'one' is a name, but without a domain classes have none"),
        ("none.npy", "the target cannot be read"),
        ([[0.5, 0.4, 0.0]], "row 0 sums to 0.9"),
        ([[1.5, -0.5, 0.0]], "least value -0.5"),
        ([[0.5, 0.5]], "each of the model's 3 classes, but has 2"),
        ([[np.nan, 0.5, 0.5]], "the target must be finite"),
        (np.zeros((0,), dtype=int), "the target is empty"),
        ([True], "a label of 0, 1 or NaN (any) for each of the model's 3 logits, but there are 1"),
    ],
)
def test_bad_targets(refused, folder, target, said):
    if not isinstance(target, str):
        np.save(folder / "t.npy", np.asarray(target))
        target = "t.npy"
    assert said in refused(*words(target=target))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "own_models"}, "must be named package.module:attribute"),
        ({"model": "own_modelz:classifier"}, "no module 'own_modelz'"),
        ({"model": "own_models:nothing"}, "no attribute 'nothing'"),
        ({"model": "own_models:flat"}, "a model without gradients is searched on a surrogate"),
        ({"method": "magic"}, "method must be one of flow, label-free, edited, nearest"),
        ({"method": "latent"}, "needs to know what real inputs look like; give a domain"),
        ({"labels": "y.npy"}, "--labels goes with --reference"),
        ({"kind": "image"}, "--kind goes with --reference"),
        ({"reference": "none.csv"}, "the reference cannot be read from none.csv"),
        ({"truth": "own_models:nothing"}, "no attribute 'nothing'"),
        ({"constraint": "own_models:nothing"}, "no attribute 'nothing'"),
        ({"bounds": "low"}, "--bounds must be low,high"),
        ({"within": "1"}, "give one of --target"),
        ({"target": None, "within": "1"}, "--within must be low,high"),
        ({"confidence": 1}, "confidence must"),
        ({"confidence": 0}, "confidence must"),
        ({"confidence": "nan"}, "confidence must"),
        ({"max-steps": 0}, "step budget must be a whole number from 1"),
        ({"bounds": "1,0"}, "low must be below high"),
        ({"bounds": "0,nan"}, "high must be finite"),
        ({"device": "warp"}, "device must be one that this machine has"),
        ({"target": None}, "give one of --target (classes), --wanted-labels, --value"),
        ({"value": 1.0}, "but --target, --value came"),
        ({"target": None, "wanted-labels": "1,2"}, "a label must be 0, 1 or NaN (any), but 2"),
        ({"target": None, "wanted-labels": "1,some"}, "--wanted-labels must be a number, or"),
        ({"target": None, "at-least": "high"}, "--at-least must be a number, or numbers such"),
        ({"target": None, "within": "0:1,2"}, "--within must be low,high"),
        ({"column": 1}, "--column goes with values, not with --target"),
        (
            {"target": None, "value": 1.0, "confidence": 0.5, "model": "own_models:lift"},
            "confidence goes with goals that name classes or labels",
        ),
        (
            {"model": "own_models:lift", "target": None, "value": 1.0, "tolerance": 0},
            "tolerance must be above 0",
        ),
        (
            {"model": "own_models:lift", "target": None, "value": "inf"},
            "the wanted value must be finite",
        ),
        ({"out": "x.npy/below"}, "the folder x.npy/below cannot be written to"),
        ({"out": "x.npy"}, "the folder x.npy cannot be written to"),
    ],
)
def test_bad_options(refused, folder, changes, said):
    assert said in refused(*words(**changes))
    assert not (folder / "runs").exists()


def test_an_unwritable_folder_is_found_before_the_work_begins(refused, folder, monkeypatch):
    monkeypatch.setattr("xhat.cli.inputs.load_model", pytest.fail)
    assert "cannot be written to" in refused(*words(out="x.npy/below"))


def test_a_table_of_words_is_searched_and_its_columns_come_back(xhat, folder):
    draws = np.random.default_rng(0)
    age, job = draws.integers(20, 60, 120), draws.choice(["clerk", "cook", "smith"], 120)
    score = age / 10 - 2 * (job == "smith") + draws.normal(0, 0.5, 120)
    table = pd.DataFrame({"age": age, "job": job, "score": score})
    table["paid"] = np.where(score > 3, "yes", "no")
    table.to_parquet(folder / "ref.parquet")
    table.drop(columns="paid")[table["paid"] == "no"].head(4).to_csv("rows.csv", index=False)
    (folder / "jobs.py").write_text(
        "import torch\n\ndef f(x):\n    y = 4 * (x[:, 4] - 3)\n"
        "    return torch.stack((0 * y, y), dim=1)\n"
    )
    code, _, err = xhat(
        "optimize", "--model", "jobs:f", "--inputs", "rows.csv", "--target", "yes", "--reference",
        "ref.parquet", "--labels", "paid", "--fixed", "job", "--method", "proximal", "--out", "o",
    )  # fmt: skip
    assert (code, err) == (0, "")
    found, rows = pd.read_parquet("o/results.parquet"), pd.read_csv("rows.csv")
    assert found["x.job"].tolist() == rows["job"].tolist()
    assert (found["x.age"] == found["x.age"].round()).all()
    assert found["reached"].all()
    assert "Changed: score" in (folder / "o" / "report.html").read_text("utf-8")
