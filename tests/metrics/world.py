"""Samples with known properties, and the helpers of the tests of measures."""

import torch

from xhat.core import generator
from xhat.metrics import Features


def normal(n, d, seed):
    return torch.randn(n, d, generator=generator(seed, "normal"), dtype=torch.float64)


def exactly(n, mean, covariance, seed=0):
    """Samples whose mean and covariance are exactly those given; n > d."""
    x = normal(n, len(mean), seed)
    x = x - x.mean(dim=0)
    whitening = torch.linalg.cholesky(torch.linalg.inv(torch.cov(x.T)))
    return mean + x @ whitening @ torch.linalg.cholesky(covariance).T


def itself(x):
    return x


ITSELF = Features("coordinates", itself)


def classes(n, seed, d=3, count=2, step=6.0):
    """``n`` samples of ``count`` Gaussian classes, in turn."""
    labels = torch.arange(n) % count
    return normal(n, d, seed) + step * labels[:, None], labels
