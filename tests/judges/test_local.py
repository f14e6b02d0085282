"""What looks at samples from near notices what distances do not, on real images."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from xhat.core import generator
from xhat.judges.local import Patches, Spectrum, local_axes

IMAGES = torch.tensor(load_digits().images).float()[:, None] / 16
KNOWN, NEW = IMAGES[:900], IMAGES[900:]
BOARD = ((torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2 - 1).float()


def unusual(axis, x):
    """The share of samples that score above 95 in 100 real ones, most of either axis."""
    return float((axis.scores(x) > axis.scores(NEW).quantile(0.95)).double().mean())


@pytest.mark.parametrize(
    ("changed", "least"),
    [
        (lambda x: (x * (1 + 0.5 * BOARD)).clamp(0, 1), (0.2, 0.95)),
        (
            lambda x: (x + 0.3 * torch.randn(x.shape, generator=generator(0))).clamp(0, 1),
            (0.1, 0.7),
        ),
        (lambda x: F.avg_pool2d(x, 3, 1, 1), (0.95, 0.0)),  # too smooth: no patch is strange
    ],
)
def test_patterns_noise_and_blur_are_seen_from_near(changed, least):
    for axis, share in zip(local_axes(KNOWN), least, strict=True):
        assert unusual(axis, changed(NEW)) >= share
        assert unusual(axis, NEW) <= 0.06


def test_one_strange_patch_is_enough():
    spoilt = NEW.clone()
    spoilt[:, :, 0:5, 0:5] = BOARD[:5, :5].clamp_min(0)
    assert unusual(Patches(KNOWN), spoilt) > 0.9


@pytest.mark.parametrize("shape", [(2, 40), (3, 6, 9), (1, 5, 6, 7)])
def test_any_number_of_axes_and_channels(shape):
    x = torch.randn(60, *shape, generator=generator(0))
    for axis in local_axes(x):
        assert axis.scores(x).shape == (60, 1)
    assert Spectrum(1e-6)(x).shape == (60, shape[0] * 8)


def test_what_is_tiny_is_not_looked_at_from_near():
    assert local_axes(torch.randn(60, 2, 3)) == ()


def test_large_samples_are_looked_at_in_parts(monkeypatch):
    axis = Patches(KNOWN)
    whole = axis.scores(NEW)
    monkeypatch.setattr("xhat.judges.local._AT_ONCE", 5_000)
    torch.testing.assert_close(axis.scores(NEW), whole)


def test_signals_that_are_smoother_than_they_should_be_are_seen_whatever_their_unit():
    ticks = torch.linspace(0, 6, 60)
    phase = torch.rand(400, 1, 1, generator=generator(0))
    grain = 2e-3 * torch.randn(400, 1, 60, generator=generator(1))
    for unit in (1.0, 1e-4):
        real = unit * ((ticks + 6 * phase).sin() + grain)
        spectrum, _ = local_axes(real[:300])
        least = spectrum.scores(real[300:]).quantile(0.95)
        smooth = F.avg_pool1d(real[300:], 5, 1, 2, count_include_pad=False)
        assert float((spectrum.scores(smooth) > least).float().mean()) > 0.9
