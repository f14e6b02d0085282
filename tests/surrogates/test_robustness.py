import logging
import math
import sys

import pytest
import torch
from torch import nn

from xhat.core import InputWarning, generator
from xhat.learning import build
from xhat.surrogates import autoattack
from xhat.surrogates.robustness import Robustness, autoattack_accuracy, robust_accuracy
from xhat_zoo import digits

N, SIDE = 12, 5
DUAL = {"linf": 1.0, "l2": 2.0, "l1": math.inf}


def linear(classes: int) -> nn.Module:
    """A linear classifier of 5 x 5 images."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, classes))
    for parameter, random in zip(net.parameters(), (generator(0), generator(1)), strict=True):
        parameter.data = torch.randn(parameter.shape, generator=random)
    net[1].bias.data -= (net[1].weight * 0.5).sum(dim=1)
    return net.eval()


def images(net: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey images, far from black and white, and their classes; that of the first is wrong."""
    x = 0.5 + 0.05 * torch.randn(N, 1, SIDE, SIDE, generator=generator(2)).clamp(-2, 2)
    labels = net(x).argmax(dim=1)
    labels[0] = (labels[0] + 1) % net[1].out_features
    return x, labels


def distances(net: nn.Module, x: torch.Tensor, labels: torch.Tensor, norm: str) -> torch.Tensor:
    """How far each image is from the next other class: lead over dual norm, a closed form."""
    logits, weight = net(x).detach(), net[1].weight.detach()
    leads = logits.gather(1, labels[:, None]) - logits
    apart = torch.linalg.vector_norm(weight[labels][:, None] - weight, ord=DUAL[norm], dim=2)
    return (leads / apart).scatter(1, labels[:, None], torch.inf).amin(dim=1)


def between(distance: torch.Tensor) -> float:
    """A radius that some images survive and some do not, and that is near none of them."""
    ordered = distance[1:].sort().values[: N // 2 + 2]
    widest = int(ordered[3:].diff().argmax()) + 3
    return float(ordered[widest : widest + 2].mean())


@pytest.fixture
def brief(monkeypatch):
    """Let the attacks that take seconds, such as Square with its 5,000 queries, do less."""
    set_up = autoattack._set_up

    def quicker(theirs, *rest):
        theirs.square.n_queries = theirs.fab.n_iter = 20
        theirs.apgd.n_restarts = 1
        return set_up(theirs, *rest)

    monkeypatch.setattr(autoattack, "_set_up", quicker)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_both_evaluators_find_the_closed_form_of_two_classes(norm, brief):
    net = linear(2)
    x, labels = images(net)
    exact = distances(net, x, labels, norm)
    radius = between(exact)
    ours = robust_accuracy(net, x, labels, (radius, 0.3 * radius), norm)
    assert list(ours) == [0.3 * radius, radius]
    for r, found in ours.items():
        assert torch.equal(found.survived, exact > r)
        assert (found.radius, found.norm) == (r, norm)
    quick = autoattack_accuracy(net, x, labels, radius, norm, version="quick")
    assert torch.equal(quick.survived, exact > radius)
    assert quick.evaluator == "AutoAttack (apgd-ce)"  # two classes are too few for the other
    if norm != "l1":
        standard = autoattack_accuracy(net, x, labels, radius, norm)
        assert torch.equal(standard.survived, exact > radius)
        assert standard.evaluator == "AutoAttack (apgd-ce, fab-t, square)"


def test_targets_find_what_leaving_the_label_does_not():
    net = linear(10)
    x, labels = images(net)
    exact = distances(net, x, labels, "linf")
    radius = between(exact)
    ours = robust_accuracy(net, x, labels, [radius])[radius]
    assert (ours.survived | ~(exact > radius)).all()  # nothing robust falls
    assert ours.share > float((exact > radius).double().mean())  # an upper bound, as promised
    found = autoattack_accuracy(net, x, labels, radius, version="quick")
    assert torch.equal(found.survived, exact > radius)
    assert found.evaluator == "AutoAttack (apgd-ce, apgd-t)"
    assert found.remarks == ()


def test_the_record_gives_share_and_interval():
    found = Robustness(0.1, "l2", torch.tensor([True, False, True, True]), "by hand")
    assert found.share == 0.75
    low, high = found.interval
    assert low == pytest.approx(0.1941, abs=1e-4)
    assert high == pytest.approx(0.9937, abs=1e-4)


def test_the_shipped_classifier_falls_gradually():
    test = digits.split("test")
    x, labels, net = test.images[:20], test.labels[:20], digits.surrogate("plain")
    found = robust_accuracy(net, x, labels, (0.02, 0.1, 0.3), steps=15)
    clean = float((net(x).argmax(dim=1) == labels).double().mean())
    assert clean >= found[0.02].share > found[0.1].share >= found[0.3].share == 0.0
    theirs = autoattack_accuracy(net, x[:5], labels[:5], 0.3, version="quick")
    assert theirs.share == 0.0


def test_nothing_outside_is_changed(brief):
    def traced(*_):
        return None

    net = build("SmallCNN", seed=0, classes=2, size=8, width=8)
    net.train()
    inner = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 2)).train()
    net.head[0].bias.grad = torch.ones_like(net.head[0].bias)
    x = torch.rand(3, 1, 8, 8, generator=generator(0))
    labels = net(x).argmax(dim=1)
    handlers, level = list(logging.root.handlers), logging.getLogger("auto-attack").level
    values = [p.clone() for p in net.parameters()]
    random = torch.get_rng_state()
    before = sys.gettrace()
    sys.settrace(traced)
    try:
        with pytest.warns(InputWarning, match="training mode"):
            autoattack_accuracy(net, x, labels, 0.02)
        assert sys.gettrace() is traced
    finally:
        sys.settrace(before)
    assert torch.equal(torch.get_rng_state(), random)
    assert net.training
    assert all(map(torch.equal, values, net.parameters()))
    assert all(p.requires_grad for p in net.parameters())
    assert [n for n, p in net.named_parameters() if p.grad is not None] == ["head.0.bias"]
    assert (net.head[0].bias.grad == 1).all()
    assert (list(logging.root.handlers), logging.getLogger("auto-attack").level) == (
        handlers,
        level,
    )
    inner.eval()
    with torch.inference_mode():  # and a model behind a function has no gradients left either
        autoattack_accuracy(lambda x: inner(x), x, inner(x).argmax(dim=1), 0.02)
    assert all(p.grad is None for p in inner.parameters())


