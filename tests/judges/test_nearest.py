"""The nearest points are the nearest, however they are found."""

import pytest
import torch

from xhat.core import generator
from xhat.judges.axes import Penultimate, Reconstruction
from xhat.judges.judge import Judge
from xhat.judges.jury import Jury
from xhat.judges.nearest import Points
from xhat.judges.neighbours import Neighbours
from xhat.judges.passes import once, one_pass

D, M = 300, 4_200  # enough of both for sketches


def _points(spread: float, seed: int = 0) -> torch.Tensor:
    """Return points along 20 directions, and ``spread`` beside them."""
    draws = generator(seed, "points")
    plane = torch.randn(20, D, generator=generator(0, "plane"))
    along = torch.randn(M, 20, generator=draws) @ plane
    return along + spread * torch.randn(M, D, generator=draws)


@pytest.mark.parametrize("spread", [0.1, 30.0])  # sketches decide; or hardly ever do
def test_sketches_find_what_all_distances_find(spread):
    points, queries = _points(spread), _points(spread, 1)[:50]
    queries[0] = points[7]
    found = Points.of(points)
    assert found.sketches is not None
    distance, index = found.nearest(queries, 21)
    apart = (queries[:, None].double() - points.double()).norm(dim=2)
    right = apart.topk(21, dim=1, largest=False)
    assert torch.allclose(distance.double(), right.values, rtol=1e-5)
    assert (index == right.indices).double().mean() > 0.999  # equal distances aside
    assert (float(distance[0, 0]), int(index[0, 0])) == (0.0, 7)


def test_a_sketch_never_lies_farther_than_the_point():
    points = Points.of(_points(1.0))
    assert points.basis is not None
    assert points.sketches is not None
    assert torch.allclose(points.basis.T @ points.basis, torch.eye(128), atol=1e-4)
    near = torch.cdist(points.sketches[:100], points.sketches[100:300])
    assert bool((near <= torch.cdist(points.places[:100], points.places[100:300]) * 1.0001).all())


def test_fewer_points_than_asked_for_are_all_found():
    distance, index = Points.of(torch.arange(3.0)[:, None]).nearest(torch.tensor([[2.5]]), 9)
    assert distance.tolist() == [[0.5, 1.5, 2.5]]
    assert index.tolist() == [[2, 1, 0]]


class _Counting(torch.nn.Module):
    """A classifier that counts how many samples it looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.looked = torch.nn.Linear(4, 5), torch.nn.Linear(5, 3), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.looked += len(x)
        return self.last(self.first(x).relu())


def test_a_network_looks_once_however_many_axes_look_through_it():
    torch.manual_seed(0)
    net, other = _Counting().eval(), _Counting().eval()
    draws = generator(0)
    x, labels = torch.randn(400, 4, generator=draws), torch.arange(400) % 2
    axes = (
        Neighbours("pixels", x[:200], labels=labels[:200]),
        Neighbours("features", x[:200], Penultimate(net), labels[:200]),
        Reconstruction("itself", lambda x: 0 * x),
    )
    judge = Judge.assemble(
        Jury((net, other), ("net", "other"), 2),
        axes,
        (x[:200], labels[:200]),
        (x[200:], labels[200:]),
    )
    net.looked = other.looked = 0
    evidence = judge.look(x[:150], labels[:150])
    assert (net.looked, other.looked) == (150, 150)
    assert evidence.votes is not None
    with torch.no_grad():
        assert torch.allclose(evidence.votes[:, 0], net(x[:150]).softmax(dim=1), atol=1e-6)


def test_what_was_seen_is_forgotten_and_told_apart():
    asked = []

    def see(x):
        asked.append(len(x))
        return x + 1

    x = torch.zeros(4, 2)
    with one_pass():
        assert once(see, x[:2]) is once(see, x[:2])
        once(see, x[2:])
        once(see, x[:2].T)
    once(see, x[:2])
    assert asked == [2, 2, 2, 2]
