import pytest
import torch

from xhat.core import generator
from xhat.learning import CORRUPTIONS, Shift, corrupt
from xhat_zoo import digits

TEST = digits.split("test")
X = TEST.images[:40]


@pytest.mark.parametrize("kind", CORRUPTIONS)
class TestEveryCorruption:
    def test_keeps_range_and_shape(self, kind):
        found = corrupt(kind, X, torch.rand(len(X), generator=generator(1)), generator(0))
        assert found.shape == X.shape
        assert 0 <= found.min() <= found.max() <= 1

    def test_severity_0_is_the_image(self, kind):
        assert torch.allclose(corrupt(kind, X, torch.zeros(1), generator(0)), X, atol=1e-5)

    def test_damage_grows_with_severity(self, kind):
        damage = [
            float((corrupt(kind, X, torch.tensor([s]), generator(0)) - X).square().sum())
            for s in (0.0, 0.25, 0.5, 1.0)
        ]
        assert damage == sorted(damage)
        assert damage[-1] > 2 * damage[1] > 0

    def test_each_image_has_its_own_severity(self, kind):
        severity = torch.zeros(len(X))
        severity[3] = 1.0
        found = corrupt(kind, X, severity, generator(0))
        changed = (found - X).abs().flatten(1).amax(1) > 1e-3
        assert changed.nonzero()[:, 0].tolist() == [3]

    def test_rejects_severity_out_of_range(self, kind):
        with pytest.raises(ValueError, match=r"severity must lie in \[0, 1\]"):
            corrupt(kind, X, torch.tensor([1.5]), generator(0))
        with pytest.raises(ValueError, match="severity must have"):
            corrupt(kind, X, torch.zeros(3), generator(0))


def test_rejects_an_unknown_kind():
    with pytest.raises(ValueError, match="kind must be one of noise, blur, deformation"):
        corrupt("rust", X, torch.zeros(1), generator(0))


def test_a_shift_moves_whole_pixels_and_each_image_by_its_own():
    x = torch.zeros_like(X)
    x[..., 2:-2, 2:-2] = X[..., 2:-2, 2:-2]  # with black borders, so that rolling is moving
    moved = Shift(2)(x, generator(0))
    offsets = [(i, j) for i in range(-2, 3) for j in range(-2, 3)]
    rolled = torch.stack([x.roll(o, (2, 3)) for o in offsets])
    hit = (rolled == moved).flatten(2).all(2)
    assert hit.any(0).all()
    assert len(hit.int().argmax(0).unique()) > 5
