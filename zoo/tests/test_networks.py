"""Networks of tasks keep what is promised of those of the library."""

import inspect

import pytest
import torch

from tests.learning.test_precision import IMAGES, check_short_passes
from xhat.core import generator
from xhat.learning import architectures, build, network
from xhat_zoo.conjunction.perceptron import Perceptron
from xhat_zoo.digits.embeddings.flows import FlowAutoencoder
from xhat_zoo.digits.embeddings.line import Line
from xhat_zoo.digits.embeddings.metric import MetricEmbedding
from xhat_zoo.digits.invariant import TurnInvariantCNN
from xhat_zoo.rendered.contrast import ContrastCNN
from xhat_zoo.shapes.fields import DistanceField

INPUTS = {
    DistanceField: torch.rand(4, 3, generator=generator(0)),
    Perceptron: torch.rand(4, 2, generator=generator(0)),
    TurnInvariantCNN: IMAGES,
    FlowAutoencoder: IMAGES,
    MetricEmbedding: IMAGES,
    Line: IMAGES,
    ContrastCNN: torch.rand(4, 3, 32, 32, generator=generator(0)),
}


@pytest.mark.parametrize("kind", INPUTS)
class TestNetworksOfTasks:
    def test_are_found_and_built_by_name(self, kind):
        assert kind.__name__ in architectures()
        assert network(kind.__name__) is kind
        assert all(
            parameter.default is not inspect.Parameter.empty
            for parameter in inspect.signature(kind).parameters.values()
        )

    def test_weights_come_from_the_seed_and_leave_the_global_generator_alone(self, kind):
        before = torch.random.get_rng_state()
        first, second, other = (build(kind.__name__, seed=seed).state_dict() for seed in (3, 3, 4))
        assert torch.equal(before, torch.random.get_rng_state())
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert any(not torch.equal(first[key], other[key]) for key in first)

    def test_short_passes_learn_the_same(self, kind):
        check_short_passes(build(kind.__name__, seed=0), (INPUTS[kind],))


@pytest.mark.parametrize("kind", [kind for kind in INPUTS if not hasattr(kind, "encode")])
def test_candidates_do_not_touch_each_other_in_either_mode(kind):
    model = build(kind.__name__, seed=0).train()
    together = model(INPUTS[kind])
    alone = model.eval()(INPUTS[kind][2:3])
    assert torch.allclose(together[2:3], alone, atol=1e-5)
