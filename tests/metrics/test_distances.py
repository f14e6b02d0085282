import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from tests.metrics.world import exactly, normal
from xhat.metrics import GaussianFit, KernelMean, frechet_distance, kernel_distance


class Given(nn.Module):
    """Features that are in the first pixels already; torchmetrics wants images."""

    num_features = 6

    def forward(self, x):
        return x.flatten(1)[:, : self.num_features]


def as_images(features):
    return torch.nn.functional.pad(features, (0, 192 - features.shape[1])).reshape(-1, 3, 8, 8)


@pytest.fixture(scope="module")
def pair():
    return normal(300, 6, 0), 0.7 * normal(400, 6, 1) + 0.3


def test_the_frechet_distance_is_that_of_torchmetrics(pair):
    metric = FrechetInceptionDistance(Given(), input_img_size=(3, 8, 8), normalize=True)
    metric.set_dtype(torch.float64)
    metric.update(as_images(pair[1]), real=True)
    metric.update(as_images(pair[0]), real=False)
    assert frechet_distance(*pair) == pytest.approx(float(metric.compute()), rel=1e-6)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all:UserWarning")
def test_the_kernel_distance_is_that_of_torchmetrics(pair):
    a, b = (x[:250] for x in pair)
    metric = KernelInceptionDistance(Given(), subsets=1, subset_size=250, normalize=True)
    metric.update(as_images(b), real=True)
    metric.update(as_images(a), real=False)
    mean, _ = metric.compute()
    assert kernel_distance(a, b) == pytest.approx(float(mean), rel=1e-5, abs=1e-6)


def test_the_frechet_distance_of_two_known_gaussians():
    mean, other = torch.tensor([1.0, -2.0, 0.5]).double(), torch.zeros(3).double()
    mixing = normal(3, 3, 5)
    first, second = (
        mixing @ mixing.T + torch.eye(3),
        torch.diag(torch.tensor([4.0, 1, 0.25])).double(),
    )
    root = linalg.sqrtm(first.numpy() @ second.numpy()).real
    expected = float((mean - other).square().sum() + first.trace() + second.trace()) - 2 * np.trace(
        root
    )
    found = frechet_distance(exactly(50, mean, first), exactly(80, other, second, seed=1))
    assert found == pytest.approx(expected, rel=1e-9)


def test_diagonal_covariances_have_a_closed_form():
    a = exactly(40, torch.zeros(2).double(), torch.diag(torch.tensor([9.0, 1.0])).double())
    b = exactly(60, torch.ones(2).double(), torch.diag(torch.tensor([4.0, 1.0])).double(), seed=2)
    assert frechet_distance(a, b) == pytest.approx(2 + (3 - 2) ** 2, rel=1e-9)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_fewer_samples_than_features_give_a_distance_all_the_same(n):
    a, b = normal(n, 40, 0), normal(n, 40, 1)
    between, (first, second) = a.mean(0) - b.mean(0), (torch.cov(x.T) for x in (a, b))
    root = torch.linalg.eigh(first)
    half = root.eigenvectors * root.eigenvalues.clamp_min(0).sqrt() @ root.eigenvectors.T
    shared = torch.linalg.eigvalsh(half @ second @ half).clamp_min(0).sqrt().sum()
    expected = float(between.square().sum() + first.trace() + second.trace() - 2 * shared)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert 0 <= frechet_distance(a, a) < 1e-9


def test_constant_features_and_equal_sets_are_no_distance_away():
    same = torch.ones(10, 4)
    assert frechet_distance(same, same) == 0
    assert frechet_distance(same, same + 1) == pytest.approx(4)
    assert kernel_distance(same, same) == pytest.approx(0, abs=1e-12)


def test_the_kernel_distance_is_that_of_its_definition():
    a, b = normal(7, 3, 0), normal(9, 3, 1)

    def kernel(x, y):
        return (x @ y.T / 3 + 1) ** 3

    def others(x):
        return (kernel(x, x).sum() - kernel(x, x).trace()) / (len(x) * (len(x) - 1))

    expected = float(others(a) + others(b) - 2 * kernel(a, b).mean())
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_the_kernel_distance_of_equal_distributions_is_0_on_average_and_frechet_is_not():
    draws = [(normal(40, 4, 2 * i), normal(40, 4, 2 * i + 1)) for i in range(200)]
    kernel = np.array([kernel_distance(*draw) for draw in draws])
    assert abs(kernel.mean()) < 3 * kernel.std() / np.sqrt(len(kernel))
    assert kernel.min() < 0
    few = np.mean([frechet_distance(a[:20], b[:20]) for a, b in draws])
    many = np.mean([frechet_distance(*draw) for draw in draws])
    assert few / many == pytest.approx(2, rel=0.2)  # the bias falls as 1 / n


def test_large_sets_are_taken_in_parts():
    a, b = normal(1500, 2, 0), normal(1100, 2, 1)
    kernel = (a @ b.T / 2 + 1) ** 3
    mean = KernelMean.fit(a)
    within = (((a @ a.T / 2 + 1) ** 3).sum() - ((a * a).sum(1) / 2 + 1).pow(3).sum()) / (
        1500 * 1499
    )
    assert mean.within == pytest.approx(float(within), rel=1e-10)
    other = KernelMean.fit(b)
    expected = mean.within + other.within - 2 * float(kernel.mean())
    assert mean.distance(other) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_bad_features_are_refused(distance):
    x = torch.rand(5, 3)
    with pytest.raises(ValueError, match="at least 2 samples, but has 1"):
        distance(x[:1], x)
    with pytest.raises(ValueError, match="one has 3 and the other 2"):
        distance(x, x[:, :2])
    with pytest.raises(ValueError, match="must have 2 axes"):
        distance(x[:, 0], x)
    with pytest.raises(ValueError, match="must be finite"):
        distance(x, x.clone().fill_(torch.nan))
    with pytest.raises(TypeError, match="floating point"):
        distance(x.long(), x)
    assert GaussianFit.fit(x[:2]).mean.dtype == torch.float64
