import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from xhat.core import generator
from xhat.learning import VariationalLoss, build

X = torch.rand(4, 1, 8, 8, generator=generator(0))
Y = torch.zeros(4)


def vae():
    return build("VAE", seed=0, latent=3, size=8)


@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
def test_the_loss_is_the_bound_written_with_distributions(beta):
    model = vae()
    found = VariationalLoss(beta)(model, X, Y, generator(5)).detach()
    mean, log_variance = (values.detach() for values in model.posterior(X))
    noise = torch.randn(4, 3, generator=generator(5))
    deviation = (0.5 * log_variance).exp()
    logits = model.decode_logits(mean + deviation * noise).detach()
    fit = Independent(Bernoulli(logits=logits, validate_args=False), 3).log_prob(X)
    divergence = kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(found, (beta * divergence - fit).mean())


def test_it_depends_on_the_generator_and_not_on_labels():
    model, loss = vae(), VariationalLoss()
    first, again, other = (loss(model, X, Y, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first, loss(model, X, Y + 7, generator(0)))


def test_every_weight_learns_from_it():
    model = vae()
    VariationalLoss()(model, X, Y, generator(0)).backward()
    assert all(float(weight.grad.abs().max()) > 0 for weight in model.parameters())


def test_bad_input_is_refused():
    with pytest.raises(TypeError, match="the model must be a VAE, not Linear"):
        VariationalLoss()(nn.Linear(2, 2), X, Y, generator(0))
    with pytest.raises(ValueError, match="beta must be 0 or more, but is -1"):
        VariationalLoss(beta=-1)
