"""The surrogate: its closed form against propagation, its networks against the truth."""

import pytest
import torch

from xhat_zoo.conjunction import (
    HELD_OUT,
    PARTS,
    Recipe,
    Rows,
    Surrogate,
    card,
    describe,
    errors,
    orbits,
    rows,
    simulate,
    surrogate,
    train,
)
from xhat_zoo.conjunction.approaching import axis_change, fly


@pytest.fixture(scope="module")
def held_out():
    return rows(60, 3, seed=HELD_OUT + 2)


def test_without_oblateness_the_closed_form_is_right(monkeypatch):
    some = simulate(30, seed=6)
    draws = torch.Generator().manual_seed(0)
    x = 0.03 * torch.randn(30, 4, generator=draws, dtype=torch.float64)
    x[:, 3] = some.limits.earliest * torch.rand(30, generator=draws)
    monkeypatch.setattr(orbits, "J2", 0.0)
    burn, kicked, there = fly(some, x)
    moved = (orbits.rtn_axes(some.primary) @ (there - some.primary)[:, :3, None])[:, :, 0]
    untrained, context = Surrogate().double(), describe(some)
    off = (untrained.moved(x, context).detach() - moved).norm(dim=1) / moved.norm(dim=1)
    assert float(off.max()) < 1e-3
    assert float(off.median()) < 3e-5
    found = untrained.axis_change(x, context)
    torch.testing.assert_close(found, axis_change(burn, kicked), rtol=1e-6, atol=1e-4)


def test_is_near_the_truth_on_encounters_that_trained_nothing(held_out):
    off = errors(surrogate(), held_out).abs()
    assert float(off.median()) < 2e-3
    assert float(off.quantile(0.95)) < 0.03


def test_the_networks_are_what_makes_it_so(held_out):
    assert float(errors(Surrogate(), held_out).abs().quantile(0.95)) > 0.1


def test_its_gradient_is_that_of_finite_differences(held_out):
    model = surrogate().double()
    x, context = held_out.x[:20], held_out.context[:20]
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(leaf, context).sum(), leaf)
    for axis, step in enumerate((1e-6, 1e-6, 1e-6, 1e-2)):
        move = torch.zeros_like(x)
        move[:, axis] = step
        wanted = (model(x + move, context) - model(x - move, context)) / (2 * step)
        torch.testing.assert_close(gradient[:, axis], wanted, rtol=1e-4, atol=1e-5)


def test_candidates_do_not_influence_each_other(held_out):
    model = surrogate().double()
    both = model(held_out.x[:5], held_out.context[:5])
    alone = model(held_out.x[4:5], held_out.context[4:5])
    torch.testing.assert_close(both[4:], alone, rtol=1e-12, atol=1e-12)


def test_a_training_helps_and_is_reproducible(held_out):
    recipe = Recipe(encounters=40, manoeuvres=4, epochs=15, batch_size=32)
    one, two = train(recipe, seed=0), train(recipe, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    before = errors(Surrogate(), held_out).abs().quantile(0.9)
    assert float(errors(one, held_out).abs().quantile(0.9)) < 0.8 * float(before)


def test_cards_say_what_was_measured():
    for name in PARTS:
        assert card(name).metrics["|error|, quantile 0.99"] < 0.05
    with pytest.raises(ValueError, match="name must be one of shift, disc"):
        card("other")


def test_errors_are_taken_where_asked(held_out):
    off = errors(surrogate(), held_out, near=(-6.0, -4.0))
    inside = (held_out.log10_pc >= -6) & (held_out.log10_pc <= -4)
    assert len(off) == int(inside.sum())
    assert isinstance(held_out, Rows)
