"""One question in five units: the same answer, in the same steps.

An income between 0 and 200,000 moved by 10 in 200 steps; of a borehole's eight features one moved.
"""

import pytest
import torch
from torch import nn

import xhat
from xhat import Problem, TargetReached, solve
from xhat.constraints import Inequality
from xhat.engine import (
    LBFGS,
    Adam,
    Compute,
    GradientDescent,
    NormalizedDescent,
    Plateau,
    Restarts,
    SignDescent,
    VectorAdam,
)
from xhat.methods import NearStart, Pixels
from xhat.objectives import CrossEntropy, Proximity
from xhat.spaces import Box, Logit, Masked, Tied

FEATURES = 6
UNITS = {  # the low and high end of every feature
    "0…1": (torch.zeros(FEATURES), torch.ones(FEATURES)),
    "0…255": (torch.zeros(FEATURES), torch.full((FEATURES,), 255.0)),
    "0…100,000": (torch.zeros(FEATURES), torch.full((FEATURES,), 1e5)),
    "-3…-1": (torch.full((FEATURES,), -3.0), torch.full((FEATURES,), -1.0)),
    "1e-6 to 1e5": (torch.zeros(FEATURES), torch.logspace(-6, 5, FEATURES)),
}
units = pytest.mark.parametrize("unit", list(UNITS)[1:])
OPEN = (None, Adam(), LBFGS(), GradientDescent(), SignDescent(), NormalizedDescent(), VectorAdam())


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, 3)).double().eval()


MODELS = {"linear": network()[0], "network": network()}
SHARES = torch.rand(4, FEATURES, generator=torch.Generator().manual_seed(0))


def asked(unit, kind, *, weight=0.0, norm="squared", space=Box):
    """The question in one of the units, its starts, and how to read an answer."""
    low, high = UNITS[unit]
    ends = low.double(), high.double()

    def model(x):
        return 4 * MODELS[kind]((x.double() - ends[0]) / (ends[1] - ends[0]))

    x0 = low + (high - low) * SHARES
    objective = CrossEntropy(model, torch.tensor([0, 1, 2, 1]))
    if weight:
        objective = objective + weight * Proximity(x0, norm)
    return Problem(objective, space(low, high)), x0, lambda x: (x - low.to(x)) / (high - low).to(x)


def same(unit, kind, weight=0.0, norm="squared", **options):
    """Compare answers and steps of a unit with those of the box from 0 to 1."""
    problem, x0, _ = asked("0…1", kind, weight=weight, norm=norm)
    wanted = solve(problem, x0, **options)
    problem, x0, shares = asked(unit, kind, weight=weight, norm=norm)
    found = solve(problem, x0, **options)
    assert (wanted.x - SHARES).abs().max() > 0.05  # there was something to find
    assert (shares(found.x) - wanted.x).abs().max() < 1e-4
    assert ((found.steps - wanted.steps).abs() <= 0.1 * wanted.steps).all()
    assert torch.equal(found.reached, wanted.reached)


@units
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("stepper", OPEN, ids=lambda each: type(each).__name__)
def test_the_same_question_in_five_units(unit, kind, stepper):
    double = Compute(precision="float64")
    same(unit, kind, stepper=stepper, stop=TargetReached(0.9), max_steps=60, compute=double)


@units
@pytest.mark.parametrize("norm", ["squared", "l1", "l2", "linf"])
def test_distances_to_the_start(unit, norm):
    double = Compute(precision="float64")
    same(unit, "network", 0.1, norm, stop=Plateau(8, 1e-7), max_steps=100, compute=double)


@units
@pytest.mark.parametrize("space", [Box, Logit], ids=lambda each: each.__name__)
def test_restarts_begin_within_a_share_of_the_range(unit, space):
    problem, x0, shares = asked(unit, "linear", space=space)
    middle = x0 * 0 + sum(UNITS[unit]) / 2
    tries = Restarts(1, 0.2, from_start=False)
    begun = solve(problem, middle, restarts=tries, max_steps=1, watch=xhat.Watch(trace=1))
    away = (shares(begun.trajectory.x[0]) - 0.5).abs()
    assert 0.1 < away.max() <= 0.2001


@units
def test_constraints_kept_by_multipliers(unit):
    double = Compute(precision="float64")

    def answer(unit):
        problem, x0, shares = asked(unit, "network", weight=0.1)
        few = Inequality(lambda x: shares(x).sum(dim=1) - 2.5)
        found = solve(Problem(problem.objective, problem.space, few), x0, compute=double)
        assert found.feasible.all()
        return shares(found.x), found.steps

    (wanted, steps), (found, taken) = answer("0…1"), answer(unit)
    assert (found - wanted).abs().max() < 1e-4
    assert ((taken - steps).abs() <= 0.1 * steps).all()


