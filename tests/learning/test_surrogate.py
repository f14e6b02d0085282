import pytest
import torch

from xhat.core import generator
from xhat.learning import Surrogate, build, side_of, squared

SHAPES = ((5,), (1, 3), (2, 50), (1, 8, 8), (3, 9, 14))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestEveryShape:
    x = staticmethod(lambda shape: torch.rand(6, *shape, generator=generator(0)))

    def test_gives_logits_each_candidate_by_itself(self, shape):
        model, x = build("Surrogate", seed=0, shape=list(shape), classes=4), self.x(shape)
        together = model(x)
        assert together.shape == (6, 4)
        assert torch.allclose(model(x[2:3]), together[2:3], atol=1e-5)
        with pytest.raises(ValueError, match="this surrogate takes samples"):
            model(x[..., :-1])

    def test_units_are_kept_with_the_weights(self, shape):
        first = build("Surrogate", seed=0, shape=shape)
        size = (1, *shape) if len(shape) == 1 else (1,)
        plain = first(self.x(shape))
        first.adjusted(torch.full(size, 7.0), torch.full(size, 2.0))
        other = build("Surrogate", seed=5, shape=shape)
        other.load_state_dict(first.state_dict())
        moved = 2 * self.x(shape) + 7
        assert torch.allclose(other(moved), plain, atol=1e-5)
        assert torch.allclose(other.units(moved), self.x(shape), atol=1e-5)


def test_columns_have_units_of_their_own():
    units = torch.tensor([[1.0, 1000.0]])
    model = Surrogate((2,)).adjusted(torch.zeros(1, 2), units)
    assert model.units(torch.tensor([[0.5, 500.0]])).tolist() == [[0.5, 0.5]]


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one, two or three axes"):
        Surrogate((1, 2, 3, 4))


def test_edges_are_continued_to_a_square():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    found = squared(x, side_of(3, 4))
    assert found.shape == (1, 1, 8, 8)
    assert torch.equal(found[..., 2:5, 2:6], x)
    assert (found[..., :2, 2:6] == x[..., :1, :]).all()
    same = torch.rand(1, 1, 8, 8)
    assert squared(same, 8) is same
