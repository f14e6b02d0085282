import math

import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from torch import nn

from tests.laws.registry import CLASSES, ConvNet, starts, targets
from xhat.core import generator
from xhat.engine import Problem, TargetReached, solve
from xhat.objectives import CrossEntropy, Disagreement, Entropy, Indecision, Maximize
from xhat.spaces import Box

N = 6


def logits(seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(N, 4, generator=generator(seed, "logits"), dtype=torch.float64)


def identity(x: torch.Tensor) -> torch.Tensor:
    return x


def several() -> list:
    """Three models of the same classes: scaled, shifted and reversed logits."""
    return [identity, lambda x: 0.3 * x + 1 * torch.arange(4), lambda x: x.flip(1)]


def disagreement_by_hand(x: torch.Tensor) -> torch.Tensor:
    p = torch.stack([model(x).softmax(dim=1) for model in several()]).numpy()
    total, each = scipy_entropy(p.mean(axis=0), axis=1), scipy_entropy(p, axis=2)
    return torch.from_numpy(total - each.mean(axis=0))


def test_entropy_is_scipys():
    expected = torch.from_numpy(scipy_entropy(logits().softmax(dim=1).numpy(), axis=1))
    assert torch.allclose(Entropy(identity)(logits()), expected)


def test_indecision_is_what_two_classes_leave_open():
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]], dtype=torch.float64)
    found = Indecision(identity)(p.log())
    assert torch.allclose(found, torch.tensor([0.8, 0.3, 1.0], dtype=torch.float64))


def test_disagreement_is_the_mutual_information():
    assert torch.allclose(Disagreement(several())(logits()), disagreement_by_hand(logits()))
    two = torch.tensor([[2.0, 0.0]])  # one says 0.88, the other 0.12: log 2 - H(0.88)
    p = 1 / (1 + math.exp(-2))
    expected = math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)
    found = float(Disagreement([identity, torch.neg])(two))
    assert found == pytest.approx(expected, abs=1e-6)


def test_entropy_splits_into_what_all_agree_and_what_they_disagree_on():
    def mean(x):
        return torch.stack([model(x).softmax(dim=1) for model in several()]).mean(dim=0).log()

    each = torch.stack([Entropy(model)(logits()) for model in several()]).mean(dim=0)
    total = Entropy(mean)(logits())
    assert torch.allclose(total, each + Disagreement(several())(logits()))


def test_the_ends_of_each_scale():
    even, certain = torch.zeros(2, 5), 1e4 * torch.eye(5)[:2]
    assert torch.allclose(Entropy(identity)(even), torch.full((2,), math.log(5)))
    assert Indecision(identity)(even).tolist() == [1, 1]
    for objective in (Entropy(identity), Indecision(identity)):
        assert objective(certain).tolist() == [0, 0]
    assert Disagreement([identity] * 3)(certain).tolist() == [0, 0]
    turned = [lambda x, k=k: x.roll(k, 1) for k in range(3)]  # each certain of another class
    assert torch.allclose(Disagreement(turned)(certain), torch.full((2,), math.log(3)))


@pytest.mark.parametrize(
    "objective",
    [Entropy(identity), Indecision(identity), Disagreement(several())],
    ids=["entropy", "indecision", "disagreement"],
)
def test_gradients_are_those_of_finite_differences_and_finite_far_out(objective):
    x = logits().requires_grad_(True)
    assert torch.autograd.gradcheck(objective, (x,))
    far = (1e4 * torch.eye(4)).requires_grad_(True)
    loss = objective(far)
    (gradient,) = torch.autograd.grad(loss.sum(), far)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()


class Together(nn.Module):
    """What answers for all of ``several``."""

    def __init__(self, count: int = 3) -> None:
        super().__init__()
        self.inner, self.count = nn.Identity(), count

    def members(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([model(self.inner(x)) for model in several()[: self.count]])


def test_models_that_answer_together_are_the_same_as_a_list_of_them():
    together = Together()
    found = Disagreement(together)
    assert torch.allclose(found(logits()), disagreement_by_hand(logits()))
    assert list(found.modules()) == [together]
    nets = [ConvNet(0), ConvNet(1)]
    assert list(Disagreement(nets).modules()) == nets
    assert list(Disagreement(nn.ModuleList(nets)).modules()) == nets


def test_a_penalty_keeps_the_target_and_lowers_what_it_measures():
    nets = [ConvNet(0), ConvNet(1)]
    penalty, wanted = Disagreement(nets), CrossEntropy(nets[0], targets(N))
    found = (wanted + 2 * penalty).measure(starts(N), starts(N))
    assert torch.equal(found.reached, wanted.measure(starts(N), starts(N)).reached)
    assert Entropy(nets[0]).measure(starts(N), starts(N)).reached is None
    without, with_it = (
        solve(Problem(objective, Box()), starts(N), max_steps=60).x
        for objective in (wanted, wanted + 5 * penalty)
    )
    assert (penalty(with_it) < penalty(without)).all()
    assert (penalty(with_it) < 0.5 * penalty(without)).float().mean() > 0.5


def test_the_reverse_looks_for_what_a_model_does_not_know():
    net = ConvNet()
    problem = Problem(Maximize(Entropy(net)), Box())
    found = solve(problem, starts(2), max_steps=60)
    assert (Entropy(net)(found.x) > Entropy(net)(starts(2))).all()
    assert float(-found.loss.min()) > 0.95 * math.log(CLASSES)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Disagreement([identity]), ValueError, r"at least 2 models, but 1 came.*Entropy"),
        (lambda: Disagreement([]), ValueError, r"at least 2 models, but 0"),
        (lambda: Disagreement(identity), TypeError, r"a list of models.*not function.*Entropy"),
        (lambda: Disagreement(nn.Sequential(nn.Identity())), TypeError, r"not Sequential"),
        (lambda: Disagreement([identity, 3]), TypeError, r"must be callable, not int"),
        (lambda: Entropy("net"), TypeError, r"must be callable, not str"),
        (lambda: Indecision(nn.Linear), TypeError, r"an instance, but Linear is a class"),
        (lambda: Disagreement(Together(1))(logits()), ValueError, r"at least 2 models, but 1"),
        (lambda: Entropy(lambda x: x.sum())(logits()), ValueError, r"\(n, classes\).*\(\)"),
        (lambda: Indecision(lambda x: 1.0)(logits()), ValueError, r"it returned float"),
        (
            lambda: Disagreement([identity, lambda x: x[:, :3]])(logits()),
            ValueError,
            r"the same classes, but have 4, 3",
        ),
        (
            lambda: solve(Problem(Entropy(lambda x: x.detach()), Box()), torch.rand(2, 3)),
            TypeError,
            r"Entropy cannot be differentiated",
        ),
        (
            lambda: solve(
                Problem(Entropy(identity), Box()), torch.rand(2, 3), stop=TargetReached()
            ),
            ValueError,
            r"TargetReached needs an objective with a target",
        ),
    ],
)
def test_rejects_what_does_not_fit(make, kind, said):
    with pytest.raises(kind, match=said):
        make()
