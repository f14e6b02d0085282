"""The box that real latents need, and how many classes need one place in it."""

import pytest
import torch

from xhat.core import generator
from xhat.learning import predict
from xhat_zoo import digits
from xhat_zoo.digits.embeddings import classes_per_place, latent_box

KNOWN = digits.split("calibration")


@pytest.fixture(scope="module")
def latents():
    return predict(digits.vae().encoder, KNOWN.images[:3000])[:, :16]


def test_a_box_holds_its_share_of_held_out_digits_in_every_dimension(latents):
    low, high = latent_box(latents[:2000], 0.99)
    inside = ((latents[2000:] >= low) & (latents[2000:] <= high)).double().mean(0)
    assert low.shape == high.shape == (16,)
    assert bool((inside > 0.97).all())
    assert bool((inside < 1).any())
    narrow, wide = latent_box(latents, 0.5), latent_box(latents, 0.999)
    assert bool((wide[1] - wide[0] > narrow[1] - narrow[0]).all())


def test_a_dimension_that_holds_nothing_is_narrow_but_not_empty():
    low, high = latent_box(torch.cat((torch.zeros(50, 1), torch.arange(50.0)[:, None]), dim=1))
    assert 0 < float(high[0] - low[0]) <= 1.1e-3
    assert float(high[1] - low[1]) > 48


def test_classes_of_digits_have_room_in_sixteen_dimensions_and_not_in_one(latents):
    labels = KNOWN.labels[:3000]
    roomy = classes_per_place(latents[:2500], labels[:2500], latents[2500:])
    one = latents[:, :1]
    tight = classes_per_place(one[:2500], labels[:2500], one[2500:])
    assert 1 <= roomy < 2 < 4 < tight <= 10


def test_what_does_not_fit_is_told():
    z, y = torch.rand(30, 2, generator=generator(0)), torch.arange(30) % 3
    with pytest.raises(ValueError, match="one class for each of 30 latents"):
        classes_per_place(z, y[:9], z)
    with pytest.raises(ValueError, match="places of 2 values"):
        classes_per_place(z, y, z[:, :1])
    with pytest.raises(ValueError, match="there must be 40 latents or more, but there are 30"):
        classes_per_place(z, y, z, k=40)
    with pytest.raises(ValueError, match="share must lie"):
        latent_box(z, 1.0)
    with pytest.raises(ValueError, match="must have 2 axes"):
        latent_box(z[0])
