import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat.learning import DenoisingLoss, Jitter, build, fit_denoiser


def images(n):
    """Bars, across for class 0 and down for class 1."""
    labels = torch.arange(n) % 2
    x = torch.zeros(n, 1, 8, 8)
    x[labels == 0, :, 3:5, :] = 1
    x[labels == 1, :, :, 3:5] = 1
    return x, labels


def test_learns_to_take_noise_away_and_uses_the_class():
    x, labels = images(64)
    model = fit_denoiser(
        x, labels, seed=0, width=8, jitter=Jitter(), classes=2,
        epochs=60, batch_size=32, learning_rate=1e-2,
    )  # fmt: skip
    assert not model.training
    x, labels = images(40)
    for sigma, known, unknown in ((0.5, 0.02, 0.04), (3.0, 0.05, 0.2)):
        noisy, level = (
            x + sigma * torch.randn(x.shape, generator=generator(1)),
            torch.tensor([sigma]),
        )
        with torch.no_grad():
            told = (model(noisy, level, labels) - x).square().mean()
            untold = (model(noisy, level) - x).square().mean()
        assert told < known
        assert untold < unknown
        assert told < untold + 1e-3


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
        DenoisingLoss()(nn.Linear(1, 1), *images(2), generator(0))
    with pytest.raises(ValueError, match="hidden"):
        DenoisingLoss(hidden=1.0)