@units
@pytest.mark.parametrize("method", [Pixels(), NearStart()], ids=lambda each: each.name)
def test_the_front_door_with_limits(unit, method):
    def answer(unit):
        low, high = UNITS[unit]
        problem, x0, shares = asked(unit, "network")
        model = problem.objective.model
        found = xhat.optimize(model, x0, [0, 1, 2, 1], method=method, limits=(low, high))
        return shares(found.x), found.steps

    (wanted, steps), (found, taken) = answer("0…1"), answer(unit)
    assert (found - wanted).abs().max() < 1e-4
    assert ((taken - steps).abs() <= 0.1 * steps).all()


@units
@pytest.mark.parametrize("method", [Pixels(), NearStart()], ids=lambda each: each.name)
def test_tables_in_other_units(unit, method):
    low, high = UNITS[unit]
    shares = torch.rand(80, FEATURES, generator=torch.Generator().manual_seed(1))
    labels = (shares.sum(dim=1) > FEATURES / 2).long()

    def answer(low, high):
        domain = xhat.Domain(low + (high - low) * shares, labels)
        model = lambda x: 12 * MODELS["network"](((x - low) / (high - low)).double())  # noqa: E731
        goal = xhat.Class(torch.tensor([0, 1, 2, 1]))
        found = method.search(model, goal, low + (high - low) * shares[:4], domain)
        return (found.x - low) / (high - low), found.steps

    (wanted, steps), (found, taken) = answer(*UNITS["0…1"]), answer(low, high)
    assert (found - wanted).abs().max() < 1e-4
    assert ((taken - steps).abs() <= 0.1 * steps).all()


def test_an_income_moves():
    """The default moves each feature by shares of its range, from the first step on."""
    low, high = torch.tensor([0.0, 18.0, 0.0]), torch.tensor([2e5, 99.0, 1.0])
    x0 = torch.tensor([[3e4, 30.0, 0.5]])
    paid_back = lambda x: ((x - low) / (high - low) - 0.6).square().sum(dim=1)  # noqa: E731
    found = solve(Problem(paid_back, Box(low, high)), x0)
    assert ((found.x - low) / (high - low) - 0.6).abs().max() < 1e-3


def test_a_step_that_is_given_is_in_the_unit_of_x():
    x0 = torch.full((1, 3), 100.0)
    for unit, far in ((None, 2.0), (10.0, 20.0)):
        problem = Problem(lambda x: x.sum(dim=1), Box(0, 255, unit=unit))
        found = solve(problem, x0, stepper=SignDescent(2.0), max_steps=1)
        assert torch.equal(found.x, x0 - far)


def test_the_attack_keeps_to_raw_units():
    x0 = torch.full((1, 4), 100.0)
    found = xhat.pgd(lambda x: x[:, :2] / 50, x0, target=1, radius=8.0, bounds=(0, 255), steps=10)
    assert (found.x - x0).abs().max() == 8
    away = xhat.pgd(
        lambda x: x[:, :2] / 50,
        x0,
        target=1,
        radius=8.0,
        bounds=(0, 255),
        steps=1,
        rate=1e-6,
        restarts=Restarts(1, 8.0, from_start=False),
    )
    assert 4 < (away.x - x0).abs().max() <= 8


def test_distances_in_raw_units_by_choice():
    x0, x = torch.zeros(1, 2), torch.tensor([[30.0, 40.0]])
    raw = Problem(Proximity(x0, "l2", unit=1.0), Box(0, 100)).objective(x)
    share = Problem(Proximity(x0, "l2"), Box(0, 100)).objective(x)
    assert (float(raw), round(float(share), 6)) == (50, 0.5)
    assert float(Proximity(x0, "linf")(x)) == 40


@pytest.mark.parametrize(
    "around",
    [
        lambda box, x0: Masked(box, torch.tensor([True, True, False]), x0),
        lambda box, x0: Tied(box, torch.tensor([0, 0, 1])),
    ],
    ids=["masked", "tied"],
)
def test_in_spaces_around_a_box(around):
    def answer(high):
        x0 = torch.full((2, 3), 0.5 * high)
        space = around(Box(0, high), x0)
        found = solve(Problem(lambda x: (x / high - 0.9).square().sum(dim=1), space), x0)
        return found.x / high

    assert torch.allclose(answer(1.0), answer(1e5), atol=1e-4)
    assert (answer(1e5)[:, :2] - 0.9).abs().max() < 1e-3
