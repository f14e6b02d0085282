import pytest
import torch

from tests.laws.registry import OBJECTIVES, ConvNet, ink, starts, targets
from xhat.objectives import (
    CrossEntropy,
    Custom,
    InLatent,
    Margin,
    Match,
    Maximize,
    Proximity,
    Sum,
    as_objective,
)

N = 5


@pytest.mark.parametrize("entry", OBJECTIVES, ids=str)
def test_every_objective_gives_one_loss_per_candidate_and_selects_rows(entry):
    objective, index = entry.make(N), torch.tensor([3, 1])
    x = starts(N)
    whole = objective.measure(x, x)
    assert whole.loss.shape == (N,)
    part = objective.select(index).measure(x[index], x[index])
    assert torch.allclose(part.loss, whole.loss[index], atol=1e-5)
    for name in ("reached", "confidence"):
        if getattr(whole, name) is not None:
            assert torch.allclose(
                getattr(part, name).float(), getattr(whole, name)[index].float(), atol=1e-5
            )
    assert objective.rows in (1, N)


def test_sums_and_scales_are_sums_and_scales():
    x = starts(N)
    a, b = CrossEntropy(ConvNet(), targets(N)), Proximity(starts(N).flip(0))
    total = a + 0.5 * b + ink
    assert torch.allclose(total(x), a(x) + 0.5 * b(x) + ink(x))
    assert torch.allclose((ink + a)(x), a(x) + ink(x))
    assert torch.allclose((b * 3)(x), 3 * b(x))
    assert isinstance(total, Sum)
    assert len(total.terms) == 3
    assert torch.allclose((total + total)(x), 2 * total(x))


def test_a_sum_reaches_its_target_when_all_terms_do():
    x = torch.tensor([[3.0, 0.0], [0.0, 3.0], [0.6, 0.5]])
    surely = CrossEntropy(lambda x: x, 0)
    exactly = Match(lambda x: x[:, 0], 3.0, tolerance=0.1)
    found = (surely + 2 * exactly + ink).measure(x, x)
    assert found.reached.tolist() == [True, False, False]
    assert surely.measure(x, x).reached.tolist() == [True, False, True]
    unsure = CrossEntropy(lambda x: x, [0.5, 0.5])
    both = (surely + unsure).measure(x, x).confidence
    least = torch.minimum(surely.measure(x, x).confidence, unsure.measure(x, x).confidence)
    assert torch.equal(both, least)
    assert (Custom(ink) + Proximity(x)).measure(x, x).reached is None


def test_maximize_is_the_only_flip():
    x = starts(N)
    entropy = CrossEntropy(ConvNet(), targets(N))
    assert torch.equal(Maximize(entropy)(x), -entropy(x))
    assert torch.equal(Maximize(lambda x: ink(x)[:, None])(x), -ink(x))
    assert torch.equal(Maximize(entropy).select(torch.tensor([2]))(x[2:3]), -entropy(x)[2:3])
    assert Maximize(entropy).measure(x, x).reached is None


def test_what_looks_at_z_does_so_inside_every_other_objective():
    x, z = torch.ones(N, 3), torch.full((N, 2), 2.0)
    prior = InLatent(ink)
    for objective, loss in (
        (prior, 8.0),
        (2 * prior, 16.0),
        (prior + ink, 11.0),
        (Maximize(prior), -8.0),
        (InLatent(Proximity(torch.zeros(1, 2))), 8.0),
    ):
        assert objective.measure(x, z).loss.tolist() == [loss] * N


def test_callables_become_objectives():
    assert as_objective(ink)(torch.ones(1, 2)).tolist() == [2.0]
    objective = Custom(ink)
    assert as_objective(objective) is objective
    with pytest.raises(TypeError, match="Objective or a callable"):
        as_objective("ink")


def test_models_are_found_through_every_wrapping():
    net = ConvNet()
    wrapped = 0.5 * (Maximize(CrossEntropy(net, 1)) + Margin(net, 2)) + ink
    assert {id(module) for module in wrapped.modules()} == {id(net)}
