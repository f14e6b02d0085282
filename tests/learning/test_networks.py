import pytest
import torch

from xhat.core import generator
from xhat.learning import NETWORKS, SmallCNN, build, count_parameters

IMAGES = torch.rand(5, 1, 28, 28, generator=generator(0))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "VAE"])
class TestClassifiers:
    def test_gives_one_logit_per_class_at_a_modest_size(self, name):
        model = build(name, seed=0, classes=11)
        assert model(IMAGES).shape == (5, 11)
        assert 140_000 < count_parameters(model) < 350_000

    def test_candidates_do_not_touch_each_other_in_either_mode(self, name):
        model = build(name, seed=0).train()
        together = model(IMAGES)
        alone = model.eval()(IMAGES[2:3])
        assert torch.allclose(together[2:3], alone, atol=1e-5)

    def test_weights_come_from_the_seed_and_leave_the_global_generator_alone(self, name):
        before = torch.random.get_rng_state()
        first, second, other = (build(name, seed=seed) for seed in (3, 3, 4))
        assert torch.equal(before, torch.random.get_rng_state())
        assert torch.equal(first(IMAGES), second(IMAGES))
        assert not torch.equal(first(IMAGES), other(IMAGES))


def test_small_cnn_costs_about_three_million_multiply_adds():
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += module.weight.numel() * output[0, 0].numel()

    model = SmallCNN()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    model(IMAGES[:1])
    assert 2e6 < total < 4e6


class TestVAE:
    vae = build("VAE", seed=0, latent=16)

    def test_shapes_and_range(self):
        z = self.vae.encode(IMAGES)
        assert z.shape == (5, 16)
        x = self.vae.decode(3 * z)
        assert x.shape == IMAGES.shape
        assert 0 <= x.min() <= x.max() <= 1

    def test_forward_decodes_the_mean_unless_given_noise(self):
        rebuilt, mean, log_variance = self.vae(IMAGES)
        assert torch.equal(rebuilt, self.vae.decode(self.vae.encode(IMAGES)))
        noise = torch.ones(5, 16)
        drawn, _, _ = self.vae(IMAGES, noise)
        assert torch.allclose(drawn, self.vae.decode(mean + (log_variance / 2).exp()))


def test_rejects_unknown_names_and_sizes():
    with pytest.raises(ValueError, match="architecture must be one of SmallCNN"):
        build("Transformer", seed=0)
    with pytest.raises(ValueError, match="size must be a multiple of 4"):
        SmallCNN(size=30)
