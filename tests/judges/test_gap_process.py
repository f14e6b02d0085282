"""A Gaussian process learns where gaps are large, and says nothing where nothing was seen."""

import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from xhat.core import generator
from xhat.judges.gap_process import GapProcess


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_it_agrees_with_another_implementation(noise):
    draws = generator(0, "process")
    x = torch.rand(40, 2, generator=draws).double()
    gaps = (4 * x[:, 0]).sin() + noise * torch.randn(40, generator=draws)
    new = torch.rand(30, 2, generator=draws).double() * 2
    found = GapProcess.fit(x, gaps)
    kernel = ConstantKernel(1 - found.noise) * RBF(found.length) + WhiteKernel(found.noise)
    peer = GaussianProcessRegressor(kernel, optimizer=None).fit(
        x, (gaps - found.mean) / found.deviation
    )
    mean, deviation = peer.predict(new.numpy(), return_std=True)
    got = found(new)
    assert torch.allclose(got[0], found.mean + found.deviation * torch.from_numpy(mean), atol=1e-6)
    expected = found.deviation * torch.from_numpy(deviation)
    assert torch.allclose(got[1], expected, atol=1e-5)


def test_it_takes_noise_for_noise():
    draws = generator(1, "process")
    x = torch.rand(60, 3, generator=draws)
    signal, noise = (5 * x[:, 0]).cos(), torch.randn(60, generator=draws)
    assert GapProcess.fit(x, signal).noise < GapProcess.fit(x, noise).noise


def test_far_away_it_says_the_mean_and_the_spread():
    gaps = torch.tensor([1.0, 2.0, 6.0])
    mean, deviation = GapProcess.fit(torch.eye(3), gaps)(torch.full((1, 3), 1e3))
    assert float(mean) == pytest.approx(3.0)
    assert float(deviation) == pytest.approx(float(gaps.std()))


def test_equal_samples_and_equal_gaps_are_no_trouble():
    mean, deviation = GapProcess.fit(torch.zeros(5, 2), torch.ones(5))(torch.rand(4, 2))
    assert torch.allclose(mean, torch.ones(4).double())
    assert (deviation < 1e-6).all()
