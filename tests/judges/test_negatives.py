import pytest
import torch

from xhat.core import generator
from xhat.judges.negatives import KINDS, Negatives
from xhat.tasks import digits


@pytest.fixture(scope="module")
def source():
    part = digits.split("judge_train")
    return Negatives(part.upright[:2000], part.labels[:2000])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 6])
def test_every_kind_gives_finite_images_of_the_right_shape(source, kind, n):
    made = KINDS[kind](source, n, generator(0))
    assert made.shape == (n, 1, 28, 28)
    assert torch.isfinite(made).all()
    assert torch.equal(made, KINDS[kind](source, n, generator(0)))


@pytest.mark.parametrize("n", [1, 5, 64])
def test_draw_is_in_range_and_mixed(source, n):
    made = source.draw(n, generator(0))
    assert made.shape == (n, 1, 28, 28)
    assert 0 <= made.min() <= made.max() <= 1
    assert not torch.equal(made, source.draw(n, generator(1)))


def test_pairs_are_of_different_digits_that_do_not_cover_each_other(source):
    first, second = source.two(50, generator(0))
    ink = torch.maximum(first.sum((1, 2, 3)), second.sum((1, 2, 3)))
    added = torch.maximum(first, second).sum((1, 2, 3)) / ink
    assert added.median() > 1.3
    labels = torch.arange(20) % 2
    only = Negatives(torch.rand(20, 1, 28, 28) * 0 + labels[:, None, None, None], labels)
    first, second = only.two(10, generator(0))  # the images of this source show their label
    assert bool(((first.amax((1, 2, 3)) > 0.5) != (second.amax((1, 2, 3)) > 0.5)).all())


def test_shuffling_moves_every_tile(source):
    whole = Negatives(torch.ones(2, 1, 28, 28), torch.arange(2))
    assert KINDS["shuffled"](whole, 4, generator(0)).sum() > 0
    part = torch.arange(16.0).repeat_interleave(49).reshape(1, 4, 4, 7, 7)
    image = part.permute(0, 1, 3, 2, 4).reshape(1, 1, 28, 28)
    from xhat.judges.negatives import _shuffle

    moved = _shuffle(image, 4, generator(3))
    assert not (moved == image).any()
    assert torch.equal(moved.flatten().sort().values, image.flatten().sort().values)


def test_rejects_material_of_one_class():
    with pytest.raises(ValueError, match="at least two different digits"):
        Negatives(torch.rand(3, 1, 28, 28), torch.zeros(3, dtype=torch.long))
