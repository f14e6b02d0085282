import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from tests.judges.world import gaussians
from xhat.core import generator
from xhat.judges import Neighbours
from xhat.judges.neighbours import local_dimension


def nearest(queries, reference, k):
    return np.sort(cdist(queries.double(), reference.double()), axis=1)[:, :k]


@pytest.mark.parametrize("k", [1, 3, 7])
def test_distances_are_those_of_brute_force(k):
    reference, _ = gaussians(700, 0)
    axis = Neighbours("pixels", reference, k=k)
    queries = torch.cat([gaussians(900, 2)[0], reference[:5]])  # 5 are the reference itself
    expected = nearest(queries, reference, k).mean(axis=1)
    others = nearest(queries, reference, k + 1)[-5:, 1:]  # none is its own neighbour
    expected[-5:] = others.mean(axis=1)
    np.testing.assert_allclose(axis.scores(queries)[:, 0], expected, rtol=1e-4, atol=5e-3)
    found = axis.nearest(queries, k)
    np.testing.assert_allclose(
        found.distance,
        (queries[:, None] - reference[found.index]).norm(dim=2),
        rtol=1e-4,
        atol=5e-3,
    )
    assert found.copied[-5:].tolist() == [0, 1, 2, 3, 4]
    assert bool((found.copied[:-5] == -1).all())
    assert bool((found.distance.diff(dim=1) >= 0).all())


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e5])
def test_data_far_from_the_origin_lose_no_digits(offset):
    x = (gaussians(400, 0)[0] + offset, gaussians(100, 1)[0] + offset)
    axis = Neighbours("pixels", x[0], k=3)
    expected = nearest(x[1], x[0], 3).mean(axis=1)
    np.testing.assert_allclose(axis.scores(x[1])[:, 0], expected, rtol=1e-3)


def test_a_representation_is_looked_at_in_all_its_values():
    x = torch.rand(60, 1, 5, 5, generator=generator(0))
    axis = Neighbours("pixels", x[:30], k=2)
    expected = nearest(x[30:].flatten(1), x[:30].flatten(1), 2).mean(axis=1)
    np.testing.assert_allclose(axis.scores(x[30:])[:, 0], expected, rtol=1e-4)
    first = Neighbours("first row", x[:30], lambda x: x[:, 0, 0], k=2)
    expected = nearest(x[30:, 0, 0], x[:30, 0, 0], 2).mean(axis=1)
    np.testing.assert_allclose(first.scores(x[30:])[:, 0], expected, rtol=1e-4)


def test_far_is_the_typical_distance_to_another_class():
    (x, labels), (held_out, theirs) = gaussians(400, 0), gaussians(201, 1)
    axis = Neighbours("pixels", x, labels=labels, k=3)
    other = [
        nearest(held_out[i : i + 1], x[labels != theirs[i]], 3).mean() for i in range(len(theirs))
    ]
    far = axis.far(held_out, theirs)
    assert far == pytest.approx(np.median(other), rel=1e-4)
    assert far > float(axis.scores(held_out).max())  # well separated classes
    mixed = torch.randint(3, (400,), generator=generator(3))  # labels that mean nothing
    assert Neighbours("pixels", x, labels=mixed, k=3).far(held_out, theirs) < far / 2


def test_without_labels_far_is_the_typical_distance_to_anything():
    (x, labels), (held_out, theirs) = gaussians(400, 0), gaussians(200, 1)
    typical = np.median(cdist(held_out, x))
    for axis, given in (
        (Neighbours("pixels", x), None),
        (Neighbours("pixels", x), theirs),
        (Neighbours("pixels", x, labels=labels), None),
        (Neighbours("pixels", x, labels=labels * 0), theirs),
    ):
        assert axis.far(held_out, given) == pytest.approx(typical, rel=0.1)


def test_local_dimension_is_the_formula():
    distance = torch.rand(20, 9, generator=generator(0)).sort(dim=1).values + 0.01
    expected = [-1 / np.mean([np.log(r / row[-1]) for r in row[:-1]]) for row in distance.numpy()]
    np.testing.assert_allclose(local_dimension(distance), expected, rtol=1e-4)
    assert bool(local_dimension(torch.zeros(2, 5)).isfinite().all())  # copies of the reference
    assert bool(local_dimension(torch.ones(2, 5)).isfinite().all())  # all at one distance


@pytest.mark.parametrize("dimension", [1, 2, 6])
def test_local_dimension_is_about_that_of_the_data(dimension):
    turn = torch.linalg.qr(torch.randn(10, 10, generator=generator(0))).Q[:dimension]
    flat = torch.rand(4000, dimension, generator=generator(1))
    axis = Neighbours("pixels", flat @ turn, k_dimension=20)
    inside = (0.3 + 0.4 * torch.rand(200, dimension, generator=generator(2))) @ turn
    found = axis.scores(inside)
    assert axis.names == ("pixels", "local dimension in pixels")
    assert axis.two_sided == (False, True)
    assert found.shape == (200, 2)
    assert float(found[:, 1].median()) == pytest.approx(dimension, rel=0.25)
    noisy = inside + 0.5 * torch.randn(200, 10, generator=generator(3))
    assert float(axis.scores(noisy)[:, 1].median()) > 1.5 * dimension


def test_scores_do_not_depend_on_how_many_neighbours_are_known():
    x, _ = gaussians(200, 0)
    axis = Neighbours("pixels", x[:100], k=3, k_dimension=10)
    torch.testing.assert_close(axis.scores(x[100:]), axis.scores_of(axis.nearest(x[100:], 30)))


def test_a_reference_must_hold_enough_samples_of_every_class():
    x = torch.rand(9, 2, generator=generator(0))
    few = torch.tensor([0] * 7 + [1] * 2)
    with pytest.raises(ValueError, match=r"at least 3 .* of every class.*has 9.*\[7, 2\]"):
        Neighbours("pixels", x, labels=few, k=3)
    with pytest.raises(ValueError, match="at least 10 samples"):
        Neighbours("pixels", x, k_dimension=10)
    with pytest.raises(ValueError, match="at least 10 samples"):
        Neighbours("pixels", x, k=10)
    assert Neighbours("pixels", x, labels=few, k=2).far(x, few) > 0
    assert Neighbours("pixels", x, k=9).scores(x).shape == (9, 1)


def test_values_that_are_not_finite_are_refused():
    x = torch.rand(9, 2, generator=generator(0))
    x[3, 1] = float("nan")
    with pytest.raises(ValueError, match="the reference must be finite"):
        Neighbours("pixels", x)
