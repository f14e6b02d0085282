import copy

import pytest
import torch
from torch import nn

from tests.judges.world import readable
from xhat.core import generator
from xhat.judges import Judge, Jury, Likelihood, Neighbours, Penultimate, Reconstruction
from xhat.judges.independence import check_independent


def net(seed):
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).eval()
    source = generator(seed, "net")
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=source)
        else:
            parameter.data = torch.full_like(parameter, 0.5)  # alike in every net
    return model


def shares_a_part(judge):
    return nn.Sequential(judge[0], nn.Linear(8, 2))


def shares_a_tensor(judge):
    tied = nn.Linear(8, 3)
    tied.weight = judge[3].weight
    return tied


def shares_memory(judge):
    tied = nn.Linear(8, 1)
    tied.weight = nn.Parameter(judge[3].weight.detach()[1:2])  # a view of its middle
    return tied


def loaded_twice(judge):
    other = net(9)
    other.load_state_dict(judge.state_dict())
    return other


RELATED = [
    lambda judge: judge,
    shares_a_part,
    shares_a_tensor,
    shares_memory,
    copy.deepcopy,
    loaded_twice,
]


class Rebuilds:
    """A function that holds a network."""

    def __init__(self, model):
        self.anything = model

    def __call__(self, x):
        return x + 0.1 * self.anything(x)[:, :2]


def judge_with(place, judge):
    """Return a judge in which the network ``judge`` has this part."""
    x, labels = readable(100, 1)
    member = judge if place == "the judge second" else net(1)
    axes = {
        "pixels": Neighbours("pixels", x, labels=labels),
        "features": Neighbours("features", x, Penultimate(net(2)), labels),
        "latents": Likelihood("latents", x, net(3).forward),
        "rebuilt": Reconstruction("rebuilt", Rebuilds(net(4))),
    }
    name = place.removeprefix("the representation ")
    if name == "features":
        axes[name] = Neighbours(name, x, Penultimate(judge), labels)
    elif name == "latents":
        axes[name] = Likelihood(name, x, judge.forward)
    elif name == "rebuilt":
        axes[name] = Reconstruction(name, Rebuilds(judge))
    jury = Jury((net(5), member), ("first", "second"), 2)
    return Judge.assemble(jury, tuple(axes.values()), (x, labels), readable(100, 2))


@pytest.mark.parametrize("related", RELATED)
@pytest.mark.parametrize(
    "place",
    [
        "the judge second",
        "the representation features",
        "the representation latents",
        "the representation rebuilt",
    ],
)
def test_a_judge_that_shares_weights_with_the_searched_model_is_refused(related, place):
    network = net(0)
    judge = judge_with(place, network)
    x, labels = readable(10, 3)
    with pytest.raises(ValueError, match=f"{place} shares weights with a model that was searched"):
        judge.judge(x, labels, searched=(net(6), related(network)))
    with pytest.raises(ValueError, match="hold out another model"):
        judge.judge(x, labels, searched=related(network))
    assert len(judge.judge(x, labels, searched=(net(6), related(net(7))))) == 10


def test_what_was_searched_is_a_module_or_several():
    judge = judge_with("the judge second", net(0))
    x, labels = readable(10, 3)
    outcomes = judge.judge(x, labels).outcomes
    assert judge.judge(x, labels, searched=net(9)).outcomes == outcomes
    assert judge.judge(x, labels, searched=[net(9), nn.ReLU()]).outcomes == outcomes
    with pytest.raises(TypeError, match="must hold torch modules, not function"):
        judge.judge(x, labels, searched=[lambda x: x])


def test_what_is_constant_or_empty_is_no_one_s_own():
    blank, other = nn.Linear(4, 3), nn.Linear(4, 3)
    for layer in (blank, other):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    check_independent("the judge", blank, (other,))
    biases = nn.Linear(4, 3)
    with torch.no_grad():
        biases.bias.copy_(torch.arange(3.0))
        other.bias.copy_(torch.arange(3.0))
    check_independent("the judge", biases, (other,))  # equal biases alone prove nothing
    empty = nn.ParameterList([nn.Parameter(torch.empty(0))])
    check_independent("the judge", empty, (nn.ParameterList([nn.Parameter(torch.empty(0))]),))
    check_independent("the judge", nn.ReLU(), (nn.ReLU(),))
    with pytest.raises(ValueError, match="the judge shares weights"):
        check_independent("the judge", blank, (nn.Sequential(nn.ReLU(), blank),))
