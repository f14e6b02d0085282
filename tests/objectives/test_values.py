import torch
from torch.nn import functional as F

from tests.laws.registry import ConvNet, starts
from xhat.core import generator
from xhat.objectives import Match

N = 4


def test_match_is_torchs_mean_squared_error_per_row():
    net, x = ConvNet(), starts(N)
    value = torch.randn(N, 4, generator=generator(0))
    expected = F.mse_loss(net(x), value, reduction="none").mean(dim=1)
    assert torch.allclose(Match(net, value)(x), expected)
    assert torch.allclose(Match(net, value[:1])(x), (net(x) - value[:1]).square().mean(dim=1))
    assert torch.allclose(Match(net, 0.5)(x), (net(x) - 0.5).square().mean(dim=1))


def test_fields_and_plain_numbers_can_be_matched():
    x = starts(N)
    field = x.roll(1, 0)
    expected = (x - field).square().flatten(1).mean(dim=1)
    assert torch.allclose(Match(lambda x: x, field)(x), expected)
    one = Match(lambda x: x.flatten(1).sum(dim=1), torch.arange(N).float())
    assert torch.allclose(one(x), (x.flatten(1).sum(dim=1) - torch.arange(N)).square())


def test_reached_means_every_output_is_within_the_tolerance():
    x = torch.tensor([[0.0, 0.0], [0.09, -0.1], [0.0, 0.2]])
    found = Match(lambda x: x, torch.zeros(1, 2), tolerance=0.1).measure(x, x)
    assert found.reached.tolist() == [True, True, False]
    assert found.confidence is None
    assert Match(lambda x: x, torch.zeros(1, 2)).measure(x, x).reached is None
