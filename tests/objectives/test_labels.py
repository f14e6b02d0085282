import pytest
import torch
from torch.nn import functional as F

from xhat.core import generator
from xhat.objectives import BinaryCrossEntropy

N, LABELS = 6, 5


def same(x: torch.Tensor) -> torch.Tensor:
    return x


def logits() -> torch.Tensor:
    return 3 * torch.randn(N, LABELS, generator=generator(0, "logits"))


def wanted() -> torch.Tensor:
    return (torch.rand(N, LABELS, generator=generator(1, "labels")) > 0.5).float()


def test_the_loss_is_torchs_and_the_confidence_the_least_probability():
    x, labels = logits(), wanted()
    found = BinaryCrossEntropy(same, labels).measure(x, x)
    expected = F.binary_cross_entropy_with_logits(x, labels, reduction="none").mean(dim=1)
    assert torch.allclose(found.loss, expected, atol=1e-6)
    p = x.sigmoid()
    assert torch.allclose(found.confidence, torch.where(labels > 0, p, 1 - p).amin(dim=1))
    assert torch.equal(found.reached, ((x > 0) == (labels > 0)).all(dim=1))
    assert BinaryCrossEntropy(same, labels)(x).requires_grad is False


@pytest.mark.parametrize("how", ["nan", "mask", "weight"])
def test_labels_that_do_not_count_do_not_matter(how):
    x, labels = logits(), wanted()
    counts = torch.ones(N, LABELS, dtype=torch.bool)
    counts[:, 2] = counts[3, 1] = False
    made = {
        "nan": lambda: BinaryCrossEntropy(same, labels.masked_fill(~counts, torch.nan)),
        "mask": lambda: BinaryCrossEntropy(same, labels, mask=counts),
        "weight": lambda: BinaryCrossEntropy(same, labels, weight=2 * counts.float()),
    }[how]()
    found = made.measure(x, x)
    other = made.measure(torch.where(counts, x, 77.0), x)
    assert torch.allclose(found.loss, other.loss)
    assert torch.equal(found.reached, other.reached)
    assert torch.allclose(found.confidence, other.confidence)
    loss = F.binary_cross_entropy_with_logits(x, labels, reduction="none")
    expected = torch.stack([loss[i, counts[i]].mean() for i in range(N)])
    assert torch.allclose(found.loss, expected, atol=1e-6)


def test_large_logits_keep_their_loss_and_gradient():
    x = torch.tensor([[4e3, -7e3, 2e3]], requires_grad=True)
    found = BinaryCrossEntropy(same, [0, 1, 1])(x)
    assert float(found.detach()) == pytest.approx((4e3 + 7e3) / 3)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert torch.allclose(gradient, torch.tensor([[1 / 3, -1 / 3, 0.0]]))


def test_weights_are_those_of_a_mean():
    x = torch.tensor([[1.0, -2.0]])
    loss = F.softplus(torch.tensor([-1.0, 2.0]))
    found = BinaryCrossEntropy(same, [1, 1], weight=[3.0, 1.0])(x)
    assert torch.allclose(found, (3 * loss[0] + loss[1]) / 4)
    assert not torch.allclose(found, BinaryCrossEntropy(same, [1, 1])(x))
