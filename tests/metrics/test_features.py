import pytest
import torch
from torch import nn

from xhat.core import InputWarning
from xhat.metrics import Features


class Holder:
    """A function with a network inside, as the judges' representations are."""

    def __init__(self, model):
        self.model = model

    def __call__(self, x):
        return self.model(x)

    def see(self, x):
        return x


class Net(nn.Linear):
    def see(self, x):
        return self(x)


def linear(seed=0):
    net = Net(3, 2).requires_grad_(False)
    net.weight.copy_(torch.randn(2, 3, generator=torch.Generator().manual_seed(seed)))
    net.bias.zero_()
    return net


def test_features_are_flat_and_double_in_parts():
    x = torch.rand(1100, 3)
    net = linear().eval()
    found = Features("linear", net)(x)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, net(x).double())
    assert Features("pixels", lambda x: x)(torch.rand(2, 1, 4, 4)).shape == (2, 16)
    assert Features("sum", lambda x: x.sum(1))(x).shape == (1100, 1)


def test_the_hash_follows_the_weights_wherever_they_are():
    same, other = linear(0), linear(1)
    known = Features("a", linear(0)).sha256
    assert known is not None
    assert len(known) == 64
    assert {Features("b", f).sha256 for f in (same, same.see, Holder(same))} == {known}
    assert Features("a", other).sha256 != known
    assert Features("a", nn.Sequential(same)).sha256 != known  # other names
    assert Features("a", linear(0).double()).sha256 != known
    assert Features("a", lambda x: x).sha256 is None
    same.weight[0, 0] += 1e-3
    assert Features("a", same).sha256 != known


def test_modules_of_odd_types_are_hashed():
    net = nn.BatchNorm1d(2).to(torch.bfloat16)  # with a counter without axes
    assert len(Features("norm", net).sha256 or "") == 64


def test_the_network_is_left_in_its_mode():
    net = nn.Sequential(linear(), nn.Dropout(0.5))
    with pytest.warns(InputWarning, match="training mode"):
        found = Features("net", net)(torch.ones(4, 3))
    assert net.training
    torch.testing.assert_close(found, net[0](torch.ones(4, 3)).double())


def test_bad_features_are_refused():
    x = torch.rand(4, 3)
    with pytest.raises(ValueError, match=r"'mean' must have one row for each of 4 samples.*\(3,\)"):
        Features("mean", lambda x: x.mean(0))(x)
    with pytest.raises(ValueError, match="one row for each of 4 samples, but are float"):
        Features("number", lambda x: 1.0)(x)
    with pytest.raises(ValueError, match="the features 'log' must be finite"):
        Features("log", lambda x: (x - 2).log())(x)
