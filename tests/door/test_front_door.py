"""The front door: one import, two verbs, and what they return."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import xhat
from tests.domains import cultivar, small_classifier, small_digits, wine
from xhat.core import InputWarning, UnreadableFileError
from xhat.objectives.goals import Value

LIMIT = 0.5  # processor seconds; 0.05 on a quiet machine


def test_import_is_light_and_everything_is_there():
    script = (
        "import sys, time; t = time.process_time(); import xhat; s = time.process_time() - t;"
        "assert not {'torch', 'numpy', 'pyarrow'} & set(sys.modules); print(s)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert float(ran.stdout) < LIMIT
    for name in xhat.__all__:
        assert getattr(xhat, name) is not None
        assert name in dir(xhat)
    with pytest.raises(AttributeError, match="no attribute 'optimise'"):
        xhat.optimise  # noqa: B018


def test_no_module_hides_a_verb():
    import xhat.engine
    import xhat.methods
    import xhat.training

    for verb in ("optimize", "audit", "train", "robustness", "solve", "pgd", "verify", "refine"):
        assert callable(getattr(xhat, verb))


def test_a_domain_is_judged_and_nothing_else_is():
    domain = small_digits()
    x0 = domain.x[domain.halves[1][:6]]
    found = xhat.optimize(small_classifier(), x0, 3, domain=domain)
    assert isinstance(found, xhat.Result)
    assert len(found.verdicts) == 6
    assert found.method == "flow"
    assert found.trusted.tolist() == [str(o) == "genuine" for o in found.verdicts.outcomes]
    alone = xhat.optimize(small_classifier(), x0, 3)
    assert alone.verdicts is None
    assert "give a domain (or a truth) for verdicts" in alone.summary()
    assert alone.notes == (
        "without a domain or limits=, limits of 0 and 1 were assumed for every feature",
    )


def test_a_truth_alone_judges():
    def surrogate(x):
        return x.sum(dim=1)

    def truth(x):
        return float(x.sum()) + (x[0] > 0.9)

    x0 = torch.tensor([[0.95, 0.1], [0.1, 0.1]])
    goal = xhat.Within(1.2, 1.4)
    found = xhat.optimize(surrogate, x0, goal, truth=truth, limits=(0, 1))
    assert found.reached.all()
    assert [str(each) for each in found.verdicts.outcomes] == ["mistaken", "genuine"]
    assert "truth" in found.verdicts[0].explain()


def test_frames_names_and_columns_go_through():
    domain = wine()
    frame = pd.DataFrame(domain.x[:3].numpy(), columns=domain.names)
    found = xhat.optimize(cultivar, frame, "c", domain=domain)
    assert found.reached.all()
    table = found.to_pandas()
    assert table["verdict"].tolist() == [str(each) for each in found.verdicts.outcomes]
    assert {"status", "x0.alcohol", "x.alcohol", "changed", "reached"} <= set(table.columns)
    assert "<table>" in found._repr_html_()
    assert repr(found).startswith("Judged(Class(2): 3 of 3 reached; ")
    assert xhat.optimize(cultivar, frame, ["a", "b", "c"], domain=domain).reached.all()


def test_classes_in_another_order_are_noticed():
    domain = wine()
    turned = xhat.Domain(domain.x, 2 - domain.labels, classes=["c", "b", "a"])
    with pytest.warns(InputWarning, match=r"for most samples of 'a', class 2, it gives 0"):
        xhat.optimize(cultivar, domain.x[:2], "a", domain=turned)
    wide = domain.x[:3].double().numpy()
    for method in ("proximal", "nearest"):  # no warning, and numbers of any precision
        assert xhat.optimize(cultivar, wide, "c", domain=domain, method=method).reached.all()


def test_the_global_generator_is_left_alone():
    domain, x0 = wine(), wine().x[:2]

    def noisy(x):
        return cultivar(x) + 0.01 * torch.randn(len(x), 3)

    state = torch.random.get_rng_state()
    with pytest.warns(InputWarning, match="answers differently each time"):
        xhat.optimize(noisy, x0, "c", domain=domain)
    xhat.audit(noisy, x0, "c", domain=domain)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("method", ["nearest", "flow", "retrieval", "diffused", "proximal"])
def test_a_model_in_training_mode_is_left_as_it_was(method):
    domain = small_digits()
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(1), small_classifier())
    net[0].train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x0 = domain.x[domain.halves[1][:3]]
    with pytest.warns(InputWarning, match="in training mode"):
        xhat.optimize(net, x0, 3, domain=domain, method=method)
    with pytest.warns(InputWarning, match="in training mode"):
        xhat.audit(net, x0, 3, domain=domain)
    assert net[0].training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("budget", [None, 2])
def test_training_mode_is_warned_of_once_whoever_asks_the_model(budget):
    domain, net = small_digits(), torch.nn.Sequential(torch.nn.Dropout(0.1), small_classifier())
    net.eval()[0].train()
    x0 = domain.x[domain.halves[1][:3]]
    calls = (
        lambda: xhat.optimize(net, x0, 3, domain=domain, truth=lambda x: net(x[None])[0]),
        lambda: xhat.audit(net, x0, 3, domain=domain, truth=lambda x: net(x[None])[0]),
        lambda: xhat.audit(net, x0, 3, truth=lambda x: net(x[None])[0], budget=budget),
    )
    for call in calls:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            call()
        said = [str(each.message) for each in heard if each.category is InputWarning]
        assert sum("Dropout is in training mode" in each for each in said) == 1, said
        assert net[0].training


def test_audited_samples_were_not_searched_and_levels_are_kept(tmp_path):
    domain = wine()
    checked = xhat.audit(None, domain.x[:4], domain=domain)
    assert checked.summary().startswith("4 audited; ")
    checked = xhat.audit(None, domain.x[:4], "a", domain=domain, alpha=0.1, beta=0.2)
    assert checked.verdicts.beta == 0.2
    for name in ("f.npz", "f.parquet"):
        checked.save(tmp_path / name)
        again = xhat.Judged.load(tmp_path / name)
        assert (again.verdicts.alpha, again.verdicts.beta) == (0.1, 0.2)
    tested = domain.self_test(n=20, alpha=0.1, beta=0.2)
    assert (tested.alpha, tested.beta) == (0.1, 0.2)


def test_a_file_keeps_verdicts_and_the_path(tmp_path):
    domain = small_digits()
    x0 = domain.x[domain.halves[1][:4]]
    found = xhat.optimize(small_classifier(), x0, 5, domain=domain, trace=10)
    found.save(tmp_path / "f.parquet")
    again = xhat.Judged.load(tmp_path / "f.parquet")
    assert again.verdicts.outcomes == found.verdicts.outcomes
    assert again.verdicts[1].explain() == found.verdicts[1].explain()
    assert again.verdicts.counts() == found.verdicts.counts()
    assert (again.goal, again.method) == ("Class(5)", "flow")
    assert torch.equal(again.trajectory.x, found.trajectory.x)
    assert again.trajectory.steps == found.trajectory.steps
    plain = xhat.Result.load(tmp_path / "f.parquet")
    assert torch.equal(plain.x, found.x)
    assert pd.read_parquet(tmp_path / "f.parquet")["verdict"].tolist() == [
        str(each) for each in found.verdicts.outcomes
    ]
    (tmp_path / "f.parquet").write_bytes(b"nothing")
    with pytest.raises(UnreadableFileError):
        xhat.Judged.load(tmp_path / "f.parquet")


def test_a_report_is_a_page(tmp_path):
    domain = small_digits()
    x0 = domain.x[domain.halves[1][:4]]
    page = xhat.optimize(small_classifier(), x0, 5, domain=domain).report(tmp_path / "r")
    text = page.read_text()
    assert page.name == "report.html"
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert {each.name for each in page.parent.iterdir()} == {
        "results.parquet", "summary.json", "changes.png", "report.html",
    }  # fmt: skip
    table = xhat.optimize(cultivar, wine().x[:2], "c", domain=wine()).report(tmp_path / "t")
    assert "Changed: " in table.read_text()
    nothing = xhat.optimize(cultivar, wine().x[:2], 2, limits=(0, 2000)).report(tmp_path / "n")
    assert nothing.name == "results.parquet"


def test_samples_of_any_tool_are_audited():
    domain = small_digits()
    real = domain.x[domain.halves[0][:30]]
    labels = domain.labels[domain.halves[0][:30]]
    checked = xhat.audit(small_classifier(), real, labels, domain=domain)
    assert checked.trusted.float().mean() > 0.6
    noise = torch.rand(10, 1, 8, 8)
    assert not xhat.audit(None, noise.numpy(), 3, domain=domain).trusted.any()
    without = xhat.audit(None, noise, domain=domain)
    assert not without.trusted.any()
    assert without.verdicts.target is None
    limits = [xhat.Bounds(high=torch.tensor(0.5))]
    over = xhat.audit(None, real, labels, domain=domain, constraints=limits)
    assert set(map(str, over.verdicts.outcomes)) == {"infeasible"}


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"domain": wine(), "method": "retrieval"}, ValueError, "is for images and fields"),
        ({"method": "latent"}, ValueError, "give a domain"),
        ({"method": "magic"}, ValueError, "method must be one of flow"),
        ({"method": 3}, TypeError, "method must be a name or a Method"),
        ({"target": Value(1.0, 0.1), "confidence": 0.5}, ValueError, "confidence goes with goals"),
        ({"speed": 3}, TypeError, "does not take speed; it takes confidence"),
        ({"domain": wine(), "method": "nearest", "trace": 1}, TypeError, "does not take trace"),
        ({"target": "c"}, TypeError, "without a domain classes have none"),
        ({"target": "z", "domain": wine()}, ValueError, "'z' is none of the classes a, b, c"),
        ({"target": 7, "domain": wine()}, ValueError, "0 to 2 (a, b, c), but 7 came"),
        ({"target": 0.5}, TypeError, "say Value(0.5"),
        ({"domain": wine(), "limits": (0, 1)}, ValueError, "limits belong to the domain"),
        ({"limits": 3}, ValueError, "limits must be (low, high)"),
        ({"x0": torch.rand(2, 4), "domain": wine()}, ValueError, "like the reference samples"),
        ({"x0": "three"}, TypeError, "the starts must be a tensor"),
        ({"target": [0, 1, 2]}, ValueError, "names 3 classes, but there are 2 inputs"),
        ({"domain": wine(), "alpha": 2.0}, ValueError, "alpha"),
        ({"model": None}, TypeError, "the model must be callable"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(given, error, said):
    asked = {"model": cultivar, "x0": wine().x[:2], "target": 1, **given}
    with pytest.raises(error, match=r"\.$") as told:
        xhat.optimize(**asked)
    assert said in str(told.value)


def test_an_audit_needs_to_know_what_is_real():
    with pytest.raises(ValueError, match="an audit needs to know what is real"):
        xhat.audit(None, np.zeros((2, 3)), 1)
    with pytest.raises(ValueError, match="one for each sample"):
        xhat.audit(None, wine().x[:2], 1, domain=wine(), x0=wine().x[:1])
