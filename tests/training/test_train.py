import json

import pytest
import torch
from sklearn.datasets import load_wine

from tests.training import domains
from xhat.domain import Domain
from xhat.judges import Outcome
from xhat.learning import load_checkpoint
from xhat.training import Scope, train
from xhat.training.setting import Parts, unit_limits
from xhat.training.steering import NEAREST, pairs_of

QUICK = Scope(
    damaged=40, foreign=40, attacked=20, attack_steps=4, pairs=12, methods=("plain",), max_steps=20
)


@pytest.fixture(scope="module")
def wine():
    data = load_wine(as_frame=True)
    return Domain(data.data, data.target, classes=["a", "b", "c"], name="wine")


class TestTrain:
    def test_learns_in_the_units_of_the_data_and_is_loaded_again(self, wine, tmp_path):
        made = train(wine, "quick", out=tmp_path)
        parts = Parts.of(wine)
        model, card = load_checkpoint(tmp_path, "wine-quick")
        right = model(wine.x[parts.unseen]).argmax(1) == wine.labels[parts.unseen]
        assert float(right.float().mean()) == pytest.approx(card.metrics["accuracy"])
        assert card.metrics["accuracy"] > 0.85
        assert (card.task, card.split_size) == ("wine", len(parts.trained))
        assert made.page is None
        with pytest.raises(ValueError, match=r"takes samples \(n, 13\), but \(2, 12\) came"):
            model(torch.zeros(2, 12))

    def test_trains_on_nothing_that_the_judge_knows(self, wine):
        parts, (mine, judged) = Parts.of(wine), wine.halves
        sets = [{*rows.tolist()} for rows in (parts.trained, parts.held, judged)]
        assert sets[0] | sets[1] == {*mine.tolist()}
        assert not sets[0] & sets[1]
        assert not (sets[0] | sets[1]) & sets[2]
        assert {*parts.labels[parts.held].tolist()} == {0, 1, 2}

    def test_limits_hold_in_the_units_of_the_network(self, tmp_path):
        x = torch.rand(80, 3) * torch.tensor([1.0, 100.0, 1e-3])
        limits = (torch.tensor([0.0, -torch.inf, 0.0]), torch.tensor([1.0, torch.inf, 2e-3]))
        domain = Domain(x, x[:, 0] > 0.5, limits=limits, name="units")
        model = train(domain, "robust+outliers", out=tmp_path, epochs=2).model
        low, high = unit_limits(model, domain)
        assert torch.isfinite(low).all()
        assert torch.isfinite(high).all()
        assert ((model.units(x) >= low) & (model.units(x) <= high)).all()

    def test_distributions_are_learnt_instead_of_labels(self, wine, tmp_path):
        even = torch.full((len(wine), 3), 1 / 3)
        model = train(wine, "quick", out=tmp_path, targets=even).model
        assert model(wine.x).softmax(1).max() < 0.5

    def test_given_outliers_are_learnt_to_be_of_no_class(self, wine, tmp_path):
        far = wine.x.mean(0, keepdim=True) + wine.scale * torch.linspace(0.3, 0.5, 20)[:, None]
        far = torch.minimum(torch.maximum(far, wine.low), wine.high)
        made = train(wine, "quick+outliers", out=tmp_path, outliers=far)
        assert made.model(far).softmax(1).amax(1).median() < 0.5
        assert made.card.hyperparameters["own outliers"] == 20

    def test_an_interrupt_leaves_nothing(self, wine, tmp_path):
        def stop(*_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(wine, out=tmp_path / "weights", on_progress=stop)
        assert not [*(tmp_path / "weights").glob("*")]


class TestReport:
    @pytest.mark.parametrize("kind", domains.KINDS)
    def test_is_one_page_with_figures_of_that_kind(self, kind, tmp_path):
        made = train(domains.small(kind), "quick+smooth", out=tmp_path, epochs=20, report=QUICK)
        text = made.page.read_text()
        assert made.page.name == f"{kind}-quick+smooth.report.html"
        assert "What the judge calls genuine" in text
        assert NEAREST in text
        assert "://" not in text
        figures = {path.stem for path in (tmp_path / f"{kind}-quick+smooth.report").iterdir()}
        own = {"image": {"gradients", "changes"}, "signal": {"gradients", "changes"}}
        assert figures == {"curves", "steering"} | own.get(kind, set())
        assert ("(real: " in text) is (kind == "table")
        numbers = json.loads((tmp_path / f"{kind}-quick+smooth.report.json").read_text())
        metrics = numbers["metrics"]
        assert metrics["entropy noise"] > 0
        own = metrics["judged genuine: real samples"]
        assert own > (0.3 if kind == "signal" else 0.6)  # that jury reads 71 % of new signals
        other = metrics["judged genuine: real samples of another class"]
        assert other < min(own, 0.25)  # beta, and three standard deviations for 22 samples
        assert 0 <= metrics["accuracy under noise"] <= metrics["accuracy"] + 0.1
        assert metrics[f"reached {NEAREST}"] > 0.5
        counts = numbers["steering"]["plain"]["verdicts"]
        assert sum(counts.values()) == sum(numbers["steering"][NEAREST]["verdicts"].values())
        assert set(counts) == {str(outcome) for outcome in Outcome}

    def test_pairs_are_of_other_classes_and_even(self):
        labels = torch.arange(40) % 4
        rows, target = pairs_of(labels, 4, 36, 0)
        assert (labels[rows] != target).all()
        assert len(rows) == 36
        assert (target.bincount() == 9).all()
        assert len(pairs_of(labels, 4, 5, 0)[0]) == 5


class TestRejects:
    def test_no_labels(self, tmp_path):
        with pytest.raises(ValueError, match="has no labels; give labels="):
            train(Domain(torch.rand(50, 3)), out=tmp_path)
        with pytest.raises(
            ValueError, match=r"for quantities see xhat\.surrogates.train_regression"
        ):
            train(Domain(torch.rand(50, 3), values=torch.rand(50)), out=tmp_path)

    def test_too_few_samples(self, wine, tmp_path):
        few = Domain(torch.rand(20, 3), torch.arange(20) % 2)
        with pytest.raises(
            ValueError, match=r"class 0 has 10 samples, of which \d are for training"
        ):
            train(few, out=tmp_path)
        assert not [*tmp_path.iterdir()]

    def test_a_class_without_samples(self, tmp_path):
        domain = Domain(torch.rand(80, 3), torch.arange(80) % 2 + 1)
        with pytest.raises(ValueError, match="no samples of the class 0; number the classes"):
            train(domain, out=tmp_path)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"recipe": "magic"}, "part of a recipe must be one of plain"),
            ({"recipe": "noise+noise-soft"}, "exclude each other"),
            ({"epochs": 0}, "epochs must be above 0"),
            ({"precision": "half"}, "precision must be one of"),
            ({"device": "abacus"}, "the device 'abacus' cannot be used"),
            ({"targets": torch.full((7, 3), 1 / 3)}, "one row for each of the 178 samples of wine"),
            ({"targets": torch.full((178, 3), 0.5)}, "row 0 sums to 1.5"),
            ({"outliers": torch.rand(5, 13)}, "add one of them, or leave the outliers out"),
            ({"recipe": "outliers", "outliers": torch.rand(5, 4)}, "like the reference samples"),
            ({"recipe": "outliers", "outliers": torch.full((5, 13), 1e9)}, "must lie in"),
        ],
    )
    def test_what_does_not_fit(self, wine, options, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            train(wine, out=tmp_path, **options)

    def test_a_folder_that_cannot_be_written(self, wine, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(PermissionError, match="cannot be written to"):
            train(wine, out=tmp_path / "file" / "folder")
