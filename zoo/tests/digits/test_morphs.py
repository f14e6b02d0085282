import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from xhat.core import generator
from xhat_zoo import digits
from xhat_zoo.digits.morphs import Morphs, signed_distance


def squares():
    """Two white squares of the same size at different places."""
    x = torch.zeros(2, 1, 20, 20)
    x[0, 0, 3:9, 3:9] = 1
    x[1, 0, 11:17, 11:17] = 1
    return x, torch.tensor([0, 1])


def test_signed_distances_are_those_of_brute_force():
    x = (torch.rand(3, 1, 9, 8, generator=generator(0)) > 0.7).float()
    places = np.argwhere(np.ones((9, 8)))
    for image, field in zip(x[:, 0], signed_distance(x)[:, 0], strict=True):
        inside = image.numpy().reshape(-1) > 0.5
        to_inside = cdist(places, places[inside]).min(axis=1)
        to_outside = cdist(places, places[~inside]).min(axis=1)
        expected = np.where(inside, -to_outside, to_inside)
        np.testing.assert_allclose(field.reshape(-1), expected, atol=1e-5)


def test_an_image_without_an_inside_is_outside_everywhere():
    fields = signed_distance(torch.stack([torch.zeros(1, 6, 6), torch.ones(1, 6, 6)]))
    assert bool((fields[0] == 12).all())
    assert bool((fields[1] < 0).all())
    assert bool(fields.isfinite().all())


def test_channels_are_treated_one_by_one():
    x = (torch.rand(2, 3, 7, 7, generator=generator(0)) > 0.6).float()
    whole = signed_distance(x)
    assert whole.shape == x.shape
    for channel in range(3):
        assert torch.equal(whole[:, channel : channel + 1], signed_distance(x[:, channel, None]))


def test_shares_lie_around_a_half_and_name_two_classes():
    x = digits.split("judge_train")
    morphs = Morphs(signed_distance(x.upright[:300]), x.labels[:300])
    images, shares = morphs.draw(50, generator(0), 11, spread=0.2)
    assert images.shape == (50, 1, 28, 28)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert shares.shape == (50, 11)
    torch.testing.assert_close(shares.sum(1), torch.ones(50))
    assert bool(((shares > 0).sum(1) == 2).all())
    assert 0.3 - 1e-6 <= float(shares[shares > 0].min()) < 0.4
    assert bool((shares[:, 10] == 0).all())
    again, same = morphs.draw(50, generator(0), 11, spread=0.2)
    assert torch.equal(images, again)
    assert torch.equal(shares, same)


def test_there_is_about_as_much_ink_as_in_the_two_digits():
    x = digits.split("judge_train")
    ink = (x.upright[:300] > 0.5).float().sum((1, 2, 3))
    morphs = Morphs(signed_distance(x.upright[:300]), x.labels[:300])
    images, _ = morphs.draw(100, generator(0), 10)
    made = images.sum((1, 2, 3))
    assert float(made.mean()) == pytest.approx(float(ink.mean()), rel=0.15)
    assert float(made.min()) > 0.5 * float(ink.min())


def test_a_morph_of_a_shape_with_itself_is_the_shape():
    x, _ = squares()
    same = torch.stack([x[0], x[0]])
    images, _ = Morphs(signed_distance(same), torch.tensor([0, 1])).draw(5, generator(0), 2)
    assert float((images - x[0]).abs().mean()) < 0.05


def test_the_greater_share_shows():
    x, labels = squares()
    morphs = Morphs(signed_distance(x), labels)
    images, shares = morphs.draw(200, generator(0), 2, spread=0.45)
    nearer = (images - x[0]).square().sum((1, 2, 3)) < (images - x[1]).square().sum((1, 2, 3))
    sure = (shares[:, 0] - 0.5).abs() > 0.3
    assert int(sure.sum()) > 20
    assert torch.equal(nearer[sure], shares[sure, 0] > 0.5)
