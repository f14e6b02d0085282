import json

import pytest
import torch

from xhat.core import UnreadableFileError, sha256_of
from xhat.learning import Card, build, load_checkpoint, save_checkpoint

CARD = Card(
    name="tiny",
    task="digits",
    architecture="MLP",
    arguments={"hidden": [8]},
    recipe="plain",
    hyperparameters={"epochs": 1},
    seed=3,
    split="surrogate_train",
    split_size=10,
    metrics={"accuracy": 0.5},
    seconds=1.0,
    command="xhat train digits --recipe plain --seed 3",
)


@pytest.fixture
def saved(tmp_path):
    model = build("MLP", seed=3, hidden=[8])
    return tmp_path, model, save_checkpoint(tmp_path, model, CARD)


def test_round_trip(saved):
    folder, model, card = saved
    loaded, read = load_checkpoint(folder, "tiny")
    assert read == card
    assert card.parameters == 784 * 8 + 8 + 16 + 8 * 10 + 10
    assert card.sha256 == sha256_of(folder / "tiny.safetensors")
    assert card.versions["torch"] == torch.__version__
    assert card.hardware["threads"] == torch.get_num_threads()
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(loaded(x), model(x))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert sorted(path.name for path in folder.iterdir()) == ["tiny.json", "tiny.safetensors"]


def test_truncated_weights(saved):
    folder, _, _ = saved
    path = folder / "tiny.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableFileError, match=r"truncated or was changed.*xhat train digits"):
        load_checkpoint(folder, "tiny")


@pytest.mark.parametrize("ending", ["json", "safetensors"])
def test_missing_file(saved, ending):
    folder, _, _ = saved
    (folder / f"tiny.{ending}").unlink()
    with pytest.raises(UnreadableFileError, match=rf"tiny\.{ending} cannot be read"):
        load_checkpoint(folder, "tiny")


def test_card_that_is_no_card(saved):
    folder, _, _ = saved
    path = folder / "tiny.json"
    for text in ("{", '{"name": "tiny"}', "[]"):
        path.write_text(text)
        with pytest.raises(UnreadableFileError, match="is not a checkpoint's card"):
            load_checkpoint(folder, "tiny")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("architecture", "Unknown", "unknown architecture 'Unknown'"),
        ("arguments", {"hidden": [9]}, "does not hold the weights"),
        ("arguments", {"depth": 9}, "does not fit"),
    ],
)
def test_card_of_another_network(saved, field, value, message):
    folder, _, _ = saved
    path = folder / "tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(UnreadableFileError, match=message):
        load_checkpoint(folder, "tiny")


def test_an_error_while_writing_leaves_the_old_pair(saved):
    folder, model, card = saved
    bad = Card(**vars(CARD) | {"hyperparameters": {"what": object()}})
    with pytest.raises(TypeError):
        save_checkpoint(folder, model, bad)
    assert load_checkpoint(folder, "tiny")[1] == card
    assert len(list(folder.iterdir())) == 2
