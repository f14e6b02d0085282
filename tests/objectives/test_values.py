import pytest
import torch
from torch.nn import functional as F

from tests.laws.registry import ConvNet, starts
from xhat.core import generator
from xhat.objectives import Interval, Match

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


def test_each_error_counts_in_units_of_its_own_tolerance():
    unit = torch.tensor([1.0, 1e4, 1e-3])
    x = torch.randn(N, 3, generator=generator(2))
    value = torch.randn(N, 3, generator=generator(3))
    plain = Match(lambda x: x, value, 0.1).measure(x, x)
    scaled = Match(lambda x: x * unit, value * unit, 0.1 * unit).measure(x, x)
    assert torch.allclose(scaled.loss, plain.loss / 0.1**2, rtol=1e-4)
    assert torch.equal(scaled.reached, plain.reached)
    own = Match(lambda x: x, value, torch.full((N, 3), 0.1)).measure(x, x)
    assert torch.allclose(own.loss, scaled.loss, rtol=1e-4)


def test_what_does_not_matter_has_neither_loss_nor_gradient():
    value = torch.tensor([[0.5, torch.nan, 2.0]])
    x = torch.tensor([[0.0, 7.0, 2.0]], requires_grad=True)
    found = Match(lambda x: x, value, 0.6).measure(x, x)
    (gradient,) = torch.autograd.grad(found.loss.sum(), x)
    assert float(found.loss.detach()) == pytest.approx(0.125)
    assert bool(found.reached)
    assert gradient.tolist() == [[-0.5, 0.0, 0.0]]
    ends = Interval(lambda x: x, [[0.5, -torch.inf, 1.0]], torch.inf).measure(x, x)
    assert float(ends.loss.detach()) == pytest.approx(0.125)
    assert not ends.reached
    one = Interval(lambda x: x, 0.5, torch.inf, column=0)
    assert torch.allclose(one(x), torch.tensor([0.25]))


def test_fields_have_weights_and_masks_in_their_shape():
    x, field = starts(N), starts(N).roll(1, 0)
    mask = torch.zeros(x.shape[1:], dtype=torch.bool)
    mask[..., :3] = True
    found = Match(lambda x: x, field, mask=mask)(x)
    assert torch.allclose(found, (x - field).square()[..., :3].flatten(1).mean(dim=1), atol=1e-6)
    rows = Match(lambda x: x, field, weight=mask.float().expand(N, *mask.shape))(x)
    assert torch.allclose(rows, found)
