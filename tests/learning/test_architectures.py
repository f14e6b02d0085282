import inspect
import sys

import pytest
import torch
from torch import nn

from xhat.core import UnreadableFileError
from xhat.learning import (
    NETWORKS,
    Card,
    architectures,
    build,
    load_checkpoint,
    network,
    networks,
    save_checkpoint,
)


def test_every_network_of_the_room_can_be_built_by_name():
    assert {"SmallCNN", "KernelClassifier", "VAE"} <= set(NETWORKS)
    for name in networks.__all__:
        assert NETWORKS[name] is getattr(networks, name)
    for name, kind in NETWORKS.items():
        assert kind.__name__ == name
        assert isinstance(build(name, seed=0), nn.Module)
        assert all(  # so that a card can say how to build it again
            parameter.default is not inspect.Parameter.empty
            for parameter in inspect.signature(kind).parameters.values()
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_from_the_seed_and_leave_the_global_generator_alone(name):
    before = torch.random.get_rng_state()
    first, second, other = (build(name, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_arguments_are_passed_on():
    assert build("MLP", seed=0, classes=3, inputs=2, hidden=(5,))(torch.zeros(4, 2)).shape == (4, 3)
    with pytest.raises(TypeError):
        build("MLP", seed=0, depth=3)


def test_rejects_unknown_names():
    with pytest.raises(ValueError, match=r"architecture must be one of SmallCNN.*'Transformer'"):
        build("Transformer", seed=0)


STRANGER = """
from torch import nn

class Kettle(nn.Module):
    def __init__(self, inputs=2):
        super().__init__()
        self.inside = nn.Linear(inputs, 1)

    def forward(self, x):
        return self.inside(x)

class MLP(Kettle):
    pass

def made():
    return Kettle()
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A distribution of somebody else's that registers a network, and what is none."""
    (tmp_path / "kettle_nets.py").write_text(STRANGER)
    told = tmp_path / "kettle_nets-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: kettle-nets\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[xhat.networks]\nKettle = kettle_nets:Kettle\nOdd = kettle_nets:made\n"
        "MLP = kettle_nets:MLP\nBroken = kettle_nets:Nothing\nAway = no_such_module:Net\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("kettle_nets", None)


def card_of(**arguments):
    return Card(
        name="kettle",
        task="tea",
        architecture="Kettle",
        arguments=arguments,
        recipe="plain",
        hyperparameters={},
        seed=1,
        split="all",
        split_size=1,
        metrics={},
        seconds=0.0,
        command="",
    )


class TestAStrangersNetwork:
    def test_is_built_by_name_and_found_again_by_its_card(self, stranger, tmp_path):
        assert "Kettle" in architectures()
        model = build("Kettle", seed=1, inputs=3)
        assert torch.equal(model.inside.weight, build("Kettle", seed=1, inputs=3).inside.weight)
        card = card_of(inputs=3)
        save_checkpoint(tmp_path, model, card)
        loaded, told = load_checkpoint(tmp_path, "kettle")
        assert told.architecture == "Kettle"
        assert type(loaded).__name__ == "Kettle"
        assert torch.equal(loaded.inside.weight, model.inside.weight)

    def test_takes_no_name_of_this_room(self, stranger):
        assert network("MLP") is networks.MLP
        assert architectures().count("MLP") == 1

    @pytest.mark.parametrize(
        ("name", "kind", "said"),
        [
            ("Odd", TypeError, "kettle_nets:made is registered as the network Odd, but is no"),
            ("Broken", ValueError, "the network Broken cannot be loaded: .*Nothing"),
            ("Away", ValueError, "the network Away cannot be loaded: No module named 'no_such"),
        ],
    )
    def test_what_is_no_network_is_refused_in_one_sentence(self, stranger, name, kind, said):
        with pytest.raises(kind, match=said):
            build(name, seed=0)


def test_a_card_of_a_network_that_is_not_installed_is_refused(stranger, tmp_path, monkeypatch):
    save_checkpoint(tmp_path, build("Kettle", seed=0), card_of())
    monkeypatch.undo()
    with pytest.raises(UnreadableFileError, match="unknown architecture 'Kettle'"):
        load_checkpoint(tmp_path, "kettle")
