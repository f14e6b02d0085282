import math

import pytest
import torch
from torch import nn

from xhat.core import generator
from xhat.learning import Tempered, fit_temperature
from xhat.metrics import expected_calibration_error, nll

N, K = 4000, 6


def calibrated(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels drawn from their own softmax."""
    random = generator(seed, "calibrated")
    logits = 2 * torch.randn(N, K, generator=random)
    return logits, logits.softmax(dim=1).multinomial(1, generator=random)[:, 0]


@pytest.mark.parametrize("true", [0.2, 1.0, 1.7, 10.0])
def test_a_known_temperature_comes_back(true):
    logits, labels = calibrated()
    base = fit_temperature(logits, labels)
    assert base == pytest.approx(1.0, abs=0.05)
    # the sample's own optimum is scaled exactly
    assert fit_temperature(logits * true, labels) == pytest.approx(true * base, rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_it_never_makes_the_likelihood_worse_and_no_temperature_beats_it(seed):
    random = generator(seed, "any")
    logits = 10 ** (2 * torch.rand(1, generator=random)) * torch.randn(50, 3, generator=random)
    labels = torch.randint(3, (50,), generator=random)
    t = fit_temperature(logits, labels)
    found = nll(logits.double() / t, labels)
    assert found <= nll(logits, labels)
    grid = torch.logspace(-2, 2, 41).tolist()
    assert found <= min(nll(logits.double() / other, labels) for other in grid) + 1e-6


def test_where_nothing_helps_it_is_1_and_where_all_is_right_it_stays_in_bounds():
    flat, labels = torch.zeros(5, 3), torch.arange(5) % 3
    assert fit_temperature(flat, labels) == 1.0
    assert 0.01 <= fit_temperature(torch.eye(3), torch.arange(3)) < 0.05
    assert 50 < fit_temperature(torch.eye(3), torch.arange(3).roll(1)) <= 100.0


def test_a_tempered_model_decides_the_same_less_certainly():
    logits, labels = calibrated()
    logits = 4 * logits  # far too certain
    model = Tempered(nn.Identity(), fit_temperature(logits, labels))
    found = model(logits)
    assert torch.equal(found.argmax(dim=1), logits.argmax(dim=1))
    assert torch.allclose(found, logits / model.temperature)
    before = expected_calibration_error(logits, labels)
    assert expected_calibration_error(found, labels) < 0.3 * before
    assert "temperature=" in repr(model)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Tempered(nn.Identity(), 0.0), ValueError, r"temperature must be above 0"),
        (lambda: Tempered(nn.Identity(), math.inf), ValueError, r"temperature must be.*inf"),
        (lambda: Tempered(nn.Identity(), "hot"), TypeError, r"temperature must be a number"),
        (lambda: Tempered(torch.neg, 1.0), TypeError, r"an nn\.Module, not builtin"),
        (lambda: Tempered(nn.Identity, 1.0), TypeError, r"an nn\.Module, not Identity"),
        (lambda: fit_temperature(torch.zeros(2, 3), torch.tensor([0])), ValueError, r"one label"),
        (
            lambda: fit_temperature(torch.zeros(2, 3).long(), torch.tensor([0, 1])),
            TypeError,
            r"floating point",
        ),
    ],
)
def test_rejects_what_does_not_fit(make, kind, said):
    with pytest.raises(kind, match=said):
        make()
