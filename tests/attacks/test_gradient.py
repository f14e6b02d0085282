import pytest
import torch
from torch.nn import functional as F

from tests.laws.registry import ConvNet, starts, targets
from xhat.attacks import pgd
from xhat.constraints import L1Ball, L2Ball, LinfBall
from xhat.engine import Compute, Problem, Restarts, Result, SignDescent, TargetReached, solve
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
    options = {"stop": stop, "restarts": tries, "max_steps": 9}
    same = solve(problem, starts(N), stepper=SignDescent(0.03), compute=Compute(seed=3), **options)
    assert torch.equal(attack.x, same.x)
    assert attack.status == same.status


def test_a_seed_given_beside_goes_before_that_of_how_to_compute():
    def attacked(**seeds) -> Result:
        anywhere = Restarts(1, 0.1, from_start=False)
        return pgd(ConvNet(), starts(N), 1, rate=0.01, steps=1, restarts=anywhere, **seeds)

    inside = attacked(compute=Compute(seed=3))
    assert inside.seed == 3
    assert torch.equal(inside.x, attacked(seed=3).x)
    assert torch.equal(inside.x, attacked(seed=3, compute=Compute(chunk=64, seed=4)).x)
    assert not torch.equal(inside.x, attacked().x)


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
