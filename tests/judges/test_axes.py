import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from xhat.core import generator
from xhat.judges.axes import Likelihood, rank


def correlated(n, seed, d=5):
    mixing = torch.randn(d, d, generator=generator(0, "mixing"))
    return torch.randn(n, d, generator=generator(seed, "samples")) @ mixing + 3


def test_the_likelihood_axis_is_the_mahalanobis_distance():
    reference, x = correlated(800, 1), correlated(300, 2)
    axis = Likelihood.fit(reference, correlated(200, 3))
    noise = 0.01 * float(reference.max() - reference.min())
    covariance = np.cov(reference.double().numpy().T) + noise**2 * np.eye(5)
    mean = reference.double().mean(dim=0)[None].numpy()
    inverse = np.linalg.inv(covariance)
    expected = cdist(x.double().numpy(), mean, "mahalanobis", VI=inverse)[:, 0]
    np.testing.assert_allclose(axis.distance(x), expected, rtol=1e-3)
    assert axis.far is None
    assert bool((axis.typical.diff() >= 0).all())


def test_it_notices_little_where_real_samples_vary_little_and_only_there():
    def flat(n, seed):
        return torch.cat([correlated(n, seed), torch.zeros(n, 1)], dim=1)

    axis = Likelihood.fit(flat(800, 1), flat(400, 2))
    x, noisy = flat(200, 4), flat(200, 4)
    noisy[:, 5] = 1.0  # about the size of the usual differences elsewhere
    assert float((axis.distance(x) > axis.limit(0.01)).float().mean()) < 0.05
    assert bool((axis.distance(noisy) > axis.limit(0.01)).all())


def test_images_of_one_value_everywhere_are_taken():
    axis = Likelihood.fit(torch.ones(5, 1, 2, 2), torch.ones(4, 1, 2, 2))
    assert axis.typical.tolist() == [0.0] * 4
    assert float(axis.distance(torch.zeros(1, 1, 2, 2))) > axis.limit(0.2)


def test_too_many_features_and_bad_values_are_refused():
    with pytest.raises(ValueError, match="at most 4096 features, but samples have 5000"):
        Likelihood.fit(torch.rand(3, 5000), torch.rand(3, 5000))
    bad = correlated(10, 1)
    bad[0, 0] = torch.inf
    for pair in ((bad, correlated(10, 2)), (correlated(10, 2), bad)):
        with pytest.raises(ValueError, match="must be finite"):
            Likelihood.fit(*pair)


@pytest.mark.parametrize(
    ("p", "n", "expected"), [(0.05, 99, 5), (0.05, 98, 4), (0.1, 9, 1), (0.01, 9, 1), (0.3, 9, 3)]
)
def test_rank_counts_the_candidate_too(p, n, expected):
    assert rank(p, n) == expected
