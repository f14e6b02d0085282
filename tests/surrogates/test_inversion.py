import pytest
import torch

from xhat.core import generator
from xhat.engine import Problem, TargetReached, Watch, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Latent
from xhat.surrogates import Inversion, invert
from xhat_zoo import digits

VAE = digits.vae()
IMAGES = digits.split("test").images[:6]


def distance(z, x):
    with torch.no_grad():
        return (VAE.decode(z) - x).flatten(1).square().sum(dim=1)


def test_it_finds_codes_of_digits_about_as_well_as_the_encoder_or_better():
    found = invert(VAE.decode, IMAGES, VAE.latent, tries=2, max_steps=100)
    with torch.no_grad():
        known = distance(VAE.encode(IMAGES), IMAGES)
    assert found.x.shape == (6, VAE.latent)
    assert torch.allclose(found.loss, distance(found.x, IMAGES), rtol=1e-4)
    assert found.loss.mean() < 1.05 * known.mean()


def test_it_betters_what_an_encoder_says():
    with torch.no_grad():
        begun = VAE.encode(IMAGES)
    found = invert(VAE.decode, IMAGES, begun, tries=1, max_steps=40)
    assert (found.loss <= distance(begun, IMAGES) + 1e-5).all()
    assert found.loss.mean() < 0.9 * distance(begun, IMAGES).mean()


def test_it_recovers_the_code_of_what_the_decoder_made():
    z = torch.randn(4, VAE.latent, generator=generator(0))
    with torch.no_grad():
        x = VAE.decode(z)
    found = invert(VAE.decode, x, VAE.latent, max_steps=120)
    nothing = x.flatten(1).square().sum(dim=1)
    assert (found.loss < 0.05 * nothing).all()
    assert (found.loss < 0.02 * nothing).float().mean() >= 0.75  # it is not convex


def test_further_tries_are_never_worse():
    one = invert(VAE.decode, IMAGES, VAE.latent, tries=1, max_steps=90)
    three = invert(VAE.decode, IMAGES, VAE.latent, tries=3, max_steps=90)
    assert (three.loss <= one.loss).all()
    assert (three.loss < one.loss).any()


def test_a_search_begins_in_a_latent_space_that_has_no_encoder():
    space = Latent(Inversion(VAE.decode, VAE.latent, tries=1, max_steps=60), VAE.decode)
    model = digits.surrogate("robust")
    problem = Problem(CrossEntropy(model, 8), space)
    found = solve(problem, IMAGES[:2], stop=TargetReached(0.9), max_steps=100, watch=Watch(trace=1))
    assert found.reached.all()
    assert found.trajectory is not None
    begun = found.trajectory.x[0]
    assert ((begun - IMAGES[:2]).flatten(1).norm(dim=1) < 5).all()


def test_bad_input_is_one_sentence():
    x, decode = IMAGES[:2], VAE.decode
    with pytest.raises(ValueError, match=r"codes to begin at must lie in \[-4, 4\]"):
        invert(decode, x, torch.full((2, VAE.latent), 5.0))
    with pytest.raises(ValueError, match="one code for each of 2 inputs, not 3"):
        invert(decode, x, torch.zeros(3, VAE.latent))
    with pytest.raises(ValueError, match=r"must make inputs of shape \(1, 28, 28\).*\(1, 16\)"):
        invert(lambda z: z, x, VAE.latent)
    with pytest.raises(ValueError, match="length of a code must be a whole number from 1"):
        invert(decode, x, 0)
    with pytest.raises(ValueError, match="model cannot take a start of shape"):
        invert(decode, x, VAE.latent + 1)
    with pytest.raises(TypeError, match="decoder must be callable, not int"):
        invert(3, x, 4)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="decoder must be callable, not str"):
        Inversion("gan", 4)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="floating point"):
        invert(decode, x.round().long(), VAE.latent)
