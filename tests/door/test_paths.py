"""The way of a search, judged state by state."""

import pytest
import torch

import xhat
from tests.domains import cultivar, wine


@pytest.fixture(scope="module")
def found():
    domain = wine()
    rows = domain.halves[1][:5]
    target = (domain.labels[rows] + 1) % 3
    return xhat.optimize(cultivar, domain.x[rows], target, domain=domain, method="flow", trace=1)


def test_a_path_says_of_every_state_what_it_is(found):
    told = found.path(0)
    assert told.steps == tuple(range(11))
    assert told.on_manifold.shape == told.blended.shape == (11,)
    assert bool(told.on_manifold[0])
    assert told.seen[0] != told.seen[-1]
    assert told.seen[-1] == "b" or told.seen[-1] in "abc"
    assert told.detour >= 1
    assert "states on the manifold (straight blends:" in str(told)
    assert str(told).count("\n") == 11


def test_what_is_missing_for_a_path_is_said(found):
    domain = wine()
    plain = xhat.optimize(cultivar, domain.x[:1], 1, domain=domain, method="plain")
    with pytest.raises(ValueError, match="trace=1"):
        plain.path(0)
    with pytest.raises(IndexError, match="there are 5 candidates, but 7 came"):
        found.path(7)
    alone = xhat.optimize(cultivar, domain.x[:1], 1, method="plain", trace=1)
    with pytest.raises(ValueError, match="domain="):
        alone.path(0)
    assert torch.equal(found.trajectory.x[0], found.x0)
