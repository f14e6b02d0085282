import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

from xhat.core import InputWarning, generator
from xhat.judges import Likelihood, Penultimate, Reconstruction, pixels
from xhat.judges.axes import represented


def correlated(n, seed, d=5):
    mixing = torch.randn(d, d, generator=generator(0, "mixing"))
    return torch.randn(n, d, generator=generator(seed, "samples")) @ mixing + 3


def batch_net():
    return nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))


def test_the_likelihood_axis_is_the_mahalanobis_distance():
    reference, x = correlated(800, 1), correlated(300, 2)
    axis = Likelihood("likelihood", reference)
    noise = 0.01 * float(reference.max() - reference.min())
    covariance = np.cov(reference.double().numpy().T) + noise**2 * np.eye(5)
    mean = reference.double().mean(dim=0)[None].numpy()
    inverse = np.linalg.inv(covariance)
    expected = cdist(x.double().numpy(), mean, "mahalanobis", VI=inverse)
    assert axis.scores(x).shape == (300, 1)
    np.testing.assert_allclose(axis.scores(x), expected, rtol=1e-3)
    halved = Likelihood("half", 2 * reference, lambda x: x / 2)
    np.testing.assert_allclose(halved.scores(2 * x), expected, rtol=1e-3)


def test_it_notices_little_where_real_samples_vary_little_and_only_there():
    def flat(n, seed):
        return torch.cat([correlated(n, seed), torch.zeros(n, 1)], dim=1)

    axis = Likelihood("likelihood", flat(800, 1))
    limit = axis.scores(flat(400, 2)).max()
    x = flat(200, 4)
    noisy = x.clone()
    noisy[:, 5] = 1.0  # about the size of the usual differences elsewhere
    assert float((axis.scores(x) > limit).float().mean()) < 0.05
    assert bool((axis.scores(noisy) > limit).all())


def test_typicality_is_said_to_be_two_sided_and_is_the_same_distance():
    x = correlated(300, 1)
    one, both = Likelihood("one", x), Likelihood("both", x, typicality=True)
    assert (one.two_sided, both.two_sided) == ((False,), (True,))
    assert torch.equal(one.scores(x), both.scores(x))


def test_images_of_one_value_everywhere_are_taken():
    axis = Likelihood("likelihood", torch.ones(5, 1, 2, 2))
    assert axis.scores(torch.ones(4, 1, 2, 2)).tolist() == [[0.0]] * 4
    assert float(axis.scores(torch.zeros(1, 1, 2, 2))) > 1e4


def test_one_feature_is_enough():
    axis = Likelihood("likelihood", torch.randn(500, 1, generator=generator(0)))
    assert axis.scores(torch.tensor([[0.0], [3.0]])).flatten().tolist() == pytest.approx(
        [0, 3], abs=0.3
    )


def test_too_many_features_and_bad_values_are_refused():
    with pytest.raises(ValueError, match="at most 4096 features, but samples have 5000"):
        Likelihood("likelihood", torch.rand(3, 5000))
    bad = correlated(10, 1)
    bad[0, 0] = torch.inf
    with pytest.raises(ValueError, match="the reference must be finite"):
        Likelihood("likelihood", bad)


def test_reconstruction_is_the_distance_to_what_is_rebuilt():
    x = torch.randn(1200, 2, 3, generator=generator(0))
    axis = Reconstruction("half", lambda x: 0.5 * x)
    torch.testing.assert_close(axis.scores(x)[:, 0], 0.5 * x.flatten(1).norm(dim=1))
    assert axis.scores(torch.zeros(1, 2, 3)).tolist() == [[0.0]]


@pytest.mark.parametrize("kind", [Likelihood, Reconstruction])
def test_distances_can_be_differentiated_and_scores_cannot(kind):
    x = correlated(50, 1)
    axis = kind("axis", x) if kind is Likelihood else kind("axis", torch.tanh)
    leaf = x[:3].clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(axis.distance(leaf).sum(), leaf)
    assert bool((grad.norm(dim=1) > 0).all())
    assert not axis.scores(leaf).requires_grad


def test_the_networks_that_look_are_named():
    net, x = batch_net().eval(), torch.rand(20, 4, generator=generator(0))

    class Holder:
        def __init__(self):
            self.net = net

        def __call__(self, x):
            return self.net(x)

        def look(self, x):
            return self.net(x)

    for see in (net, net.forward, Penultimate(net), Holder(), Holder().look):
        assert Likelihood("axis", x, see).modules() == (net,)
        assert Reconstruction("axis", see).modules() == (net,)
    assert Likelihood("axis", x, pixels).modules() == ()


def test_penultimate_gives_what_the_last_linear_layer_sees():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).eval()
    x = torch.rand(5, 1, 2, 2, generator=generator(0))
    torch.testing.assert_close(Penultimate(net)(x), net[:-1](x))
    with pytest.raises(ValueError, match="Flatten has no linear layer"):
        Penultimate(nn.Flatten())


@pytest.mark.parametrize("see", [lambda net: net, lambda net: net.forward, Penultimate])
def test_networks_are_left_as_they_were(see):
    net = batch_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.rand(1201, 4, generator=generator(0))
    with pytest.warns(InputWarning, match="training mode"):
        found = represented(see(net), x)
    assert all(module.training for module in net.modules())
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not found.requires_grad
    with pytest.raises(RuntimeError):
        represented(see(net.eval()), torch.rand(5, 7))  # the model's own complaint
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_what_is_seen_does_not_depend_on_the_parts_it_is_seen_in():
    x = torch.rand(1201, 2, 3, generator=generator(0))
    torch.testing.assert_close(represented(pixels, x), x.flatten(1))
