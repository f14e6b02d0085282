import numpy as np
import pytest
import torch
from torch import nn

from xhat.core import InputWarning, generator
from xhat.judges import Jury, pooled


class Fixed(nn.Module):
    """Gives the same logits for everything, and the input's sum besides."""

    def __init__(self, *logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.eval()

    def forward(self, x):
        return self.logits + 0 * x.flatten(1).sum(1, keepdim=True)


def distributions(n, members=3, classes=4):
    logits = 3 * torch.randn(n, members, classes, generator=generator(0))
    return logits.softmax(dim=2)


@pytest.mark.parametrize("weights", [(1 / 3, 1 / 3, 1 / 3), (1.0, 0.2, 0.0), (1.0, 1.0, 1.0)])
def test_pooled_is_the_weighted_geometric_mean(weights):
    votes = distributions(20)
    product = np.prod(votes.double().numpy() ** np.array(weights)[None, :, None], axis=1)
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pooled(votes, torch.tensor(weights)), expected, rtol=1e-4, atol=1e-6)
    jury = Jury((Fixed(0.0),) * 3, ("a", "b", "c"), 3, weights)
    torch.testing.assert_close(jury.together(votes), pooled(votes, torch.tensor(weights)))


def test_nobody_can_veto_alone_and_nobody_is_simply_outvoted():
    sure = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
    against = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    weights = torch.full((3,), 1 / 3)
    assert float(pooled(sure, weights)[0, 0]) > 0.999
    assert 0.9 < float(pooled(against, weights)[0, 0]) < 0.999
    nothing = pooled(torch.zeros(1, 3, 2), weights)  # everyone gave NaN
    assert nothing.tolist() == [[0.5, 0.5]]


def test_equal_weights_are_the_default_and_every_member_has_one():
    jury = Jury((Fixed(0.0, 1.0), Fixed(1.0, 0.0)), ("a", "b"), 1)
    assert jury.weights == (0.5, 0.5)
    with pytest.raises(ValueError, match="a weight for each of 2 members, but has 1"):
        Jury(jury.members, jury.names, 1, (1.0,))


def nll(jury, votes, labels):
    return float(nn.functional.nll_loss(jury.together(votes).log(), labels))


def test_weights_are_those_at_which_real_samples_are_likeliest():
    n = 4000
    logits = 1.5 * torch.randn(n, 3, generator=generator(0))
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator(1))[:, 0]
    noise = torch.randn(n, 3, generator=generator(2))
    votes = torch.stack([logits, 3 * noise, 2 * logits], dim=1).softmax(dim=2)
    jury = Jury((Fixed(0.0),) * 3, ("right", "noise", "too sure"), 2)
    found = jury.weighed(votes, labels)
    assert found.names == jury.names
    assert found.members == jury.members
    assert nll(found, votes, labels) < nll(jury, votes, labels) - 0.01
    right, blind, sure = found.weights
    assert right + 2 * sure == pytest.approx(1, abs=0.1)  # the logits as they were drawn
    assert 0 <= blind < 0.05
    for i in range(3):  # a minimum: other weights are worse
        for change in (0.8, 1.25):
            other = [w * change if i == j else w for j, w in enumerate(found.weights)]
            worse = Jury(jury.members, jury.names, 2, tuple(other))
            assert nll(worse, votes, labels) > nll(found, votes, labels) - 1e-4
    assert jury.weighed(votes, labels).weights == found.weights
    with torch.no_grad():
        assert jury.weighed(votes, labels).weights == found.weights


def test_few_samples_leave_the_weights_equal():
    votes, labels = distributions(4, members=2), torch.tensor([0, 1, 2, 3])
    jury = Jury((Fixed(0.0),) * 2, ("a", "b"), 3)
    assert all(0.2 < weight < 0.8 for weight in jury.weighed(votes, labels).weights)


def test_probabilities_are_each_member_s_softmax():
    jury = Jury((Fixed(1.0, 2.0, 0.0), Fixed(0.0, 0.0, 5.0)), ("a", "b"), 2)
    found = jury.probabilities(torch.zeros(1201, 1, 2, 2))
    assert found.shape == (1201, 2, 3)
    for i, member in enumerate(jury.members):
        torch.testing.assert_close(found[7, i], member.logits.detach().softmax(0))
    assert not found.requires_grad


def test_where_a_member_gives_nan_it_sees_nothing():
    jury = Jury((Fixed(1.0, 2.0), Fixed(0.0, float("nan"))), ("a", "b"), 1)
    found = jury.probabilities(torch.zeros(2, 3))
    assert found[:, 1].tolist() == [[0.0, 0.0]] * 2
    assert bool(jury.together(found).isfinite().all())


def test_without_leaves_one_out():
    members = tuple(Fixed(float(i), 0.0) for i in range(3))
    jury = Jury(members, ("a", "b", "c"), 1, (0.1, 0.2, 0.7))
    rest = jury.without("b")
    assert rest.names == ("a", "c")
    assert rest.members == (members[0], members[2])
    assert rest.weights == (0.5, 0.5)
    assert jury.without("nobody").names == jury.names
    with pytest.raises(ValueError, match="at least one member"):
        rest.without("a").without("c")


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "c")])
def test_every_member_has_a_name(names):
    with pytest.raises(ValueError, match=f"2 members and {len(names)} names"):
        Jury((Fixed(0.0), Fixed(0.0)), names, 1)
    with pytest.raises(ValueError, match="0 members and 0 names"):
        Jury((), (), 1)


def test_a_member_must_have_an_output_more_than_there_are_classes():
    x = torch.zeros(2, 3)
    assert Jury((Fixed(0.0, 0.0),), ("a",), 1).probabilities(x).shape == (2, 1, 2)
    with pytest.raises(ValueError, match="the judge a must give 3 logits, the last for none of"):
        Jury((Fixed(0.0, 0.0),), ("a",), 2).probabilities(x)


def test_members_are_left_as_they_were():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.randn(20, 3, generator=generator(0))
    jury = Jury((net,), ("net",), 1)
    with pytest.warns(InputWarning, match="training mode"):
        whole = jury.probabilities(x)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    net.eval()
    torch.testing.assert_close(jury.probabilities(x[3:4]), whole[3:4])


def test_pressed_for_a_class_nobody_says_none():
    jury = Jury((Fixed(0.0, 0.0, 0.0), Fixed(0.0, 0.0, 0.0)), ("a", "b"), 2)
    odd, other = [0.27, 0.03, 0.7], [0.02, 0.08, 0.9]
    seen = jury.pressed(torch.tensor([[odd, odd], [odd, other], [[0.0, 0.0, 1.0]] * 2]))
    assert seen[0].tolist() == pytest.approx([0.9, 0.1, 0.0])
    assert seen[1].tolist() == pytest.approx([0.6, 0.4, 0.0])  # the roots of 9 * 1/4
    assert seen[2].tolist() == pytest.approx([0.5, 0.5, 0.0])
