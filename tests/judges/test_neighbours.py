import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import nn

from tests.judges.world import gaussians
from xhat.core import InputWarning, generator
from xhat.judges import Neighbours, Penultimate, pixels


def nearest(queries, reference, k):
    return np.sort(cdist(queries.double(), reference.double()), axis=1)[:, :k].mean(axis=1)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_distances_are_those_of_scipy(k):
    reference, calibration = gaussians(700, 0), gaussians(300, 1)
    axis = Neighbours.fit("pixels", pixels, reference, calibration, k=k)
    queries = torch.cat([gaussians(900, 2)[0], reference[0][:5]])  # 5 are the reference itself
    np.testing.assert_allclose(
        axis.distance(queries), nearest(queries, reference[0], k), rtol=1e-4, atol=5e-3
    )
    expected = np.sort(nearest(calibration[0], reference[0], k))
    np.testing.assert_allclose(axis.typical, expected, rtol=1e-4)


def test_images_are_compared_in_all_their_pixels():
    x = torch.rand(40, 1, 5, 5, generator=generator(0))
    axis = Neighbours.fit(
        "pixels", pixels, (x[:20], torch.arange(20) % 2), (x[20:], torch.arange(20) % 2), k=2
    )
    expected = nearest(x[20:].flatten(1), x[:20].flatten(1), 2)
    np.testing.assert_allclose(axis.distance(x[20:]), expected, rtol=1e-4)


def test_far_is_the_typical_distance_to_another_class():
    (x, labels), (held_out, theirs) = gaussians(400, 0), gaussians(200, 1)
    axis = Neighbours.fit("pixels", pixels, (x, labels), (held_out, theirs), k=3)
    other = [nearest(held_out[i : i + 1], x[labels != theirs[i]], 3)[0] for i in range(len(theirs))]
    assert axis.far == pytest.approx(np.sort(other)[(len(other) - 1) // 2], rel=1e-4)
    assert axis.far > float(axis.typical.max())  # well separated classes
    mixed = torch.randint(3, (400,), generator=generator(3))  # labels that mean nothing
    blind = Neighbours.fit("pixels", pixels, (x, mixed), (held_out, theirs), k=3)
    assert blind.far < axis.far / 2


@pytest.mark.parametrize("p", [0.02, 0.05, 0.1, 1 / 3, 0.5])
@pytest.mark.parametrize("n", [49, 99, 101, 200])
def test_a_distance_is_beyond_the_limit_exactly_when_its_p_value_is_at_most_p(n, p):
    axis = Neighbours.fit("pixels", pixels, gaussians(100, 0), gaussians(n, 1))
    step = torch.finfo(torch.float32).eps * axis.typical
    around = torch.cat([axis.typical, axis.typical + 2 * step, axis.typical - 2 * step])
    beyond, unusual = around > axis.limit(p), axis.p_value(around) <= p
    assert torch.equal(beyond, unusual)
    assert 0 < int(beyond.sum()) < len(around)


def test_p_values_count_real_samples():
    axis = Neighbours("line", torch.tensor([1.0, 2.0, 3.0, 4.0]), 9.0, pixels, torch.zeros(3, 1), 3)
    found = axis.p_value(torch.tensor([0.5, 1.0, 2.5, 4.0, 4.5, float("nan")]))
    assert found.tolist() == pytest.approx([1.0, 1.0, 0.6, 0.4, 0.2, 0.2])


def test_penultimate_gives_what_the_last_linear_layer_sees():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).eval()
    x = torch.rand(5, 1, 2, 2, generator=generator(0))
    torch.testing.assert_close(Penultimate(net)(x), net[:-1](x))
    with pytest.raises(ValueError, match="Flatten has no linear layer"):
        Penultimate(nn.Flatten())


def test_penultimate_leaves_the_network_as_it_was():
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.warns(InputWarning, match="training mode"):
        Penultimate(net)(torch.rand(5, 4))
    assert net.training
    assert net[0].training
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    with pytest.raises(RuntimeError):
        Penultimate(net.eval())(torch.rand(5, 7))  # the model's own complaint
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_a_reference_must_hold_enough_of_two_classes():
    x = torch.rand(9, 2, generator=generator(0))
    few = torch.tensor([0] * 7 + [1] * 2)
    calibration = (x, few)
    with pytest.raises(ValueError, match=r"at least 3 samples of each .* has \[7, 2\]"):
        Neighbours.fit("pixels", pixels, (x, few), calibration, k=3)
    with pytest.raises(ValueError, match=r"at least 2 classes, but has \[9\] of the classes \[0\]"):
        Neighbours.fit("pixels", pixels, (x, few * 0), (x, few * 0), k=3)
    with pytest.raises(ValueError, match="classes that the reference lacks"):
        Neighbours.fit("pixels", pixels, (x, few), (x, few + 1), k=2)
    assert Neighbours.fit("pixels", pixels, (x, few), calibration, k=2).far > 0


def test_values_that_are_not_finite_are_refused():
    x, labels = torch.rand(9, 2, generator=generator(0)), torch.arange(9) % 2
    bad = x.clone()
    bad[3, 1] = float("nan")
    with pytest.raises(ValueError, match="the reference must be finite"):
        Neighbours.fit("pixels", pixels, (bad, labels), (x, labels))
    with pytest.raises(ValueError, match="the calibration samples must be finite"):
        Neighbours.fit("pixels", pixels, (x, labels), (bad, labels))
