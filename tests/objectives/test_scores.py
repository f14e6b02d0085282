import pytest
import torch

from xhat.core import generator
from xhat.objectives import ScorePrior


def shrink(x, sigma, label):
    """The exact denoiser of standard normal images around the label."""
    mean = 0.0 if label is None else label.reshape(-1, 1).to(x)
    return mean + (x - mean) / (1 + sigma**2)


def gradient(prior, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(prior(x).sum(), x)[0]


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
def test_the_gradient_is_the_score_of_the_noisy_density(sigma):
    x = torch.randn(5, 4, generator=generator(0), dtype=torch.float64)
    noisy = torch.distributions.Normal(0.0, (1 + sigma**2) ** 0.5)
    y = x.clone().requires_grad_(True)
    (wanted,) = torch.autograd.grad(-noisy.log_prob(y).sum(), y)
    torch.testing.assert_close(gradient(ScorePrior(shrink, sigma), x), wanted)


def test_noise_counts_for_nothing_on_the_mean():
    x = torch.full((20_000, 1), 2.0)
    noise = torch.randn(x.shape, generator=generator(1))
    plain = gradient(ScorePrior(shrink, 1.0), x[:1])
    found = gradient(ScorePrior(shrink, 1.0, noise=noise), x).mean(0, keepdim=True)
    torch.testing.assert_close(found, plain, atol=0.02, rtol=0)


def test_the_label_says_whose_density_counts():
    x = torch.tensor([[3.0], [3.0]])
    prior = ScorePrior(shrink, 1.0, torch.tensor([3, 0]))
    assert prior(x)[0] == 0 < prior(x)[1]
    assert prior.select(torch.tensor([1]))(x[:1]) == prior(x)[1]


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match="sigma must be"):
        ScorePrior(shrink, 0.0)
    with pytest.raises(ValueError, match=r"must be classes from 0, but holds values from -1"):
        ScorePrior(shrink, 1.0, -1)
    with pytest.raises(TypeError, match="the denoiser must be callable"):
        ScorePrior(None, 1.0)
    x = torch.zeros(1, 4)
    with pytest.raises(ValueError, match=r"the noise has shape \(5,\), but the candidates \(4,\)"):
        ScorePrior(shrink, 1.0, noise=torch.zeros(1, 5)).check(x, x)
    with pytest.raises(ValueError, match=r"returned \(3,\); it was made for other inputs"):
        ScorePrior(lambda x, sigma, label: x[:, :3], 1.0)(x)
