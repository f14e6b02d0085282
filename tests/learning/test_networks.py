import pytest
import torch

from xhat.core import generator
from xhat.learning import NETWORKS, ResidualNet, SmallCNN, WideCNN, build, count_parameters

IMAGES = torch.rand(5, 1, 28, 28, generator=generator(0))
SIGNALS = torch.rand(5, 1, 64, generator=generator(0))
OF_SIGNALS = ("ResidualSignal", "ScalesSignal", "SignalCNN")

OTHERS = ("Denoiser", "KernelClassifier", "Surrogate")
LAYERED = [
    name
    for name, network in NETWORKS.items()
    if not hasattr(network, "encode") and name not in OTHERS
]


def inputs(name):
    return SIGNALS if name in OF_SIGNALS else IMAGES


@pytest.mark.parametrize("name", LAYERED)
class TestClassifiers:
    def test_gives_one_logit_per_class_at_a_modest_size(self, name):
        model = build(name, seed=0, classes=11)
        assert model(inputs(name)).shape == (5, 11)
        least, most = (3_000, 40_000) if name in OF_SIGNALS else (140_000, 360_000)
        assert least < count_parameters(model) < most

    def test_candidates_do_not_touch_each_other_in_either_mode(self, name):
        model = build(name, seed=0).train()
        together = model(inputs(name))
        alone = model.eval()(inputs(name)[2:3])
        assert torch.allclose(together[2:3], alone, atol=1e-5)

    def test_weights_come_from_the_seed_and_leave_the_global_generator_alone(self, name):
        before = torch.random.get_rng_state()
        first, second, other = (build(name, seed=seed) for seed in (3, 3, 4))
        assert torch.equal(before, torch.random.get_rng_state())
        x = inputs(name)
        assert torch.equal(first(x), second(x))
        assert not torch.equal(first(x), other(x))


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


@pytest.mark.parametrize("network", [SmallCNN, WideCNN])
@pytest.mark.parametrize("size", [6, 30])
def test_rejects_sizes_that_cannot_be_halved_twice(network, size):
    with pytest.raises(ValueError, match=f"size must be a multiple of 4 .* but is {size}"):
        network(size=size)
    assert network(size=32)(torch.zeros(1, 1, 32, 32)).shape == (1, 10)


def test_a_residual_net_takes_any_size():
    assert ResidualNet()(torch.zeros(2, 1, 8, 19)).shape == (2, 10)
