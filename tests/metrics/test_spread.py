import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from tests.metrics.world import normal
from xhat.metrics import mean_distance, travel, vendi_score


def test_the_mean_distance_is_that_of_scipy():
    x = normal(600, 4, 0)
    assert mean_distance(x) == pytest.approx(pdist(x).mean(), rel=1e-9)
    assert mean_distance(x[:1].repeat(5, 1)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", [(30, 4), (6, 50)])
def test_the_vendi_score_is_that_of_its_definition(shape):
    x = normal(*shape, 0)
    unit = x / x.norm(dim=1, keepdim=True)
    values = np.linalg.eigvalsh(unit @ unit.T / len(x))
    values = values[values > 1e-12]
    assert vendi_score(x) == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-6)


def test_the_vendi_score_counts_different_samples():
    assert vendi_score(torch.eye(5).repeat(4, 1)) == pytest.approx(5)
    assert vendi_score(torch.ones(1, 3)) == pytest.approx(1)
    blank = torch.cat((torch.zeros(3, 2), torch.ones(3, 2)))  # blank ones are like each other only
    assert vendi_score(blank) == pytest.approx(2)


def test_travel_compares_with_the_nearest_real_sample():
    found, starts, real = (normal(n, 6, i).reshape(n, 1, 2, 3) for i, n in enumerate((40, 40, 90)))
    gone = travel(found, starts, real)
    flat = starts.flatten(1)
    np.testing.assert_allclose(gone.moved, (found.flatten(1) - flat).norm(dim=1))
    np.testing.assert_allclose(gone.nearest, cdist(flat, real.flatten(1)).min(axis=1))
    np.testing.assert_allclose(gone.ratio, gone.moved / gone.nearest)


def test_a_start_that_is_a_real_sample_has_nowhere_to_go():
    real = normal(5, 3, 0)
    gone = travel(torch.stack((real[0], real[1] + 1)), real[:2], real)
    assert gone.nearest.tolist() == [0, 0]
    assert gone.ratio.tolist() == [1, float("inf")]


def test_bad_samples_are_refused():
    x = torch.rand(4, 3)
    with pytest.raises(ValueError, match=r"one start for each result.*\(3, 3\) came for \(4, 3\)"):
        travel(x, x[:3], x)
    with pytest.raises(ValueError, match="one has 3 and the other 2"):
        travel(x, x, x[:, :2])
    with pytest.raises(ValueError, match="real is empty"):
        travel(x, x, x[:0])
    with pytest.raises(ValueError, match="at least 2 samples"):
        mean_distance(x[:1])
    with pytest.raises(TypeError, match="floating point"):
        vendi_score(x.long())
