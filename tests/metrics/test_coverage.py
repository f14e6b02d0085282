import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from tests.metrics.world import normal
from xhat.metrics import NeighbourManifold, coverage


def by_hand(found, real, k):
    """The formulas of the two papers, written out."""
    own, theirs = (np.sort(cdist(x, x), axis=1)[:, k] for x in (found, real))
    across = cdist(found, real)
    return {
        "precision": (across <= theirs).any(axis=1).mean(),
        "recall": (across <= own[:, None]).any(axis=0).mean(),
        "density": (across <= theirs).sum(axis=1).mean() / k,
        "coverage": (across <= theirs).any(axis=0).mean(),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m"), [(60, 90), (700, 300)])  # within one part, and in several
def test_the_shares_are_those_of_the_papers(n, m, k):
    found, real = 0.8 * normal(n, 4, 0) + 0.4, normal(m, 4, 1)
    assert vars(coverage(found, real, k)) == pytest.approx(by_hand(found, real, k))


def test_radii_are_those_of_scikit_learn():
    x = normal(80, 3, 0)
    nearest, _ = NearestNeighbors(n_neighbors=5).fit(x).kneighbors()
    np.testing.assert_allclose(
        NeighbourManifold.fit(x, 5).squared.sqrt(), nearest[:, -1], rtol=1e-9
    )


def test_real_samples_cover_each_other():
    shares = coverage(normal(400, 3, 0), normal(400, 3, 1))
    assert shares.precision > 0.9
    assert shares.recall > 0.9
    assert shares.density == pytest.approx(1, abs=0.1)
    assert shares.coverage > 0.9


def test_what_is_far_covers_nothing():
    assert set(vars(coverage(normal(50, 3, 0) + 100, normal(50, 3, 1))).values()) == {0.0}


def test_results_that_are_all_alike_are_precise_and_cover_little():
    real = normal(400, 3, 0)
    shares = coverage(0.05 * normal(400, 3, 1), real)
    assert shares.precision == 1
    assert shares.recall < 0.1
    assert shares.coverage < 0.2
    assert shares.density > 1.3


def test_one_outlier_raises_recall_but_not_coverage():
    real = normal(300, 2, 0)
    clump = 0.05 * normal(50, 2, 1)
    stray = torch.cat((clump, torch.tensor([[6.0, 0.0]], dtype=torch.float64)))
    assert coverage(stray, real).recall > coverage(clump, real).recall + 0.3
    assert coverage(stray, real).coverage == pytest.approx(coverage(clump, real).coverage, abs=0.03)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_equal_samples_lie_in_each_others_balls_despite_rounding(offset):
    x = (normal(50, 3, 0) + offset).repeat_interleave(3, dim=0)  # balls of no size
    shares = coverage(x[::3].repeat(3, 1), x, k=2)
    assert shares.precision == shares.coverage == shares.recall == 1


def test_balls_are_made_once_for_many_calls():
    found, real = normal(40, 3, 0), normal(60, 3, 1)
    assert coverage(NeighbourManifold.fit(found, 3), NeighbourManifold.fit(real, 3)) == coverage(
        found, real, 3
    )


def test_too_few_samples_and_other_features_are_refused():
    x = torch.rand(6, 2)
    with pytest.raises(ValueError, match="at least 7 samples, but has 6"):
        coverage(x, x, k=6)
    with pytest.raises(ValueError, match="k must be a whole number from 1"):
        coverage(x, x, k=0)
    with pytest.raises(ValueError, match="one has 2 and the other 1"):
        coverage(x, x[:, :1])
    with pytest.raises(ValueError, match="must be finite"):
        coverage(x, x / 0)
    assert coverage(x, x, k=5).precision == 1
