import dataclasses

import pytest

from xhat.core import sha256_of
from xhat.learning import count_parameters, load_checkpoint
from xhat.study.training import RECIPES, measure, train
from xhat.tasks import digits

NAMES = (*digits.SURROGATES, "vae", *digits.JUDGES, digits.AUTOENCODER)


def test_there_is_one_recipe_per_shipped_model():
    assert set(RECIPES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_training_leaves_a_true_card(name, tmp_path):
    seen = []
    card = train("digits", name, out=tmp_path, seed=5, epochs=1, limit=60, progress=seen.append)
    model, read = load_checkpoint(tmp_path, name)
    assert read == card
    assert [record.epoch for record in seen] == [1]
    assert card.sha256 == sha256_of(tmp_path / f"{name}.safetensors")
    assert card.parameters == count_parameters(model)
    assert card.seed == 5
    assert card.split_size == 60
    assert card.hyperparameters["epochs"] == 1
    assert card.metrics == pytest.approx(measure(model, RECIPES[name].kind, limit=60), abs=1e-5)
    assert card.command == f"xhat train digits --recipe {name} --seed 5 --epochs 1 --limit 60"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_card_names_the_recipe_of_today(name):
    recipe, card = RECIPES[name], digits.card(name)
    wanted = {
        key: dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
        for key, value in recipe.hyperparameters.items()
    }
    assert card.hyperparameters == wanted
    assert (card.architecture, card.arguments) == (recipe.architecture, recipe.arguments)
    assert (card.split, card.seed) == (recipe.split, recipe.seed)


class TestRejects:
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
