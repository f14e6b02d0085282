import pytest
import torch

from xhat.core import generator
from xhat.learning import Jitter, build
from xhat.surrogates.diffusion import (
    ClassifierFree,
    ClassifierGuided,
    Conditional,
    Constrained,
    Proximal,
    noise_levels,
    noised,
    sample,
    train_denoiser,
)

MEAN, SPREAD = 0.7, 0.4


def exact(x, sigma):
    """The denoiser of a normal density."""
    return MEAN + SPREAD**2 / (SPREAD**2 + sigma**2) * (x - MEAN)


def begun(n, sigma=20.0):
    return noised(torch.full((n, 1), MEAN), sigma, generator(0))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_samples_are_of_the_density_that_the_denoiser_knows(eta):
    found = sample(exact, begun(20_000), noise_levels(200), eta=eta, generator=generator(1))
    assert abs(float(found.mean()) - MEAN) < 0.02
    assert abs(float(found.std()) - SPREAD) < 0.02


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_step_is_that_of_ddim_and_ddpm_where_variance_is_kept(eta):
    levels = torch.tensor([2.0, 0.8], dtype=torch.float64)
    x = torch.randn(4, 3, generator=generator(2), dtype=torch.float64)
    seen = []

    def denoise(x, sigma):
        seen.append(x)
        return 0.3 * x

    sample(denoise, x, levels, eta=eta, generator=generator(3))
    noise = torch.randn(x.shape, generator=generator(3)).to(x)
    # as the papers write it: a is what is left of the image, 1 - a the variance of the noise
    a, b = (1 / (1 + level**2) for level in levels)
    scaled, x0 = x * a.sqrt(), 0.3 * x
    epsilon = (scaled - a.sqrt() * x0) / (1 - a).sqrt()
    if eta:  # the posterior of DDPM, its equations 6 and 7
        step = 1 - a / b
        mean = b.sqrt() * step / (1 - a) * x0 + (1 - step).sqrt() * (1 - b) / (1 - a) * scaled
        wanted = mean + ((1 - b) / (1 - a) * step).sqrt() * noise
    else:  # DDIM's equation 12
        wanted = b.sqrt() * x0 + (1 - b).sqrt() * epsilon
    torch.testing.assert_close(seen[1] * b.sqrt(), wanted)


def test_guidance_of_scale_one_is_the_class_and_of_zero_is_any():
    denoiser, label = build("Denoiser", seed=0, width=8), torch.tensor([3, 1])
    x, sigma = torch.rand(2, 1, 28, 28, generator=generator(4)), torch.tensor([0.5])
    torch.testing.assert_close(
        ClassifierFree(denoiser, label, 1.0)(x, sigma), Conditional(denoiser, label)(x, sigma)
    )
    torch.testing.assert_close(
        ClassifierFree(denoiser, label, 0.0)(x, sigma), Conditional(denoiser)(x, sigma)
    )


def test_a_classifier_leads_to_its_class():
    means, inner = torch.tensor([0.2, 0.8]), 0.01  # variance within a class

    def logits(x):
        return -(x - means).square() / (2 * inner)

    def either(x, sigma):
        whole = inner + sigma**2
        odds = (-(x - means).square() / (2 * whole)).softmax(dim=1)
        return (odds * (inner * x + sigma**2 * means) / whole).sum(1, keepdim=True)

    start = noised(torch.full((2_000, 1), 0.5), 20.0, generator(5))
    label = torch.ones(len(start), dtype=torch.long)

    def share(denoise):
        return float((sample(denoise, start, noise_levels(60)) > 0.5).float().mean())

    assert abs(share(either) - 0.5) < 0.05
    assert share(ClassifierGuided(either, (logits,), label, 1.0)) > 0.9
    assert share(ClassifierGuided(either, (logits, logits), label, 0.0)) < 0.6


def test_near_goes_to_the_start_with_its_weight():
    start = torch.full((500, 1), 2.0)
    free = sample(exact, begun(500), noise_levels(50))
    near = sample(Proximal(exact, start, 3.0), begun(500), noise_levels(50))
    assert float((near - start).abs().mean()) < 0.7 * float((free - start).abs().mean())


def test_what_is_held_holds_exactly():
    def alike(x):
        return (x + x.flip(1)) / 2

    found = sample(
        Constrained(exact, alike), noised(torch.zeros(6, 4), 20.0, generator(6)), noise_levels(9)
    )
    assert torch.equal(found, found.flip(1))


def test_bad_input_is_told():
    with pytest.raises(ValueError, match="levels must be falling"):
        sample(exact, begun(2), torch.tensor([0.1, 0.2]))
    with pytest.raises(ValueError, match=r"needs a generator above 0, but is 1 without one"):
        sample(exact, begun(2), noise_levels(3), eta=1.0)
    with pytest.raises(ValueError, match=r"largest must be at least smallest, 0.02, but is 0.01"):
        noise_levels(4, 0.01)
    with pytest.raises(ValueError, match="weight"):
        Proximal(exact, torch.zeros(1, 1), 0.0)


def images(n):
    """Bars, across for class 0 and down for class 1."""
    labels = torch.arange(n) % 2
    x = torch.zeros(n, 1, 8, 8)
    x[labels == 0, :, 3:5, :] = 1
    x[labels == 1, :, :, 3:5] = 1
    return x, labels


def test_learns_to_take_noise_away_and_uses_the_class():
    x, labels = images(64)
    model = train_denoiser(
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
