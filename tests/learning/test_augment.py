import numpy as np
import pytest
import scipy.ndimage
import torch

from xhat.core import generator
from xhat.learning import Jitter, random_affine, random_rotation, rotate
from xhat_zoo import digits


def some_images(n=4):
    return digits.split("test").upright[:n]


@pytest.mark.parametrize("angle", [-45.0, -10.0, 0.0, 30.0, 90.0])
def test_rotate_is_scipys_bilinear_rotation(angle):
    x = some_images()
    expected = [
        scipy.ndimage.rotate(image[0], angle, reshape=False, order=1, mode="grid-constant")
        for image in x.numpy()
    ]
    found = rotate(x, torch.tensor([angle]))
    assert torch.allclose(found[:, 0], torch.tensor(np.stack(expected)), atol=1e-4)


def test_every_image_has_its_own_angle():
    x = some_images(2)
    both = rotate(x, torch.tensor([20.0, -30.0]))
    assert torch.allclose(both[0:1], rotate(x[:1], torch.tensor([20.0])), atol=1e-6)
    assert torch.allclose(both[1:2], rotate(x[1:], torch.tensor([-30.0])), atol=1e-6)


def test_rotate_rejects_the_wrong_number_of_angles():
    with pytest.raises(ValueError, match="one row per candidate"):
        rotate(some_images(3), torch.zeros(2))


def test_random_changes_repeat_with_the_generator_and_differ_by_image():
    x = some_images(1).expand(3, -1, -1, -1)
    for change in (
        lambda g: random_rotation(x, 45, g),
        lambda g: random_affine(x, g, angle=10, shift=2, scale=0.1, shear=0.1),
        lambda g: Jitter(shift=2)(x, g),
    ):
        first, again = change(generator(1)), change(generator(1))
        assert torch.equal(first, again)
        assert not torch.allclose(first[0], first[1])
        assert -1e-6 <= first.min() <= first.max() <= 1 + 1e-5


def test_affine_without_extent_changes_nothing():
    x = some_images()
    assert torch.allclose(random_affine(x, generator(0)), x, atol=1e-5)
