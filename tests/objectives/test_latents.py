"""Latent energies: the formula, what a search is pulled to, and priors that do not fit."""

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from xhat.core import generator
from xhat.engine import Adam, Problem, solve
from xhat.learning import predict
from xhat.objectives import GaussianEnergy, InLatent, PriorEnergy
from xhat.spaces import Latent
from xhat_zoo import digits

Z = torch.randn(6, 3, generator=generator(0))
MEAN, SCALE = torch.tensor([1.0, -1.0, 0.5]), torch.tensor([0.5, 2.0, 1.0])


def mixture(dimensions=3):
    at = torch.stack([torch.full((dimensions,), -2.0), torch.full((dimensions,), 2.0)])
    return MixtureSameFamily(Categorical(torch.ones(2)), Independent(Normal(at, 0.5), 1))


def test_the_gaussian_energy_is_minus_the_log_density_up_to_a_constant():
    density = Independent(Normal(MEAN, SCALE), 1).log_prob(Z)
    gap = GaussianEnergy(MEAN, SCALE)(Z) + density
    torch.testing.assert_close(gap, gap[:1].expand(6))
    torch.testing.assert_close(GaussianEnergy()(Z), Z.square().sum(1) / 2)


def test_a_prior_s_energy_is_minus_its_log_density_and_follows_it():
    torch.testing.assert_close(PriorEnergy(mixture())(Z), -mixture().log_prob(Z))
    z = torch.tensor([[1.2, 1.0, 3.0]], requires_grad=True)
    PriorEnergy(mixture())(z).backward()
    assert torch.equal(z.grad.sign(), torch.tensor([[-1.0, -1.0, 1.0]]))


def test_one_that_is_fitted_to_real_latents_knows_them():
    latents = predict(digits.vae().encoder, digits.split("calibration").images[:400])[:, :16]
    energy = GaussianEnergy.fitted(latents[:200])
    assert float(energy(latents[200:]).median()) == pytest.approx(16 / 2, rel=0.25)
    assert float(energy(latents[200:] + 3).median()) > 20


def test_a_search_ends_where_the_prior_is_likeliest():
    space = Latent(lambda x: x[:, :3], lambda z: torch.cat((z, z), dim=1))
    for prior, best in ((GaussianEnergy(MEAN, SCALE), MEAN), (PriorEnergy(mixture()), 2.0)):
        problem = Problem(InLatent(prior), space)
        found = solve(problem, torch.full((2, 6), 1.0), stepper=Adam(0.1), max_steps=200)
        assert torch.allclose(found.z, torch.as_tensor(best).expand(2, 3), atol=0.05)


class OfThree(nn.Module):
    """A prior that says how many latent values it is of."""

    dimensions = 3

    def log_prob(self, z):
        return -z.abs().sum(dim=1)


@pytest.mark.parametrize("prior", [GaussianEnergy(MEAN), PriorEnergy(OfThree().eval())])
def test_a_prior_of_another_latent_size_is_told_before_the_search(prior):
    z = Z[:1].clone().requires_grad_()
    prior.check(z, z)
    with pytest.raises(ValueError, match=r"is of 3 latent values, but the search has 5; take the"):
        prior.check(Z.reshape(2, 9)[:1, :5], Z.reshape(2, 9)[:1, :5])
    space = Latent(lambda x: x[:, :5], lambda z: z)
    with pytest.raises(ValueError, match=r"is of 3 latent values, but the search has 5"):
        solve(Problem(InLatent(prior), space), torch.zeros(2, 5), max_steps=1)


def test_distributions_say_their_size_too():
    with pytest.raises(ValueError, match=r"of 4 latent values, but the search has 3"):
        PriorEnergy(mixture(4)).check(Z[:1], Z[:1])


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: GaussianEnergy(scale=0.0), ValueError, "scale must be above 0"),
        (lambda: GaussianEnergy(MEAN, torch.ones(2)), ValueError, "one length, but have 3 and 2"),
        (lambda: GaussianEnergy(torch.zeros(2, 2)), ValueError, "must have 1 axes"),
        (lambda: GaussianEnergy(float("nan")), ValueError, "the mean"),
        (lambda: GaussianEnergy.fitted(Z[:1]), ValueError, "two rows or more"),
        (lambda: GaussianEnergy.fitted(Z * 0), ValueError, r"\[0, 1, 2\] do not"),
        (lambda: PriorEnergy(nn.Linear(2, 2)), TypeError, "Linear has none; pass a flow"),
        (lambda: PriorEnergy(OfThree), TypeError, "must have log_prob"),
    ],
)
def test_bad_input_is_told(make, kind, said):
    with pytest.raises(kind, match=said):
        make()
