import pytest
import torch
from torch.nn import functional as F

from tests.laws.registry import ConvNet, starts, targets
from xhat.constraints import L1Ball, L2Ball, LinfBall
from xhat.engine import (
    Problem,
    Restarts,
    SignDescent,
    TargetReached,
    minimum_norm,
    pgd,
    solve,
)
from xhat.objectives import CrossEntropy
from xhat.spaces import Box

N, STEPS, RADIUS, RATE = 4, 6, 0.2, 0.05


def by_hand(norm: str, sign: int, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The textbook loop in a ball and in [0, 1]; the best seen of each candidate and its loss."""
    net, x0 = ConvNet(), starts(N)
    x, best, kept = x0.clone(), torch.full((N,), torch.inf), x0.clone()
    for step in range(STEPS + 1):
        x.requires_grad_(True)
        loss = sign * F.cross_entropy(net(x), y, reduction="none")
        better = loss < best
        best = torch.where(better, loss, best).detach()
        kept = torch.where(better[:, None, None, None], x, kept).detach()
        if step == STEPS:
            return kept, best
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        with torch.no_grad():
            if norm == "linf":
                x = x - RATE * gradient.sign()
                x = torch.maximum(torch.minimum(x, x0 + RADIUS), x0 - RADIUS)
            else:
                length = gradient.flatten(1).norm(dim=1)[:, None, None, None]
                delta = x - RATE * gradient / length - x0
                size = delta.flatten(1).norm(dim=1)[:, None, None, None]
                x = x0 + delta * (RADIUS / size).clamp(max=1)
            x = x.clamp(0, 1)
    raise AssertionError("unreachable")


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_is_the_textbook_loop_toward_a_target(norm):
    result = pgd(ConvNet(), starts(N), targets(N), norm=norm, radius=RADIUS, rate=RATE, steps=STEPS)
    x, loss = by_hand(norm, 1, targets(N))
    assert torch.allclose(result.x, x, atol=1e-6)
    assert torch.allclose(result.loss, loss, atol=1e-5)
    assert not torch.allclose(x, starts(N), atol=1e-2)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_is_the_textbook_loop_away_from_labels_of_each_candidate(norm):
    y = targets(N)
    result = pgd(ConvNet(), starts(N), label=y, norm=norm, radius=RADIUS, rate=RATE, steps=STEPS)
    x, loss = by_hand(norm, -1, y)
    assert torch.allclose(result.x, x, atol=1e-6)
    assert torch.allclose(result.loss, loss, atol=1e-5)
    toward = pgd(ConvNet(), starts(N), y, norm=norm, radius=RADIUS, rate=RATE, steps=STEPS)
    assert (toward.loss < -result.loss).all()


@pytest.mark.parametrize(("norm", "ball"), [("linf", LinfBall), ("l2", L2Ball), ("l1", L1Ball)])
def test_the_ball_and_the_bounds_hold_for_every_candidates_radius(norm, ball):
    radius = torch.tensor([0.05, 0.1, 0.2, 0.4])
    result = pgd(ConvNet(), starts(N), 2, norm=norm, radius=radius, rate=0.1, steps=10)
    assert (ball(starts(N), radius).violation(result.x) <= 1e-5).all()
    assert (ball(starts(N), 0.9 * radius).violation(result.x) > 0).all()  # and it is made use of
    assert result.x.min() >= 0
    assert result.x.max() <= 1
    assert result.feasible.all()


def test_the_default_rate_crosses_the_ball_two_and_a_half_times():
    a = pgd(ConvNet(), starts(N), 1, radius=0.2, steps=5)
    b = pgd(ConvNet(), starts(N), 1, radius=0.2, steps=5, rate=0.1)
    c = pgd(ConvNet(), starts(N), 1, radius=0.2, steps=5, rate=0.05)
    assert torch.equal(a.x, b.x)
    assert not torch.equal(a.x, c.x)


def test_an_attack_is_this_engine_with_a_ball():
    stop, tries = TargetReached(0.4), Restarts(2, 0.1)
    attack = pgd(
        ConvNet(), starts(N), 1, radius=0.3, rate=0.03, steps=9, stop=stop, restarts=tries, seed=3
    )
    problem = Problem(CrossEntropy(ConvNet(), 1), Box(), LinfBall(starts(N), 0.3))
    options = {"stop": stop, "restarts": tries, "seed": 3, "max_steps": 9}
    same = solve(problem, starts(N), stepper=SignDescent(0.03), **options)
    assert torch.equal(attack.x, same.x)
    assert attack.status == same.status


def test_a_label_that_is_left_ends_the_search():
    label = ConvNet()(starts(N)).argmax(dim=1)
    away = {"radius": 0.5, "rate": 0.05, "steps": 30}
    result = pgd(ConvNet(), starts(N), label=label, stop=TargetReached(), **away)
    assert result.reached.any()
    assert torch.equal(ConvNet()(result.x).argmax(dim=1) != label, result.reached)
    assert (result.evaluations[result.reached] < 31).all()
    elsewhere = (label + 1) % 4
    at_once = pgd(ConvNet(), starts(N), label=elsewhere, stop=TargetReached(), **away)
    assert at_once.steps.sum() == 0


def test_the_minimum_norm_of_a_linear_model_is_known():
    draws = torch.Generator().manual_seed(0)
    w = torch.randn(2, 5, generator=draws)
    x = torch.rand(40, 5, generator=draws)

    def model(x):
        return x @ w.T

    label = model(x).argmax(dim=1)
    found, fooled = minimum_norm(model, x, label=label, bounds=(-9.0, 9.0))
    gap = (w[1] - w[0]) / (w[1] - w[0]).norm()
    wanted = (x @ gap).abs()
    assert fooled.all()
    assert (model(found).argmax(dim=1) != label).all()
    moved = (found - x).norm(dim=1)
    assert (moved >= wanted - 1e-5).all()
    assert (moved <= 1.06 * wanted + 0.02).all()
    other = 1 - label
    towards, reached = minimum_norm(model, x, other, bounds=(-9.0, 9.0))
    assert reached.all()
    assert torch.allclose(towards, found, atol=1e-5)


def test_the_minimum_norm_keeps_bounds_and_says_where_nothing_fools():
    x = torch.full((3, 4), 0.5)
    found, fooled = minimum_norm(lambda x: x[:, :2], x + 0.01 * torch.eye(3, 4), label=0)
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert fooled.any()
    constant = torch.tensor([[1.0, 0.0]])
    found, fooled = minimum_norm(lambda x: constant + 0 * x[:, :2], x, label=0)
    assert not fooled.any()
    assert torch.equal(found, x)


def test_a_minimum_norm_does_not_depend_on_its_neighbours():
    net = torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.Tanh(), torch.nn.Linear(9, 3)).eval()
    x = torch.rand(7, 6, generator=torch.Generator().manual_seed(1))
    label = net(x).argmax(dim=1).detach()
    whole, _ = minimum_norm(net, x, label=label)
    alone, _ = minimum_norm(net, x[3:4], label=label[3:4])
    assert torch.allclose(whole[3:4], alone, atol=1e-5)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, TypeError, "exactly one of target= .* and label="),
        ({"target": 1, "label": 0}, TypeError, "exactly one"),
        ({"label": 0, "steps": 0}, ValueError, "steps"),
        ({"label": 0, "radius": 0.0}, ValueError, "radius"),
    ],
)
def test_a_minimum_norm_is_asked_for_one_thing(options, error, said):
    with pytest.raises(error, match=said):
        minimum_norm(lambda x: x, torch.rand(2, 3), **options)
