import pytest
import torch

from xhat.core import generator
from xhat.surrogates import shuffle_tiles
from xhat_zoo import digits
from xhat_zoo.digits.glyphs import TRAINING_FONTS, TRAINING_SIGNS, signs
from xhat_zoo.digits.negatives import KINDS, Negatives


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
    moved = shuffle_tiles(image, 4, generator(3))
    assert not (moved == image).any()
    assert torch.equal(moved.flatten().sort().values, image.flatten().sort().values)


def test_draw_has_about_as_many_of_every_kind(source, monkeypatch):
    drawn = {}

    def counted(name, kind):
        def draw(source, n, generator):
            drawn[name] = n
            return kind(source, n, generator)

        return draw

    for name, kind in list(KINDS.items()):
        monkeypatch.setitem(KINDS, name, counted(name, kind))
    assert source.draw(45, generator(0)).shape == (45, 1, 28, 28)
    assert drawn == dict.fromkeys(KINDS, 5)


def test_strange_signs_are_drawn_from_the_training_signs_and_look_different(source):
    x = KINDS["strange signs"](source, 40, generator(0)).clamp(0, 1)
    ink = x.sum((1, 2, 3))
    assert 15 < float(ink.min()) < float(ink.median()) < float(ink.max()) < 500
    apart = torch.cdist(x.flatten(1), x.flatten(1)) + 1e3 * torch.eye(40)
    assert float(apart.min()) > 0.5  # moved and slanted, so no two are the same
    known = signs(TRAINING_SIGNS, TRAINING_FONTS)
    upright = torch.cdist(x.flatten(1), known.flatten(1)).amin(1)
    assert float(upright.median()) > 1


def test_patches_are_filled_and_every_other_one_is_the_same_on_both_sides(source):
    x = KINDS["patches"](source, 40, generator(0)).clamp(0, 1)
    assert float((x > 0.2).float().mean((1, 2, 3)).median()) > 0.15
    edge = torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], dim=-1)
    assert float(edge.mean()) < float(x.mean())  # most shapes end before it
    skew = ((x > 0.15).float() - (x > 0.15).float().flip(3)).abs().mean((1, 2, 3))
    assert float(skew[:20].median()) < 0.5 * float(skew[20:].median())


def test_blobs_are_smooth_and_noises_are_not(source):
    def roughness(x):
        x = x.clamp(0, 1)
        return float(x.diff(dim=3).abs().mean() / x.std().clamp_min(1e-6))

    blobs = roughness(KINDS["blobs"](source, 40, generator(0)))
    noises = roughness(KINDS["noises"](source, 40, generator(0))[:30])
    assert blobs < 0.5 * noises
    even = KINDS["noises"](source, 40, generator(0))[30:]
    assert bool((even.flatten(1).amax(1) == even.flatten(1).amin(1)).all())


def test_fragments_keep_a_small_part_of_a_digit(source):
    x = KINDS["fragments"](source, 30, generator(0))
    assert bool(((x > 0).flatten(1).sum(1) <= 100).all())
    ones = Negatives(torch.ones(30, 1, 28, 28), torch.tensor([1, 7, 3] * 10))
    assert KINDS["fragments"](ones, 10, generator(0)).amax() == 1


def test_blends_show_both_digits_at_part_of_their_contrast():
    labels = torch.arange(20) % 2
    x = torch.zeros(20, 1, 28, 28)
    x[labels == 0, :, 10:18, 4:12] = 1
    x[labels == 1, :, 10:18, 16:24] = 1
    made = KINDS["blends"](Negatives(x, labels), 20, generator(0))
    left, right = made[..., :14].amax((1, 2, 3)), made[..., 14:].amax((1, 2, 3))
    assert float(torch.minimum(left, right).min()) > 0.35
    assert float(torch.maximum(left, right).max()) < 1


def test_rejects_material_of_one_class():
    with pytest.raises(ValueError, match="at least two different digits"):
        Negatives(torch.rand(3, 1, 28, 28), torch.zeros(3, dtype=torch.long))
