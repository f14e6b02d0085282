import sys

import pytest
import torch

from tests.metrics.world import normal
from xhat.metrics import intrinsic_dimension


def embedded(x, d, seed=9):
    """Rows of ``x`` turned into ``d`` dimensions, their distances unchanged."""
    rotation, _ = torch.linalg.qr(normal(d, x.shape[1], seed))
    return x @ rotation.T


def test_a_gaussian_of_5_dimensions_in_20():
    found = intrinsic_dimension(embedded(normal(1000, 5, 0), 20))
    assert [name for name, _ in found.estimates] == ["TwoNN", "MLE", "local PCA"]
    assert 4.5 < found.low <= found.high < 5.6
    assert (found.n, found.repeated) == (1000, 0)


def test_a_sphere_has_one_dimension_less_than_its_space():
    x = normal(1500, 4, 1)
    found = intrinsic_dimension(embedded(x / x.norm(dim=1, keepdim=True), 30))
    assert 2.7 < found.low <= found.high < 4.1  # local PCA sees the bend


def test_repeated_samples_are_left_out():
    x = embedded(normal(300, 2, 2), 6)
    once, twice = intrinsic_dimension(x), intrinsic_dimension(torch.cat((x, x[:50])))
    assert (twice.n, twice.repeated) == (300, 50)
    assert dict(twice.estimates) == pytest.approx(dict(once.estimates))


def test_bad_samples_are_refused():
    with pytest.raises(ValueError, match=r"at least 101 different samples.*1 of the 200"):
        intrinsic_dimension(torch.ones(200, 3))
    with pytest.raises(ValueError, match="a line has 1"):
        intrinsic_dimension(torch.rand(200, 1))
    with pytest.raises(ValueError, match="patch must be a whole number"):
        intrinsic_dimension(torch.rand(200, 2), patch=0)


def test_a_missing_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "skdim.id", None)
    with pytest.raises(ImportError, match=r"pip install 'xhat\[dimension\]'"):
        intrinsic_dimension(torch.rand(200, 2))
