import inspect

import pytest
import torch
from torch import nn

from xhat.learning import NETWORKS, build, networks


def test_every_network_of_the_room_can_be_built_by_name():
    assert {"SmallCNN", "TurnInvariantCNN", "KernelClassifier", "VAE"} <= set(NETWORKS)
    for name in networks.__all__:
        assert NETWORKS[name] is getattr(networks, name)
    for name, network in NETWORKS.items():
        assert network.__name__ == name
        assert isinstance(build(name, seed=0), nn.Module)
        assert all(  # so that a card can say how to build it again
            parameter.default is not inspect.Parameter.empty
            for parameter in inspect.signature(network).parameters.values()
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
