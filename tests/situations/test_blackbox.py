"""Models that have no gradient, as people bring them: estimators, frames, sessions, functions.

The case: DiCE #260 and #168, alibi #331. Its relatives: every form in which such a model answers,
and everything that may go wrong with it.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

import xhat
from xhat.blackbox import as_box
from xhat.core import InputWarning
from xhat.objectives import CrossEntropy

IRIS = load_iris(as_frame=True)
NAMES = IRIS.target_names[IRIS.target]
STARTS = IRIS.data.iloc[[0, 20, 60, 70]]
WANTED = 2
FEW = 120  # evaluations


@pytest.fixture(scope="module")
def domain():
    made = xhat.Domain(IRIS.data, IRIS.target, classes=IRIS.target_names)
    made.judge()
    return made


@pytest.fixture(scope="module")
def forest():
    return RandomForestClassifier(10, random_state=0).fit(IRIS.data, IRIS.target)


def searched(model, domain, target=WANTED, starts=STARTS, **more):
    more = {"evaluations": FEW} | more
    return xhat.optimize(model, starts, target, domain=domain, **more)


def said(forest, found):
    return forest.predict(pd.DataFrame(found.x.double().numpy(), columns=IRIS.data.columns))


def check(forest, found, wanted=WANTED):
    """All that is claimed is so, of the very rows that came back."""
    assert torch.equal(found.reached, torch.tensor(said(forest, found) == wanted))
    assert found.reached.all()
    assert found.method == "distilled"
    assert "no gradient of the model" in found.notes[0]


def test_the_case():
    draws = np.random.default_rng(0)
    x = draws.random((80, 6))
    y = x.sum(axis=1) > 3
    forest = RandomForestClassifier(10, random_state=0).fit(x, y)
    domain = xhat.Domain(x, y.astype(int))
    starts = torch.rand(3, 6, generator=torch.Generator().manual_seed(0)) / 2
    for model in (
        forest,
        forest.predict_proba,
        lambda x: torch.from_numpy(forest.predict_proba(x.detach().numpy())).float().log(),
    ):
        found = searched(model, domain, 1, starts, evaluations=80)
        assert found.reached.all()
        assert forest.predict(found.x.double().numpy()).all()
        assert "searched by xhat.optimize" in refused(lambda m=model: asked_below(m))


def asked_below(model):
    xhat.solve(xhat.Problem(CrossEntropy(model, 1), xhat.Box(0, 1)), torch.rand(2, 6))


def refused(call):
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    said = str(error.value)
    assert "\n" not in said
    return said


FORMS = {
    "estimator": lambda f: f,
    "method": lambda f: f.predict_proba,
    "decisions": lambda f: f.predict,
    "function of a frame": lambda f: lambda frame: f.predict_proba(frame[list(IRIS.data.columns)]),
    "function of an array": lambda f: lambda a: f.predict_proba(as_frame(np.asarray(a))),
    "its logarithms": lambda f: lambda a: np.log(f.predict_proba(as_frame(np.asarray(a)))),
    "numpy inside": lambda f: lambda x: torch.tensor(f.predict_proba(as_frame(x.numpy()))),
    "no graph": lambda f: torch.no_grad()(
        lambda x: torch.tensor(f.predict_proba(as_frame(x.numpy()))).log()
    ),
    "lists": lambda f: lambda a: f.predict_proba(as_frame(np.asarray(a))).tolist(),
    "frames": lambda f: lambda a: pd.DataFrame(f.predict_proba(as_frame(np.asarray(a)))),
}


def as_frame(array):
    return pd.DataFrame(array, columns=IRIS.data.columns)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_answer(form, forest, domain):
    check(forest, searched(FORMS[form](forest), domain))


def test_classes_by_name_and_in_another_order(domain):
    forest = RandomForestClassifier(10, random_state=0).fit(IRIS.data, NAMES)
    named = xhat.Domain(IRIS.data, NAMES, classes=["virginica", "setosa", "versicolor"])
    for model in (forest, forest.predict):
        found = xhat.optimize(model, STARTS, "virginica", domain=named, evaluations=FEW)
        assert (said(forest, found) == "virginica").all()
        assert found.reached.all()
    others = xhat.Domain(IRIS.data, np.where(IRIS.target == 0, "a", "b"))
    assert "name them alike" in refused(lambda: xhat.optimize(forest, STARTS, "a", domain=others))


OTHERS = {
    "boosting": GradientBoostingClassifier(n_estimators=10, random_state=0),
    "nearest neighbours": KNeighborsClassifier(),
    "support vectors": SVC(),  # which has no probabilities
    "linear support vectors": make_pipeline(StandardScaler(), LinearSVC()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_estimators(name, domain):
    model = OTHERS[name].fit(IRIS.data, IRIS.target)
    check(model, searched(model, domain))


def test_two_classes_by_one_number():
    cancer = load_breast_cancer(as_frame=True)
    x, y = cancer.data.iloc[:150, :6], cancer.target[:150]
    model = make_pipeline(StandardScaler(), SVC()).fit(x, y)
    domain = xhat.Domain(x, y)
    for target in (0, 1):
        starts = x[model.predict(x) != target][:3]
        found = xhat.optimize(model, starts, target, domain=domain, evaluations=FEW)
        told = model.predict(pd.DataFrame(found.x.double().numpy(), columns=x.columns))
        assert found.reached.all()
        assert (told == target).all()


def test_values():
    diabetes = load_diabetes(as_frame=True)
    model = RandomForestRegressor(20, random_state=0).fit(diabetes.data, diabetes.target)
    domain = xhat.Domain(diabetes.data[:150], values=diabetes.target[:150])
    starts = diabetes.data[:3]
    for goal in (xhat.Within(100, 120), xhat.AtLeast(200), xhat.Value(150.0, 10.0)):
        found = xhat.optimize(model, starts, goal, domain=domain, evaluations=FEW)
        values = model.predict(pd.DataFrame(found.x.double(), columns=diabetes.data.columns))
        off = goal.off(torch.tensor(values))
        assert torch.equal(found.reached, off <= goal.tolerance)
        assert found.reached.all()
    most = xhat.optimize(model, starts, xhat.Most(), domain=domain, evaluations=FEW)
    values = model.predict(pd.DataFrame(most.x.double(), columns=diabetes.data.columns))
    assert not most.reached.any()
    assert np.allclose(-values, most.loss, rtol=1e-5)
    assert (values > model.predict(starts) + 50).all()


class Session:
    """What ONNX Runtime gives: inputs and outputs by name, for one size of batch."""

    def __init__(self, forest, columns, size):
        self.forest, self.columns, self.size = forest, columns, size

    def get_inputs(self):
        shape = [self.size, 1 if self.columns else 4]
        return [Port(name, "tensor(float)", shape) for name in self.columns or ["x"]]

    def get_outputs(self):
        return [Port("label", "tensor(int64)", [None]), Port("p", "tensor(float)", [None, 3])]

    def run(self, names, feed):
        assert names == ["p"]
        x = feed["x"] if not self.columns else np.concatenate(list(feed.values()), axis=1)
        assert len(x) == self.size or self.size is None
        order = [*(self.columns or IRIS.data.columns)]
        return [self.forest.predict_proba(pd.DataFrame(x, columns=order)[[*IRIS.data.columns]])]


class Port:
    def __init__(self, name, kind, shape):
        self.name, self.type, self.shape = name, kind, shape


@pytest.mark.parametrize(
    ("columns", "size"), [((), 3), ((), None), (tuple(IRIS.data.columns[::-1]), None)]
)
def test_sessions_of_one_batch_size_and_of_an_input_for_each_column(columns, size, forest):
    x = torch.tensor(IRIS.data.values[::20]).float()
    box = as_box(Session(forest, columns, size), x, by_class=True, names=list(IRIS.data.columns))
    told = forest.predict_proba(as_frame(x.double().numpy()))
    assert np.allclose(box(x).softmax(dim=1), told, atol=1e-5)
    assert box.asked == len(x)


def test_ctrl_c_leaves_what_is_known(forest, domain):
    calls = []

    def model(x):
        calls.append(len(x))
        if len(calls) == 8:
            raise KeyboardInterrupt
        return forest.predict_proba(as_frame(np.asarray(x)))

    found = searched(model, domain)
    assert torch.equal(found.reached, torch.tensor(said(forest, found) == WANTED))
    unfinished = [
        status for status, there in zip(found.status, found.reached, strict=True) if not there
    ]
    assert set(unfinished) <= {xhat.Status.INTERRUPTED}
    assert len(calls) < 12


def test_equal_starts_get_equal_answers(forest, domain):
    found = searched(forest, domain, starts=IRIS.data.iloc[[0, 0, 0]])
    check(forest, found)


def test_few_features_change_and_the_budget_is_kept(domain):
    counted = []
    forest = RandomForestClassifier(10, random_state=0).fit(IRIS.data.values, IRIS.target)

    def model(x):
        counted.append(len(x))
        return forest.predict_proba(np.asarray(x))

    found = searched(model, domain, starts=IRIS.data.iloc[50:70], evaluations=400)
    assert sum(counted) <= 400 + 3  # a first row, in each form that it may take
    assert (found.x != found.x0).sum(dim=1).float().mean() <= 2
    assert found.reached.all()
    assert "of 4" in found.notes[0]


def test_what_must_not_change_does_not():
    wine = load_wine(as_frame=True)
    x = wine.data.assign(whole=(wine.data["proline"] / 10).round(), a=0.0, b=0.0, c=0.0)
    place = np.arange(len(x)) % 3
    for k, name in enumerate("abc"):
        x[name] = (place == k).astype(float)
    y = (x["a"] + x["whole"] / 100 > 1).astype(int)
    forest = RandomForestClassifier(20, random_state=0).fit(x, y)
    domain = xhat.Domain(x, y, fixed=["alcohol", "ash"])
    starts = x[forest.predict(x) == 0][:6]
    found = xhat.optimize(forest, starts, 1, domain=domain, evaluations=300)
    new = pd.DataFrame(found.x.numpy(), columns=x.columns)
    assert found.reached.all()
    assert found.feasible.all()
    fixed = [list(x.columns).index(name) for name in ("alcohol", "ash")]
    assert torch.equal(found.x[:, fixed], found.x0[:, fixed])
    assert (new["whole"] == new["whole"].round()).all()
    assert (new[["a", "b", "c"]].sum(axis=1) == 1).all()
    assert new[["a", "b", "c"]].isin([0, 1]).all(axis=None)
    assert ((found.x >= domain.low) & (found.x <= domain.high)).all()


def test_constraints_hold(forest, domain):
    short = xhat.Inequality(lambda x: x[:, 2] - 5.2)
    found = searched(forest, domain, constraints=[short])
    assert (found.x[:, 2] <= 5.2 + 1e-4).all()
    check(forest, found)


def test_a_class_for_each_and_a_confidence(forest, domain):
    found = searched(forest, domain, [1, 2, 2, 0], confidence=0.8)
    told = forest.predict_proba(as_frame(found.x.double().numpy()))
    sure = torch.tensor(told[range(4), [1, 2, 2, 0]]).float()
    assert torch.allclose(found.confidence, sure, atol=1e-5)
    assert torch.equal(found.reached, sure >= 0.8 - 1e-6)


def test_a_start_that_is_there_already_stays(forest, domain):
    found = searched(forest, domain, 0, STARTS[:2])
    assert torch.equal(found.x, found.x0)
    assert found.reached.all()


def test_rows_on_which_a_model_fails(forest, domain):
    def model(x):
        if (x[:, 0] > 6.5).any():
            raise ValueError("too long a sepal")
        return forest.predict_proba(as_frame(np.asarray(x)))

    with pytest.warns(InputWarning, match="too long a sepal"):
        found = searched(model, domain, evaluations=400)
    assert (found.x[:, 0] <= 6.5).all()
    check(forest, found)


def test_rows_without_a_number(forest, domain):
    def model(x):
        p = forest.predict_proba(as_frame(np.asarray(x)))
        p[np.asarray(x)[:, 0] > 6.5] = np.nan
        return p

    with pytest.warns(InputWarning, match="not finite"):
        found = searched(model, domain)
    assert (found.x[:, 0] <= 6.5).all()
    check(forest, found)


def test_a_number_of_columns_that_changes(forest, domain):
    def model(x):
        p = forest.predict_proba(as_frame(np.asarray(x)))
        return p if len(p) != 7 else p[:, :2]

    assert searched(model, domain).reached.all()


def test_a_model_that_is_random(forest, domain):
    draws = np.random.default_rng(0)

    def model(x):
        p = forest.predict_proba(as_frame(np.asarray(x)))
        p = p + 0.2 * draws.random(p.shape)
        return p / p.sum(axis=1, keepdims=True)

    with pytest.warns(InputWarning, match="differently each time"):
        found = searched(model, domain)
    sure = forest.predict_proba(as_frame(found.x.double().numpy()))[:, WANTED]
    assert (sure[found.reached.numpy()] > 0.4).all()


def test_a_model_that_looks_across_the_batch(forest, domain):
    def model(x):
        x = np.asarray(x, dtype=float)
        p = forest.predict_proba(as_frame(x))
        return 0.7 * p + 0.3 * p.mean(axis=0)

    with pytest.warns(InputWarning, match="in the batch"):
        found = searched(model, domain)
    alone = np.concatenate([model(row[None]) for row in found.x.double().numpy()])
    assert torch.equal(found.reached, torch.tensor(alone.argmax(axis=1) == WANTED))


def test_a_model_that_always_fails_and_one_that_times_out(domain):
    def model(x):
        raise TimeoutError("no answer within 5 s")

    def later(x, calls=[]):  # noqa: B006
        calls.append(len(x))
        if len(calls) > 1:
            raise TimeoutError("no answer within 5 s")
        return np.full((len(x), 3), 1 / 3)

    assert "no answer within 5 s" in refused(lambda: searched(model, domain))
    assert "no answer within 5 s" in refused(lambda: searched(later, domain))


def test_without_a_domain_a_sentence_says_what_is_needed(forest):
    told = refused(lambda: xhat.optimize(forest, torch.tensor(STARTS.values).float(), 1))
    assert "give some rows of data" in told


def test_too_few_evaluations(forest, domain):
    assert "at least 28" in refused(lambda: searched(forest, domain, evaluations=10))


def linear():
    fitted = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    return torch.tensor(fitted.coef_.T).float(), torch.tensor(fitted.intercept_).float()


def test_a_limit_makes_a_black_box_of_any_model(domain):
    weights, bias = linear()
    found = searched(lambda x: x @ weights + bias, domain)
    assert found.method == "distilled"
    assert ((found.x @ weights + bias).argmax(dim=1) == WANTED).all()


def test_another_method_searches_the_surrogate(forest, domain):
    found = searched(forest, domain, method="proximal")
    check(forest, found)


def test_an_audit_of_a_forest(forest, domain):
    checked = xhat.audit(forest, IRIS.data[::10], 0, domain=domain)
    assert torch.equal(checked.reached, torch.tensor(forest.predict(IRIS.data[::10]) == 0))
    assert len(checked.verdicts) == 15


def test_the_command_line_takes_an_estimator(tmp_path, monkeypatch):
    from xhat.cli.inputs import load_model

    (tmp_path / "brought_forest.py").write_text(
        "from sklearn.datasets import load_iris\n"
        "from sklearn.tree import DecisionTreeClassifier\n"
        "tree = DecisionTreeClassifier().fit(*load_iris(return_X_y=True))\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert hasattr(load_model("brought_forest:tree"), "predict_proba")
    assert "must be a torch module" in refused(lambda: load_model("brought_forest:number"))


def test_images():
    from tests.domains import small_classifier, small_digits

    digits, net = small_digits(), small_classifier()

    def model(x):
        with torch.no_grad():
            return net(torch.as_tensor(x).float()).softmax(dim=1).numpy()

    x0 = digits.x[digits.halves[1][:3]]
    found = xhat.optimize(model, x0, 3, domain=digits)
    assert torch.equal(found.reached, torch.tensor(model(found.x).argmax(axis=1) == 3))
    assert found.reached.all()


def test_lightgbm(domain):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, min_child_samples=5)
    model.fit(IRIS.data.values, IRIS.target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it gives columns names, and misses them later
        found = searched(model, domain)
        told = model.predict_proba(found.x.double().numpy())
    assert (told.argmax(axis=1) == WANTED).all()


def test_xgboost(domain):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=10).fit(IRIS.data.values, IRIS.target)
    found = searched(model, domain)
    assert (model.predict(found.x.numpy()) == WANTED).all()


def test_onnx(tmp_path, domain, forest):
    skl2onnx = pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    from xhat.blackbox import open_onnx

    plain = RandomForestClassifier(10, random_state=0).fit(IRIS.data.values, IRIS.target)
    for options in ({}, {"zipmap": False}):
        made = skl2onnx.to_onnx(
            plain, IRIS.data.values[:1].astype(np.float32), options={id(plain): options}
        )
        path = tmp_path / "forest.onnx"
        path.write_bytes(made.SerializeToString())
        found = searched(open_onnx(str(path)), domain)
        assert found.reached.all()
        assert (plain.predict(found.x.double().numpy()) == WANTED).all()
    (tmp_path / "none.onnx").write_bytes(b"no model")
    assert "cannot be read" in refused(lambda: open_onnx(str(tmp_path / "none.onnx")))


def test_jax(domain):
    jax = pytest.importorskip("jax")
    weights, bias = (jax.numpy.asarray(part.numpy()) for part in linear())

    def model(x):
        return jax.nn.softmax(x @ weights + bias, axis=1)

    found = searched(model, domain)
    assert found.reached.all()
    assert (np.asarray(model(found.x.numpy())).argmax(axis=1) == WANTED).all()


def test_jax_has_gradients(domain):
    jax = pytest.importorskip("jax")
    from xhat.blackbox import from_jax

    weights, bias = linear()
    own = [jax.numpy.asarray(part.numpy()) for part in (weights, bias)]
    model = from_jax(lambda x: x @ own[0] + own[1])
    x = torch.rand(3, 4, requires_grad=True)
    (slope,) = torch.autograd.grad(model(x)[:, 1].sum(), x)
    assert torch.allclose(model(x), x @ weights + bias, atol=1e-5)
    assert torch.allclose(slope, weights[:, 1].expand(3, -1), atol=1e-5)
    found = xhat.optimize(model, STARTS, WANTED, domain=domain, method="proximal")
    assert found.reached.all()
    assert found.method == "proximal"


def test_a_missing_package_is_named(monkeypatch):
    import sys

    from xhat.blackbox import from_jax, open_onnx
    from xhat.core import MissingExtraError

    for name, call in (("jax", from_jax), ("onnx", open_onnx)):
        for module in ("jax", "onnxruntime"):
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'xhat\[{name}\]'"):
            call("none")


def test_a_pipeline_on_a_frame_of_words_and_numbers():
    frame = IRIS.data.iloc[:, :3].rename(columns=lambda name: name.split(" (")[0]).copy()
    words = ["thin", "middling", "wide"]
    frame["width"] = pd.cut(IRIS.data.iloc[:, 3], 3, labels=words).astype(str)
    flower = IRIS.target_names[IRIS.target]
    coded = make_column_transformer((OneHotEncoder(), ["width"]), remainder="passthrough")
    model = make_pipeline(coded, RandomForestClassifier(20, random_state=0)).fit(frame, flower)
    domain = xhat.Domain(frame, flower, columns={"sepal width": xhat.Column(change="fixed")})
    starts = frame[flower == "setosa"].iloc[:6]
    found = xhat.optimize(model, starts, "virginica", domain=domain, seed=1)
    assert found.method == "distilled"
    assert found.reached.all()
    rows = found.frame()
    assert (model.predict(rows) == "virginica").all()
    assert set(rows["width"]) <= set(words)
    assert rows["sepal width"].tolist() == pytest.approx(starts["sepal width"].tolist())
    assert all("→" in changes for changes in found.changes())
