"""What every attack promises; a newcomer joins by one line."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch

from tests.laws.registry import ConvNet, starts
from xhat.attacks import (
    apgd,
    carlini_wagner,
    deepfool,
    distances,
    minimum_norm,
    patch,
    pgd,
    square,
    universal_perturbation,
)
from xhat.engine import Compute, Result

N = 5
FAR = {"linf": 0.5, "l2": 2.0, "l1": 10.0}
ATTACKS: dict[str, Callable[..., Result]] = {
    **{f"pgd {p}": partial(pgd, norm=p, radius=r, steps=6) for p, r in FAR.items()},
    **{f"apgd {p}": partial(apgd, norm=p, radius=r, steps=12) for p, r in FAR.items()},
    "apgd dlr": partial(apgd, loss="dlr", radius=0.5, steps=12),
    "apgd targeted": partial(apgd, loss="dlr", rivals=3, radius=0.5, steps=6),
    "square": partial(square, radius=0.5, steps=40),
    **{f"nearest {p}": partial(minimum_norm, norm=p, steps=20) for p in (*FAR, "l0")},
    **{f"deepfool {p}": partial(deepfool, norm=p, steps=10) for p in ("l2", "linf")},
    "carlini wagner": partial(carlini_wagner, steps=30, rounds=2),
}
OF_ALL = {
    "universal": partial(universal_perturbation, radius=0.5, steps=12),
    "patch": partial(patch, size=4, places=3, steps=12),
}
EVERY = ATTACKS | OF_ALL


def labels() -> torch.Tensor:
    return ConvNet()(starts(N)).argmax(dim=1).detach()


@pytest.mark.parametrize("name", EVERY)
def test_the_model_is_left_as_it_was_and_chance_comes_from_the_seed(name):
    net, y = ConvNet(), labels()
    before = copy.deepcopy(net.state_dict())
    drawn = torch.random.get_rng_state()
    one = EVERY[name](net, starts(N), label=y, compute=Compute(seed=3))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    torch.rand(3)
    two = EVERY[name](net, starts(N), label=y, compute=Compute(seed=3))
    assert torch.equal(one.x, two.x)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_candidate_gets_the_same_alone_and_in_any_chunk(name):
    attack, x, y = ATTACKS[name], starts(N), labels()
    whole = attack(ConvNet(), x, label=y)
    alone = attack(ConvNet(), x[2:3], label=y[2:3])
    split = attack(ConvNet(), x, label=y, compute=Compute(chunk=2))
    assert torch.allclose(whole.x[2:3], alone.x, atol=1e-4)
    assert torch.allclose(whole.x, split.x, atol=1e-4)
    assert whole.status[2] == alone.status[0]


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_claimed_is_so_and_within_bounds(name):
    net, x, y = ConvNet(), starts(N), labels()
    found = ATTACKS[name](net, x, label=y)
    assert found.x.min() >= 0
    assert found.x.max() <= 1
    assert found.feasible.all()
    assert torch.equal(net(found.x).argmax(dim=1) != y, found.reached)
    assert found.reached.any()  # so that something was claimed
    norm = name.split()[-1]
    if norm in FAR and "pgd" in name:
        far = distances(found, norm)[found.reached]
        assert (far <= FAR[norm] + 1e-5).all()
        assert (far > 0).all()
    if name.startswith("nearest"):
        assert torch.allclose(distances(found, norm)[found.reached], found.loss[found.reached])


@pytest.mark.parametrize("name", EVERY)
def test_one_thing_is_aimed_at(name):
    if "deepfool" in name:
        with pytest.raises(ValueError, match="target must be"):
            EVERY[name](ConvNet(), starts(N), label=9)
        return
    with pytest.raises((TypeError, ValueError), match=r"exactly one of target= .* and label="):
        EVERY[name](ConvNet(), starts(N))


def test_one_change_for_all_is_found_and_told():
    net, x, y = ConvNet(), starts(N), labels()
    found = universal_perturbation(net, x, label=y, radius=0.5, steps=30)
    changed = (x + found.x).clamp(0, 1)
    share = (net(changed).argmax(dim=1) != y).float().mean()
    assert found.confidence.item() == pytest.approx(share.item())
    assert share > (net(x).argmax(dim=1) != y).float().mean()
    assert found.x.abs().max() <= 0.5 + 1e-6
    with pytest.raises(ValueError, match="9 by 9 pixels"):
        patch(net, x, label=y, size=9)


def test_a_model_that_cannot_be_differentiated_is_asked_only():
    net = ConvNet()
    y = labels()

    def coarse(x):
        with torch.no_grad():
            return (net(x) * 4).round() / 4

    found = square(coarse, starts(N), label=y, radius=0.6, steps=200)
    assert found.reached.any()
    assert torch.equal(coarse(found.x).argmax(dim=1) != y, found.reached)
    farther = square(coarse, starts(N), label=y, radius=0.01, steps=20)
    assert farther.reached.sum() < found.reached.sum()


def test_the_adaptive_step_is_halved_where_nothing_is_gained():
    from xhat.attacks import AdaptiveStep

    stepper = AdaptiveStep(0.1, steps=20)
    z = torch.zeros(2, 3)
    state = stepper.init(z)
    for number in range(6):  # one candidate's loss falls, the other's rises
        loss = torch.tensor([-float(number), float(number)])
        z, state = stepper.step(z, loss, torch.ones(2, 3), state)
    assert state["size"].tolist() == pytest.approx([0.2, 0.1])
    assert state["best"][1].eq(0).all()


def test_rivals_need_the_ratio():
    with pytest.raises(ValueError, match='rivals need loss="dlr"'):
        apgd(ConvNet(), starts(N), label=0, rivals=2)
    with pytest.raises(ValueError, match="the ratio leaves a class"):
        apgd(ConvNet(), starts(N), 1, loss="dlr")
