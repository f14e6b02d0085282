import pytest
import torch
from torch.nn import functional as F

from tests.laws.registry import ConvNet, soft_targets, starts, targets
from xhat.core import generator
from xhat.objectives import CrossEntropy, Margin

N = 6


def logits() -> torch.Tensor:
    return 3 * torch.randn(N, 4, generator=generator(0, "logits"))


def identity(x: torch.Tensor) -> torch.Tensor:
    return x


@pytest.mark.parametrize("target", [targets(N), soft_targets(N)], ids=["class", "soft"])
def test_cross_entropy_is_torchs_for_every_kind_of_target(target):
    found = CrossEntropy(identity, target)(logits())
    assert torch.allclose(found, F.cross_entropy(logits(), target, reduction="none"))
    assert not torch.allclose(found, F.cross_entropy(logits(), target.flip(0), reduction="none"))


def test_a_class_its_one_hot_row_and_its_integer_rows_are_one_target():
    y = targets(N)
    rows = F.one_hot(y, 4)
    for same in (rows, rows.float(), y.int(), y.tolist(), y.numpy()):
        a, b = CrossEntropy(identity, y), CrossEntropy(identity, same)
        x = logits()
        found, again = vars(a.measure(x, x)), vars(b.measure(x, x))
        for name in ("merit", "scale_free"):  # there is none but in other searches
            del found[name], again[name]
        for one, other in zip(found.values(), again.values(), strict=True):
            assert torch.allclose(one.float(), other.float(), atol=1e-6)
        assert torch.allclose(Margin(identity, y)(x), Margin(identity, same)(x))


def test_one_target_may_serve_all():
    x = logits()
    assert torch.equal(CrossEntropy(identity, 2)(x), CrossEntropy(identity, [2] * N)(x))
    soft = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert torch.allclose(
        CrossEntropy(identity, soft)(x), CrossEntropy(identity, soft.repeat(N, 1))(x)
    )
    assert CrossEntropy(identity, soft).rows == 1


def test_reached_and_confidence_come_from_the_distribution():
    x = logits()
    p = x.softmax(dim=1)
    found = CrossEntropy(identity, targets(N)).measure(x, x)
    assert torch.equal(found.reached, p.argmax(dim=1) == targets(N))
    assert 0 < found.reached.sum() < N
    assert torch.allclose(found.confidence, p[torch.arange(N), targets(N)])
    wanted = soft_targets(N)
    found = CrossEntropy(identity, wanted).measure(x, x)
    assert torch.allclose(found.confidence, 1 - (p - wanted).abs().sum(dim=1) / 2, atol=1e-6)
    assert torch.equal(found.reached, p.argmax(dim=1) == wanted.argmax(dim=1))
    exact = CrossEntropy(identity, wanted).measure(wanted.log(), x)
    assert torch.allclose(exact.confidence, torch.ones(N))
    assert exact.reached.all()


@pytest.mark.parametrize("kappa", [0.0, 2.0, 100.0])
def test_margin_is_carlini_and_wagners(kappa):
    x, y = logits(), targets(N)
    expected = []
    for row, k in zip(x.tolist(), y.tolist(), strict=True):
        others = max(value for i, value in enumerate(row) if i != k)
        expected.append(max(others - row[k], -kappa))
    found = Margin(identity, y, kappa).measure(x, x)
    assert torch.allclose(found.loss, torch.tensor(expected))
    assert torch.equal(found.reached, x.argmax(dim=1) == y)
    assert torch.equal(found.reached, found.loss < 0) or kappa == 0.0
    assert torch.allclose(found.confidence, x.softmax(dim=1)[torch.arange(N), y])


def test_the_gradient_is_that_of_each_candidates_own_loss():
    net, x = ConvNet(), starts(N).requires_grad_(True)
    (ours,) = torch.autograd.grad(CrossEntropy(net, targets(N))(x).sum(), x)
    for i in range(N):
        alone = starts(N)[i : i + 1].requires_grad_(True)
        loss = F.cross_entropy(net(alone), targets(N)[i : i + 1])
        (theirs,) = torch.autograd.grad(loss, alone)
        assert torch.allclose(ours[i : i + 1], theirs, atol=1e-6)


def test_half_precision_logits_are_judged_in_single():
    x = logits()
    found = CrossEntropy(lambda x: x.bfloat16(), targets(N)).measure(x, x)
    assert found.loss.dtype == found.confidence.dtype == torch.float32
    assert CrossEntropy(identity, 1)(x.double()).dtype == torch.float64
