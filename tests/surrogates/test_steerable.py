import sys
import warnings

import pytest
import torch
from torch import nn

from tests.test_symmetry import asymmetry, normal
from xhat.engine import Compute, Problem, solve
from xhat.learning import rotate
from xhat.objectives import CrossEntropy
from xhat.spaces import Box
from xhat.surrogates.steerable import exported, steerable_cnn
from xhat.symmetry import Rotations

pytest.importorskip("e2cnn", reason="the extra 'steerable' is not installed")

SIZE, CLASSES = 12, 3


def small(group_order: int = 4, seed: int = 0, **options):
    options = {"classes": CLASSES, "size": SIZE, "width": 2, **options}
    return steerable_cnn(group_order, seed=seed, **options)


def images(n: int, channels: int = 1) -> torch.Tensor:
    return normal(n, channels, SIZE, SIZE).sigmoid()


def blobs(n: int) -> torch.Tensor:
    """Smooth images, dark towards the border, which turn well on a grid."""
    across = torch.linspace(-1.5, 1.5, SIZE, dtype=torch.float64)
    window = torch.exp(-2 * (across[:, None] ** 2 + across**2))
    coarse = nn.functional.interpolate(normal(n, 1, 4, 4), (SIZE, SIZE), mode="bicubic")
    return window * coarse


def test_the_gradient_at_a_symmetric_image_is_symmetric():
    model, turns = exported(small()).double(), Rotations(4)
    x = turns.symmetrize(images(3)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(x)[:, 0].sum(), x)
    assert gradient.abs().max() > 1e-4
    assert asymmetry(turns, gradient) < 1e-14
    pooled = nn.Sequential(*model)
    pooled[9] = nn.MaxPool1d(4)  # the check would notice
    (gradient,) = torch.autograd.grad(pooled(x)[:, 0].sum(), x)
    assert asymmetry(turns, gradient) > 1e-6


@pytest.mark.parametrize(("order", "channels"), [(2, 1), (4, 3), (8, 1)])
def test_turns_of_the_group_change_nothing(order, channels):
    model, x = exported(small(order, channels=channels)).double(), images(3, channels)
    turns = Rotations(min(order, 4))
    for k in range(turns.order):
        assert (model(turns.act(k, x)) - model(x)).abs().max() < 1e-12
    assert (model(x.flip(3)) - model(x)).abs().max() > 1e-5  # the check would notice
    assert model(x).shape == (3, CLASSES)


def test_more_rotations_see_less_of_an_eighth_turn():
    x = blobs(8)
    turned = rotate(x, torch.tensor([45.0]))

    @torch.no_grad()
    def change(order: int) -> float:
        model = exported(small(order)).double()
        spread = model(x).std(dim=0).mean()
        return float((model(turned) - model(x)).abs().mean() / spread)

    assert change(8) < 0.5 * change(4)


def test_what_is_exported_is_the_same_function_in_plain_torch():
    model = small(8)
    weights = {name: value.clone() for name, value in model.named_parameters()}
    plain, x = exported(model), images(4).float()
    assert model.training
    assert not plain.training
    assert all(p.requires_grad for p in plain.parameters())
    assert {type(part).__module__.split(".")[0] for part in plain.modules()} == {"torch"}
    assert torch.allclose(plain(x), model(x), atol=1e-6)
    assert torch.allclose(plain(x), model.eval()(x), atol=1e-6)
    assert torch.allclose(exported(model)(x), plain(x))
    assert not model.training
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.zero_()
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters())


def test_training_keeps_the_symmetry():
    model, y = small(), torch.arange(12) % CLASSES
    x = images(12).float() * (y + 1)[:, None, None, None] / CLASSES  # classes differ in brightness
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    plain = exported(model).double()
    assert (plain(x.double().rot90(1, (2, 3))) - plain(x.double())).abs().max() < 1e-6
    assert torch.allclose(plain(x.double()), model(x).double(), atol=1e-5)


def test_it_is_searched_as_any_other():
    problem = Problem(CrossEntropy(exported(small()), 1), Box())
    result = solve(problem, images(2).float(), max_steps=10, compute=Compute(chunk=1))
    first = problem.objective(images(2).float())
    assert (result.loss < first).all()


def test_weights_come_from_the_seed_and_nothing_global_changes():
    before = torch.get_rng_state(), list(warnings.filters)
    a, again, other = (exported(small(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert warnings.filters == before[1]
    assert torch.equal(a[0].weight, again[0].weight)
    assert not torch.equal(a[0].weight, other[0].weight)


def test_a_missing_package_is_named_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "e2cnn", None)
    with pytest.raises(ImportError, match=r"need e2cnn.*pip install 'xhat\[steerable\]'"):
        small()


REFUSED = {
    "no rotations": (lambda: small(0), ValueError, "group_order must be a whole number from 1"),
    "no classes": (lambda: small(classes=0), ValueError, "classes must be a whole number"),
    "an odd size": (lambda: small(size=30), ValueError, "multiple of 4 from 12, but is 30"),
    "a small size": (lambda: small(size=8), ValueError, "multiple of 4 from 12, but is 8"),
    "another shape": (
        lambda: small()(torch.zeros(2, 1, 8, 8)),
        ValueError,
        r"images of shape \(1, 12, 12\), but \(1, 8, 8\) came",
    ),
    "another model": (lambda: exported(nn.Flatten()), TypeError, "steerable_cnn returns.*Flatten"),
}


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
