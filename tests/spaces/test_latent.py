import pytest
import torch
from torch import nn

from tests.laws.registry import ConvNet, autoencoder, mask, starts, targets
from xhat.core import InputWarning
from xhat.engine import Adam, Problem, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Latent, Logit, Masked
from xhat_zoo import digits


def test_a_latent_search_stays_in_what_the_decoder_makes():
    encoder, decoder = autoencoder()
    problem = Problem(CrossEntropy(ConvNet(), targets(3)), Latent(encoder, decoder, limit=0.5))
    with pytest.warns(InputWarning, match="3 of 3 starts have codes outside the latent box"):
        result = solve(problem, starts(3), stepper=Adam(0.2), max_steps=20)
    assert result.z.shape == (3, 5)
    assert result.z.abs().max() <= 0.5
    assert torch.equal(result.z.abs().max(), torch.tensor(0.5))  # it pushed against the limit
    assert torch.allclose(decoder(result.z), result.x, atol=1e-6)


def test_a_box_may_differ_by_dimension():
    encoder, decoder = autoencoder()
    low, high = -torch.linspace(0.1, 0.5, 5), torch.linspace(0.6, 0.2, 5)
    space = Latent(encoder, decoder, (low, high))
    assert torch.equal(space.project(torch.full((2, 5), -9.0)), low.expand(2, 5))
    assert torch.equal(space.project(torch.full((2, 5), 9.0)), high.expand(2, 5))
    inside = (low + high)[None] / 2
    assert torch.equal(space.project(inside), inside)
    problem = Problem(CrossEntropy(ConvNet(), targets(3)), space)
    with pytest.warns(InputWarning, match=r"outside the latent box \[-0.5, 0.6\], the farthest"):
        result = solve(problem, starts(3), max_steps=20)
    assert bool(((result.z >= low) & (result.z <= high)).all())


@pytest.mark.parametrize(
    "limit", [(torch.zeros(2), torch.zeros(2)), (torch.zeros(2), torch.ones(3))]
)
def test_a_box_without_room_is_told(limit):
    with pytest.raises(ValueError, match="limit must be the lower and upper ends of a box"):
        Latent(*autoencoder(), limit)


def test_no_gradient_flows_through_the_encoder():
    encoder, decoder = autoencoder()
    x = starts(2).requires_grad_(True)
    assert not Latent(encoder, decoder).encode(x).requires_grad
    assert encoder(x).requires_grad


def test_an_encoder_need_not_be_differentiable():
    _, decoder = autoencoder()
    space = Latent(lambda x: torch.from_numpy(x.numpy().reshape(len(x), -1)[:, :5].copy()), decoder)
    result = solve(Problem(CrossEntropy(ConvNet(), 1), space), starts(2), max_steps=3)
    assert torch.isfinite(result.loss).all()


def test_a_mask_over_a_latent_space_holds_pixels_and_moves_the_rest():
    problem = Problem(
        CrossEntropy(ConvNet(), targets(3)), Masked(Latent(*autoencoder()), mask(), starts(3))
    )
    result = solve(problem, starts(3), stepper=Adam(0.2), max_steps=15)
    free = mask().expand_as(result.x)
    assert torch.equal(result.x[~free], starts(3)[~free])
    assert ((result.x - starts(3)).abs()[free] > 1e-3).float().mean() > 0.9
    begun = problem.space.decode(problem.space.begin(starts(3)))
    assert (result.loss < problem.objective(begun)).all()


def test_a_mask_over_a_logit_space_holds_pixels_exactly_on_the_bound():
    x0 = starts(3).round()
    problem = Problem(CrossEntropy(ConvNet(), targets(3)), Masked(Logit(), mask(), x0))
    result = solve(problem, x0, stepper=Adam(0.5), max_steps=10)
    free = mask().expand_as(x0)
    assert torch.equal(result.x[~free], x0[~free])
    assert (result.x != x0)[free].all()


def coded(scale):
    """A space whose codes are the first pixels, times ``scale``."""
    return Latent(lambda x: scale * x.flatten(1), lambda z: z.reshape(-1, 1, 6, 6) / scale)


def test_a_start_outside_the_box_is_told_of_and_one_inside_is_not():
    coded(4.0).check(starts(3))  # codes up to 4: a warning would fail the test
    with pytest.warns(
        InputWarning, match=r"3 of 3 starts .* outside the latent box \[-4, 4\], the farthest at 12"
    ):
        coded(12.0).check(starts(3))
    dark = torch.cat((starts(2), 0.1 * starts(1)))
    with pytest.warns(InputWarning, match=r"2 of 3 starts .* Raise limit"):
        coded(12.0).check(dark)


def test_rounding_does_not_count_as_outside():
    coded(4.0 * (1 + 1e-5)).check(starts(3))
    coded(4.0 * (1 + 9e-4)).check(starts(3) / starts(3).max())
    with pytest.warns(InputWarning, match="outside the latent box"):
        coded(4.0 * (1 + 1.2e-3)).check(starts(3) / starts(3).max())


def test_the_shipped_latent_space_holds_real_digits():
    vae = digits.vae()
    Latent(vae.encode, vae.decode).check(digits.split("calibration").images[:200])


def test_looking_at_the_starts_leaves_an_encoder_in_training_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Linear(36, 5)).train()
    before = net[1].running_mean.clone()
    Latent(net, autoencoder()[1], limit=99.0).check(starts(3))
    assert torch.equal(net[1].running_mean, before)
    assert all(module.training for module in net.modules())


def test_logits_in_place_of_pixels_are_told_of():
    vae, x = digits.vae(), digits.split("test").images[:3]
    with pytest.warns(InputWarning, match=r"makes values from -.* of starts between 0 and .*"):
        Latent(vae.encode, vae.decode_logits).check(x)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_range_is_told_of_only_beyond_its_own_width(sign, recwarn):
    """Starts lie in [0, 2]: what is made of them may reach from -2 to 4."""
    x = torch.tensor([[0.0, 2.0]])

    def space(beyond: float) -> Latent:
        middle = 1 + sign * (3 + beyond)
        return Latent(lambda x: x, lambda z: torch.full_like(z, middle))

    space(-0.01).check(x)
    assert not recwarn
    with pytest.warns(InputWarning, match="the decoder makes values from"):
        space(0.01).check(x)


def test_a_space_without_encoder_decodes_and_says_that_it_cannot_begin():
    space = Latent(None, autoencoder()[1])
    z = torch.zeros(2, 5)
    assert space.decode(z).shape == (2, 1, 6, 6)
    assert list(space.modules()) == [space.decoder]
    said = r"has no encoder.*Inversion\(decoder, size\)"
    with pytest.raises(ValueError, match=said):
        space.encode(starts(2))
    with pytest.raises(ValueError, match=said):
        solve(Problem(CrossEntropy(ConvNet(), 1), space), starts(2))


def test_an_encoder_that_keeps_within_its_own_box_is_not_asked_twice():
    class Searching:
        limit, asked = 4.0, 0

        def __call__(self, x):
            self.asked += 1
            return x.flatten(1)[:, :5]

    encoder = Searching()
    Latent(encoder, autoencoder()[1]).check(starts(2))
    assert encoder.asked == 0
    Latent(encoder, autoencoder()[1], limit=3.0).check(starts(2))
    assert encoder.asked == 1
