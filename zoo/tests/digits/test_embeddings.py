"""Every kind of embedding: what it learns of real digits in a few seconds, and what is refused."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import MultivariateNormal

from xhat.learning import Jitter, predict
from xhat_zoo import digits
from xhat_zoo.digits.embeddings import (
    EMBEDDINGS,
    embedding,
    kinds,
    latent_box,
    train_embedding,
)
from xhat_zoo.digits.embeddings.flows import FlowAutoencoder, FlowPrior

TRAIN, TEST = digits.split("surrogate_train"), digits.split("test")
X, UNSEEN = (
    F.interpolate(images, (12, 12), mode="area")  # a fifth of the work
    for images in (TRAIN.upright[:800], TEST.upright[:400])
)
LABELS = TEST.labels[:400]
FEW = {"epochs": 6, "batch_size": 40, "learning_rate": 4e-3, "average": 0.9}


def trained(name, n=600, **options):
    told = {"jitter": None} | FEW | ({"prior_steps": 20} if name == "flow" else {}) | options
    return train_embedding(name, X[:n], TRAIN.labels[:n], seed=0, **told)


@pytest.fixture(scope="module")
def made():
    return {name: trained(name) for name in ("autoencoder", "metric", "line", "flow")}


def encoded(model, n=400):
    with torch.no_grad():
        return model.encode(UNSEEN[:n])


@pytest.mark.parametrize("name", ["autoencoder", "line", "flow"])
def test_one_with_a_decoder_rebuilds_digits_better_than_their_mean(made, name):
    model = made[name]
    with torch.no_grad():
        away = (model.decode(encoded(model)) - UNSEEN).square().sum((1, 2, 3)).mean()
    blank = (X.mean(0) - UNSEEN).square().sum((1, 2, 3)).mean()
    assert float(away) < 0.97 * float(blank)


def test_the_metric_embedding_is_a_sphere_with_classes_apart(made):
    z, labels = encoded(made["metric"]), LABELS
    torch.testing.assert_close(z.norm(dim=1), torch.ones(400))
    distance, alike = torch.cdist(z, z), labels[:, None] == labels[None]
    within, between = distance[alike].mean(), distance[~alike].mean()
    assert float(within) < 0.6 * float(between)
    assert not hasattr(made["metric"], "decode")


class TestLine:
    def test_the_whole_part_is_the_class_and_the_bins_are_used(self, made):
        z, labels = encoded(made["line"])[:, 0], LABELS
        assert bool(((z >= 0) & (z < 10)).all())
        assert float((z.long() == labels).double().mean()) > 0.6
        places = (z - z.floor())[z.long() == labels]
        low, high = places.quantile(0.1), places.quantile(0.9)
        assert float(high - low) > 0.25

    def test_going_along_it_changes_the_image_smoothly_across_bins(self, made):
        line = made["line"]
        steps = torch.linspace(0.5, 9.5, 901)[:, None]
        with torch.no_grad():
            x = line.decode(steps).flatten(1)
        step = (x[1:] - x[:-1]).norm(dim=1)
        assert float(step.max()) < 0.15 * float((x[0] - x[-1]).norm())
        assert float(step.min()) > 0

    def test_it_has_one_latent_value_and_no_other_number(self):
        with pytest.raises(ValueError, match="line has 1 latent value, so latent cannot be 3"):
            embedding("line").check(3, None)
        assert embedding("line").check(1, None) == (1, 0.0)


class TestFlow:
    def test_its_density_integrates_to_one_and_knows_real_latents(self, made):
        flow = trained("flow", latent=1, n=200, epochs=2)
        low, high = latent_box(encoded(flow))
        places = torch.linspace(float(low) - 20, float(high) + 20, 8001)[:, None]
        with torch.no_grad():
            mass = flow.prior.log_prob(places).exp().sum() * (places[1, 0] - places[0, 0])
        assert float(mass) == pytest.approx(1, abs=0.02)
        z = encoded(made["flow"])
        with torch.no_grad():
            real, moved = (made["flow"].prior.log_prob(part).median() for part in (z, 3 * z))
        assert float(real) > float(moved)

    def test_draws_come_from_the_generator_and_are_likely(self, made):
        prior = made["flow"].prior
        draws = [prior.sample(200, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
        assert torch.equal(draws[0], draws[1])
        assert not torch.equal(draws[0], draws[2])
        with torch.no_grad():
            drawn, real = (prior.log_prob(z).mean() for z in (draws[0], encoded(made["flow"])))
        assert abs(float(drawn - real)) < 8

    def test_the_prior_is_trained_for_its_own_steps_on_images_that_are_turned_again(
        self, monkeypatch
    ):
        trainings = []

        def fit(model, inputs, targets, loss, **schedule):
            trainings.append((inputs, schedule))
            return real(model, inputs, targets, loss, **schedule)

        real = kinds.fit
        monkeypatch.setattr(kinds, "fit", fit)
        trained("flow", latent=2, n=40, epochs=1, prior_steps=7, jitter=Jitter(angle=45.0))
        (images, _), (latents, schedule) = trainings
        assert len(images) == 40
        assert len(latents) == 40 * 16  # views, each turned afresh
        assert not torch.equal(latents[:40], latents[40:80])
        steps = schedule["epochs"] * math.ceil(len(latents) / schedule["batch_size"])
        assert 7 <= steps < 7 + 3

    def test_enough_steps_beat_a_fitted_gaussian_where_latents_are_no_gaussian(self):
        draws = torch.Generator().manual_seed(0)
        side = torch.randint(0, 2, (2, 1_000, 1), generator=draws) * 6.0 - 3
        known, unseen = side + 0.5 * torch.randn(2, 1_000, 2, generator=draws)
        few, many = FlowPrior(2), FlowPrior(2)
        model = FlowAutoencoder(2)
        losses = []
        for prior, steps in ((few, 2), (many, 80)):
            model.prior = prior
            kinds.fit_prior(model, known, steps, seed=0)
            with torch.no_grad():
                losses.append(-float(prior.log_prob(unseen).mean()))
        gaussian = MultivariateNormal(known.mean(0), torch.cov(known.T))
        fitted = -float(gaussian.log_prob(unseen).mean())
        assert losses[1] < fitted - 0.5  # two heaps cost a Gaussian about a nat
        assert losses[1] < losses[0]

    def test_training_the_prior_leaves_the_autoencoder_as_it_was(self, made):
        plain = made["autoencoder"]
        rebuilt = predict(plain.encoder, UNSEEN[:5])
        assert torch.equal(rebuilt, predict(made["flow"].encoder, UNSEEN[:5]))
        assert all(weight.requires_grad for weight in made["flow"].prior.parameters())


def test_beta_fills_a_standard_normal(made):
    loose, tight = (
        trained("beta-vae", n=200, beta=beta, latent=4, epochs=4) for beta in (0.0, 8.0)
    )
    assert float(encoded(tight).std()) < float(encoded(loose).std())


def test_a_seed_says_everything():
    first, again = (trained("metric", n=128, epochs=1) for _ in range(2))
    assert torch.equal(encoded(first, 5), encoded(again, 5))


def test_bad_numbers_are_told():
    with pytest.raises(ValueError, match="embedding must be one of autoencoder, beta-vae, metric"):
        trained("magic")
    with pytest.raises(ValueError, match="metric has no beta; only beta-vae has"):
        trained("metric", beta=1.0)
    with pytest.raises(ValueError, match="beta must be 0 or more"):
        trained("beta-vae", beta=-1.0)
    with pytest.raises(ValueError, match="prior_steps must be"):
        trained("flow", n=40, epochs=1, prior_steps=0)
    with pytest.raises(ValueError, match="latent must be"):
        trained("autoencoder", latent=0)
    with pytest.raises(ValueError, match="a sphere needs 2 latent values or more"):
        trained("metric", latent=1)


def test_all_kinds_say_what_they_are():
    assert all(kind.name == name and kind.caption for name, kind in EMBEDDINGS.items())
