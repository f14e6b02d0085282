import dataclasses
import json

import pytest
import torch

from xhat.learning import Card
from xhat_zoo import digits
from xhat_zoo.digits.appraisal import QUICK, STEERED, Scope, appraise, record
from xhat_zoo.digits.foreign import foreign
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.model_report import report_model, write_report
from xhat_zoo.digits.negatives import TEST_KINDS

SCOPE = dataclasses.replace(
    QUICK, images=1000, radii={"l2": (0.5, 1.5)}, methods={"robust": STEERED["robust"]}
)
PLAIN, ROBUST = (digits.surrogate(name) for name in ("plain", "robust"))


@pytest.fixture(scope="module")
def plain():
    return appraise(PLAIN, None, SCOPE)


@pytest.fixture(scope="module")
def robust():
    return appraise(ROBUST, digits_judge(), SCOPE)


class TestAppraisal:
    def test_is_what_is_known_of_the_shipped_surrogates(self, plain, robust):
        assert plain.metrics["accuracy"] > 0.97
        assert robust.metrics["robust l2 1.5"] > plain.metrics["robust l2 1.5"] + 0.3
        assert 0.3 < plain.metrics["accuracy under noise"] < 0.95

    def test_robust_accuracy_falls_with_the_radius(self, plain):
        m = plain.metrics
        assert m["accuracy"] >= m["robust l2 0.5"] >= m["robust l2 1.5"] >= 0

    def test_damage_begins_at_accuracy_and_ends_near_chance(self, plain):
        for curve in plain.damage.values():
            assert curve[0] > 0.9
            assert curve[-1] < 0.5

    def test_a_temperature_never_makes_digits_less_likely_where_it_was_fitted(self, robust):
        assert robust.metrics["temperature"] > 0
        assert robust.metrics["nll tempered"] < robust.metrics["nll"] + 0.02

    def test_foreign_images_look_less_certain_than_digits(self, plain):
        assert all(plain.metrics[f"AUROC {kind}"] > 0.75 for kind in TEST_KINDS)

    def test_gradients_are_of_each_digits_own_class(self, robust):
        assert robust.samples.shape == robust.gradients.shape == (10, 1, 28, 28)
        x = robust.samples - 1e-3 * robust.gradients.sign()
        labels = torch.arange(10)
        with torch.no_grad():
            before, after = (
                ROBUST(images).log_softmax(1)[labels, labels] for images in (robust.samples, x)
            )
        assert (after >= before - 1e-6).all()

    def test_steering_is_over_crossing_pairs_and_leaves_out_without_judges(self, plain, robust):
        numbers = robust.steering["robust"].numbers()
        assert numbers["n"] == 90
        assert sum(numbers["verdicts"].values()) == 90
        assert robust.metrics["genuine robust"] == numbers["genuine"]
        table = robust.steering["robust"].table()
        own = torch.eye(10, dtype=torch.bool)
        assert table.shape == (10, 10)
        assert float(table[~own].mean()) == pytest.approx(numbers["genuine"])
        assert not plain.steering
        assert "genuine robust" not in plain.metrics

    def test_is_json(self, robust):
        assert json.loads(json.dumps(record(robust)))["steering"]["robust"]["verdicts"]
        assert (
            json.loads(json.dumps(Scope().describe()))["methods"]["proximal"]["proximity"] == 0.05
        )


class TestForeignImages:
    @pytest.mark.parametrize("kind", TEST_KINDS)
    def test_are_images_and_repeat(self, kind):
        first, again, other = (foreign(kind, 30, seed) for seed in (0, 0, 1))
        assert first.shape == (30, 1, 28, 28)
        assert 0 <= first.min() <= first.max() <= 1
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_rejects_other_kinds_and_more_clothes_than_there_are(self):
        with pytest.raises(ValueError, match="kind must be one of clothes"):
            foreign("noises", 5)
        with pytest.raises(ValueError, match="there are 1000 images of clothes, but 1001"):
            foreign("clothes", 1001)


class TestReport:
    card = Card(
        name="plain+smooth",
        task="digits",
        architecture="SmallCNN",
        arguments={},
        recipe="plain+smooth",
        hyperparameters={"epochs": 1, "signals": [{"signal": "LabelSmoothing", "amount": 0.1}]},
        seed=0,
        split="surrogate_train",
        split_size=60,
        metrics={},
        seconds=1.0,
        command="xhat train digits --recipe plain+smooth",
    )

    def test_leaves_a_whole_page_numbers_and_figures(self, tmp_path):
        scope = dataclasses.replace(SCOPE, images=100)
        report = report_model(PLAIN, self.card, scope=scope, autoattack=0)
        page = write_report(report, tmp_path)
        text = page.read_text()
        assert page.name == "plain+smooth.report.html"
        assert "LabelSmoothing (amount 0.1)" in text
        assert "AutoAttack was not asked for" in text
        assert "xhat train digits --recipe plain+smooth --report" in text
        assert text.count("data:image/png;base64,") == 3
        assert "://" not in text
        numbers = json.loads((tmp_path / "plain+smooth.report.json").read_text())
        assert numbers["metrics"]["accuracy"] > 0.9
        assert {path.name for path in (tmp_path / "plain+smooth.report").iterdir()} == {
            "curves.png",
            "gradients.png",
            "steering.png",
        }

    def test_says_what_is_missing_for_autoattack(self, tmp_path, monkeypatch):
        def missing(*args, **options):
            raise ImportError("no pyautoattack")

        monkeypatch.setattr("xhat_zoo.digits.model_report.autoattack_accuracy", missing)
        scope = dataclasses.replace(SCOPE, images=100)
        page = write_report(report_model(PLAIN, self.card, scope=scope, autoattack=5), tmp_path)
        assert "pip install" in page.read_text()
