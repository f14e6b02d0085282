import pytest
import torch

from tests.laws.registry import ConvNet, autoencoder, mask, starts, targets
from xhat.objectives import CrossEntropy
from xhat.problem import Problem
from xhat.solve import Adam, solve
from xhat.spaces import Latent, Logit, Masked


def test_a_latent_search_stays_in_what_the_decoder_makes():
    encoder, decoder = autoencoder()
    problem = Problem(CrossEntropy(ConvNet(), targets(3)), Latent(encoder, decoder, limit=0.5))
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
    result = solve(Problem(CrossEntropy(ConvNet(), targets(3)), space), starts(3), max_steps=20)
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
