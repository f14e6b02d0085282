import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat.learning import DenoisingLoss, build


def test_little_noise_leaves_an_image_as_it_is():
    model, x = build("Denoiser", seed=0, width=8), torch.rand(3, 1, 8, 8)
    torch.testing.assert_close(model(x, torch.tensor([1e-4])), x, atol=1e-3, rtol=0)


def test_every_image_has_its_own_noise_and_label():
    model, x = build("Denoiser", seed=0, width=8), torch.rand(3, 1, 8, 8)
    sigma, label = torch.tensor([0.1, 1.0, 5.0]), torch.tensor([0, 3, 10])
    whole = model(x, sigma, label)
    for row in range(3):
        alone = model(x[row : row + 1], sigma[row : row + 1], label[row : row + 1])
        torch.testing.assert_close(alone, whole[row : row + 1])


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match="width must be a multiple of 8, but is 12"):
        build("Denoiser", seed=0, width=12)
    with pytest.raises(TypeError, match="the model must be a Denoiser, not Linear"):
        DenoisingLoss()(nn.Linear(1, 1), torch.zeros(2, 1), torch.zeros(2), generator(0))
    with pytest.raises(ValueError, match="hidden"):
        DenoisingLoss(hidden=1.0)
