import dataclasses

import pytest
import torch

from xhat.core import sha256_of
from xhat.learning import count_parameters, load_checkpoint
from xhat_zoo import digits
from xhat_zoo.digits.recipes import SHIPPED, recipe
from xhat_zoo.digits.training import measure, train

NAMES = (*digits.SURROGATES, "vae", "denoiser", *digits.JUDGES, digits.AUTOENCODER)


def test_every_shipped_model_that_is_no_surrogate_has_its_own_recipe():
    assert set(SHIPPED) == set(NAMES) - set(digits.SURROGATES)


@pytest.fixture(autouse=True)
def few_balls(monkeypatch):
    """Robust accuracy in two balls: what is tested here is that cards tell what was measured."""
    monkeypatch.setattr("xhat_zoo.digits.training._BALLS", {"l2": (1.0,), "linf": (0.1,)})


def tiny(name, out, precision="float32", **options):
    """Train for one pass over 60 images; in float32, whatever this processor is fast at."""
    told = {"seed": 5, "epochs": 1, "limit": 60} | options
    return train("digits", name, out=out, precision=precision, **told)


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_training_leaves_a_true_card(name, tmp_path):
    seen = []
    card = tiny(name, tmp_path, progress=seen.append)
    model, read = load_checkpoint(tmp_path, name)
    assert read == card
    assert [record.epoch for record in seen] == [1]
    assert card.sha256 == sha256_of(tmp_path / f"{name}.safetensors")
    assert card.parameters == count_parameters(model)
    assert card.seed == 5
    assert card.split_size == 60
    assert card.hyperparameters["epochs"] == 1
    assert card.metrics == pytest.approx(measure(model, recipe(name), limit=60), abs=1e-5)
    assert card.command == f"xhat train digits --recipe {name} --seed 5 --epochs 1 --limit 60"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_card_names_the_recipe_of_today(name):
    how, card = recipe(name), digits.card(name)
    wanted = {
        key: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
        for key, value in how.hyperparameters.items()
    }
    told = {k: v for k, v in card.hyperparameters.items() if k != "signals"}
    assert told == wanted
    assert (card.architecture, card.arguments) == (how.architecture, how.arguments)
    assert (card.split, card.seed) == (how.split, how.seed)


COMPOSED = ("robust+outliers+noise-soft", "trades+astray", "robust-linf", "smooth+noise+consistent")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", COMPOSED)
def test_parts_compose_and_the_card_tells_of_each_signal(name, precision, tmp_path):
    card = tiny(name, tmp_path, precision)
    told = [signal["signal"] for signal in card.hyperparameters["signals"]]
    words = {
        "robust": "Adversarial",
        "robust-linf": "Adversarial",
        "trades": "Trades",
        "outliers": "OutlierExposure",
        "astray": "OutlierExposure",
        "noise": "Corrupted",
        "noise-soft": "Corrupted",
        "smooth": "LabelSmoothing",
        "consistent": "RotationConsistency",
    }
    assert sorted(told) == sorted(words[word] for word in name.split("+"))
    assert load_checkpoint(tmp_path, name)[1] == card


def test_parts_act_in_the_same_order_however_they_are_named(tmp_path):
    names = ("outliers+smooth+robust", "smooth+robust+outliers")
    first, second = (tiny(name, tmp_path) for name in names)
    assert first.hyperparameters == second.hyperparameters
    assert first.sha256 == second.sha256


def test_half_precision_is_asked_for_and_told_on_the_card(tmp_path):
    for name in ("plain", "vae"):
        whole, half = (tiny(name, tmp_path, precision) for precision in ("float32", "bfloat16"))
        assert "autocast" not in whole.hyperparameters
        assert half.hyperparameters["autocast"] is True
        assert whole.sha256 != half.sha256


@pytest.mark.parametrize("fast", [False, True])
def test_what_the_processor_is_fast_at_decides_only_where_nothing_is_asked(
    fast, tmp_path, monkeypatch
):
    monkeypatch.setattr("xhat_zoo.digits.training.has_fast_bfloat16", lambda device: fast)
    chosen = tiny("robust+outliers+noise-soft", tmp_path, "auto")
    assert chosen.hyperparameters.get("autocast", False) is fast
    for name, precision in (("plain", "float32"), ("vae", "auto")):
        assert "autocast" not in tiny(name, tmp_path, precision).hyperparameters


def test_soft_targets_are_learnt_instead_of_labels(tmp_path):
    even = torch.full((digits.SPLITS["surrogate_train"], 10), 0.1)
    tiny("plain", tmp_path, epochs=40, targets=even)
    p = load_checkpoint(tmp_path, "plain")[0](digits.split("test").images[:50]).softmax(1)
    assert p.max() < 0.2


class TestRejects:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("robust+best", "part of a recipe must be one of plain"),
            ("robust+plain", "has 2 bases, robust and plain"),
            ("outliers+outliers", "names outliers twice"),
        ],
    )
    def test_recipes_that_do_not_compose(self, name, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            train("digits", name, out=tmp_path)

    @pytest.mark.parametrize(
        ("name", "targets", "message"),
        [
            ("plain", torch.full((7, 10), 0.1), "one row for each of the 30000 images"),
            ("vae", torch.full((30_000, 10), 0.1), "targets are for surrogates"),
            ("plain", torch.full((30_000, 10), 0.2), "row 0 sums to 2"),
            ("plain", torch.full((30_000, 9), 1 / 9), r"\(n, 10\), but have shape"),
        ],
    )
    def test_targets_that_do_not_fit(self, name, targets, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            train("digits", name, out=tmp_path, targets=targets)

    @pytest.mark.parametrize(
        ("task", "recipe", "message"),
        [("letters", "plain", "task must be one of"), ("digits", "best", "recipe must be one of")],
    )
    def test_unknown_names(self, task, recipe, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            train(task, recipe, out=tmp_path)

    @pytest.mark.parametrize("name", ["epochs", "limit"])
    def test_numbers_out_of_range(self, name, tmp_path):
        with pytest.raises(ValueError, match=f"{name} must be above 0"):
            train("digits", "plain", out=tmp_path, **{name: 0})

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(PermissionError, match="cannot be written to"):
            train("digits", "plain", out=tmp_path / "file" / "folder")
