import math

import pytest
import torch

from tests.laws.registry import ConvNet, starts
from xhat.engine import Adam, Problem, solve
from xhat.metrics import auroc
from xhat.objectives import CrossEntropy, Energy, Hinge
from xhat.spaces import Box
from xhat_zoo import digits


def test_it_is_the_negative_log_of_the_summed_exponentials():
    logits = torch.tensor([[0.3, -1.2, 2.0], [40.0, 39.0, -5.0]], dtype=torch.float64)
    for temperature in (0.5, 1.0, 3.0):
        by_hand = [
            -temperature * math.log(sum(math.exp(v / temperature) for v in row))
            for row in logits.tolist()
        ]
        found = Energy(lambda x: x, temperature)(logits)
        assert torch.allclose(found, torch.tensor(by_hand, dtype=torch.float64))


def test_a_shift_of_the_logits_shifts_it_which_no_probability_notices():
    logits = torch.randn(5, 4)
    shifted = Energy(lambda x: x)(logits + 7)
    assert torch.allclose(shifted, Energy(lambda x: x)(logits) - 7, atol=1e-5)
    constant = Energy(lambda x: x.log_softmax(1))(logits)
    assert torch.allclose(constant, torch.zeros(5), atol=1e-6)


def test_large_logits_neither_overflow_nor_lose_their_gradient():
    x = torch.tensor([[3e4, 0.0], [-3e4, -3e4]], requires_grad=True)
    found = Energy(lambda x: x)(x)
    assert torch.isfinite(found).all()
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert torch.allclose(gradient.sum(dim=1), torch.tensor([-1.0, -1.0]), atol=1e-3)


def test_digits_have_less_of_it_than_clothes():
    energy = Energy(digits.surrogate("plain"))
    with torch.no_grad():
        real = energy(digits.split("test").images[:300])
        foreign = energy(digits.fashion()[:300])
    assert auroc(foreign, real) > 0.8


def test_as_a_prior_it_lowers_the_energy_of_what_is_found_down_to_a_bound():
    net, x0 = ConvNet(), starts(3)
    wanted, energy = CrossEntropy(net, 1), Energy(net)

    def found(objective):
        x = solve(Problem(objective, Box()), x0, stepper=Adam(0.05), max_steps=30).x
        return energy(x).detach()

    alone, steered = found(wanted), found(wanted + 5.0 * energy)
    assert (steered < alone - 0.01).all()
    bound = float(alone.mean())
    bounded = found(5.0 * Hinge(energy, bound))
    assert (bounded > steered).all()


def test_bad_parts_are_refused():
    with pytest.raises(ValueError, match="temperature must be above 0, but is 0"):
        Energy(ConvNet(), 0.0)
    with pytest.raises(TypeError, match="temperature must be a number, not str"):
        Energy(ConvNet(), "hot")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="model must be callable, not int"):
        Energy(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"logits of shape \(n, classes\).*n = 2.*\(2,\)"):
        Energy(lambda x: x.flatten(1).sum(1))(starts(2))
