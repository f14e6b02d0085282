import pytest
import torch

from xhat.core import generator
from xhat.objectives import CrossEntropy, Hinge, NearReal, TypicalityPenalty


def test_at_most_costs_what_is_above_the_bound_and_keeps_the_target():
    logits = torch.tensor([[0.0, 1.0], [3.0, 0.0], [0.0, 5.0]])
    plain = CrossEntropy(lambda x: x, 1)
    bounded = Hinge(plain, torch.tensor([0.1, 0.1, 0.1]))
    found, inner = bounded.measure(logits, logits), plain.measure(logits, logits)
    torch.testing.assert_close(found.loss, (inner.loss - 0.1).clamp(min=0))
    assert float(found.loss[2]) == 0 < float(inner.loss[2])
    assert torch.equal(found.reached, inner.reached)
    assert torch.equal(found.confidence, inner.confidence)


def test_at_most_has_no_gradient_below_its_bound():
    x = torch.tensor([[1.0], [3.0]], requires_grad=True)
    Hinge(lambda x: x.sum(1), 2.0)(x).sum().backward()
    assert x.grad.tolist() == [[0.0], [1.0]]


def test_near_real_is_the_mean_distance_to_the_nearest():
    real = torch.randn(40, 3, generator=generator(0))
    x = torch.randn(7, 3, generator=generator(1))
    wanted = torch.cdist(2 * x, real).sort(dim=1).values[:, :4].mean(1)
    torch.testing.assert_close(NearReal(lambda x: 2 * x, real, k=4)(x), wanted)


def test_near_real_looks_at_the_target_class_alone():
    real = torch.tensor([[[0.0], [1.0]], [[10.0], [11.0]]])
    x = torch.tensor([[0.0], [0.0]])
    near = NearReal(lambda x: x, real, torch.tensor([0, 1]), k=1)
    assert torch.allclose(near(x), torch.tensor([0.0, 10.0]), atol=1e-5)
    assert near.select(torch.tensor([1]))(x[:1]).tolist() == [10.0]


def test_near_real_can_be_differentiated_on_a_real_sample():
    x = torch.zeros(1, 2, requires_grad=True)
    NearReal(lambda x: x, torch.zeros(3, 2), k=2)(x).backward()
    assert torch.isfinite(x.grad).all()


def test_what_does_not_fit_is_told():
    real = torch.zeros(2, 3, 4)
    with pytest.raises(ValueError, match=r"must be \(m, d\), but have shape \(2, 3, 4\)"):
        NearReal(lambda x: x, real)
    with pytest.raises(ValueError, match=r"there are 3 real samples, but k is 5"):
        NearReal(lambda x: x, real, 0)
    with pytest.raises(ValueError, match=r"classes from 0 to 1, but holds values from 2 to 2"):
        NearReal(lambda x: x, real, 2, k=1)
    with pytest.raises(ValueError, match=r"one number or one for each candidate"):
        Hinge(lambda x: x, torch.zeros(2, 2))


def test_central_bounded_pushes_out_of_the_middle_and_no_further():
    x = torch.tensor([[0.3, 0.4], [3.0, 4.0]], requires_grad=True)
    bounded = Hinge(TypicalityPenalty(lambda x: x), -2.0)
    loss = bounded(x)
    torch.testing.assert_close(loss, torch.tensor([1.5, 0.0]))
    loss.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[-0.6, -0.8], [0.0, 0.0]]))
    with pytest.raises(TypeError, match="the encoder must be callable"):
        TypicalityPenalty(None)