def test_chance_comes_from_the_seed():
    net = linear(4)
    x, labels = images(net)
    first, again = (
        autoattack.attack(net, x, labels, 0.3, "l2", version="quick", batch_size=5, seed=1)
        for _ in range(2)
    )
    other = autoattack.attack(net, x, labels, 0.3, "l2", version="quick", batch_size=5, seed=2)
    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, other.x)


def test_what_the_package_notices_is_told(caplog):
    class Probabilities(nn.Module):
        def forward(self, x):
            return linear(3)(x).softmax(dim=1)

    x, labels = images(linear(3))
    found = autoattack_accuracy(Probabilities().eval(), x, labels, 0.01, version="quick")
    (said,) = found.remarks
    assert "probability distribution" in said
    assert ".md" not in said
    assert not caplog.records


def test_points_outside_the_ball_do_not_count(monkeypatch):
    net = linear(2)
    x, labels = images(net)

    def cheating(model, x, labels, radius, norm, **_):
        return autoattack.Attacked(x + 1.5 * radius, 1 - labels, ("cheat",), ())

    monkeypatch.setattr("xhat.surrogates.robustness.attack", cheating)
    assert autoattack_accuracy(net, x, labels, 0.1).share == 1.0


def test_a_missing_package_is_told_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    net = linear(2)
    with pytest.raises(ImportError, match=r"pip install 'xhat\[robustness\]'"):
        autoattack_accuracy(net, *images(net), 0.1)


NET = linear(3)
X, LABELS = images(NET)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: robust_accuracy(NET, X, LABELS, [0.1, 0.0]), ValueError, r"radius must be above"),
        (lambda: robust_accuracy(NET, X, LABELS, [-0.1]), ValueError, r"radius must be above 0"),
        (lambda: robust_accuracy(NET, X, LABELS, []), ValueError, r"a list of at least one"),
        (lambda: robust_accuracy(NET, X, LABELS, 0.1), ValueError, r"a list.*are 0\.1"),
        (lambda: robust_accuracy(NET, X, LABELS, [0.1], "l0"), ValueError, r"norm must be one of"),
        (lambda: robust_accuracy(NET, X, LABELS, [0.1], steps=0), ValueError, r"step budget"),
        (lambda: robust_accuracy(NET, X, LABELS, [0.1], tries=0), ValueError, r"tries must"),
        (lambda: robust_accuracy(NET, 9 * X, LABELS, [0.1]), ValueError, r"inputs must lie in"),
        (lambda: robust_accuracy(NET, X, LABELS[:2], [0.1]), ValueError, r"one label.*\(2,\)"),
        (lambda: robust_accuracy(NET, X, LABELS + 9, [0.1]), ValueError, r"from 0 to 2"),
        (lambda: robust_accuracy(NET, X, LABELS / 2, [0.1]), TypeError, r"indices, not float"),
        (lambda: autoattack_accuracy(NET, X, LABELS, 0.0), ValueError, r"radius must be above 0"),
        (lambda: autoattack_accuracy(NET, X, LABELS, -1.0), ValueError, r"radius must be above"),
        (lambda: autoattack_accuracy(NET, X, LABELS, 0.1, "l0"), ValueError, r"norm must"),
        (
            lambda: autoattack_accuracy(NET, X, LABELS, 0.1, version="plus"),
            ValueError,
            r"version must be one of standard, quick",
        ),
        (
            lambda: autoattack_accuracy(NET, X, LABELS, 0.1, batch_size=0),
            ValueError,
            r"batch_size must",
        ),
        (lambda: autoattack_accuracy(NET, X.double(), LABELS, 0.1), TypeError, r"float32.*float64"),
        (lambda: autoattack_accuracy(NET, X.flatten(1), LABELS, 0.1), ValueError, r"\(12, 25\)"),
        (lambda: autoattack_accuracy(NET, X, LABELS + 9, 0.1), ValueError, r"labels must lie in"),
        (
            lambda: autoattack_accuracy(lambda x: x.sum((1, 2, 3)), X, LABELS, 0.1),
            ValueError,
            r"logits \(n, classes\).*\(1,\)",
        ),
    ],
)
def test_rejects_what_does_not_fit(make, kind, said):
    with pytest.raises(kind, match=said):
        make()
