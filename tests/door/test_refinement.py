from functools import partial

import pytest
import torch

from xhat.core import generator
from xhat.door.refinement import refine
from xhat.engine import Adam, Problem, solve
from xhat.judges import Simulator, Truth
from xhat.objectives import Match
from xhat.spaces import Box
from xhat.surrogates import train_regression

X = torch.rand(12, 2, generator=generator(0)) * 2 - 1
X0 = torch.rand(6, 2, generator=generator(1)) * 2 - 1
SEARCH = partial(solve, max_steps=120)


def bowl(x):
    return (x - 0.3).square().sum(dim=1)


def by_least_squares(x, y):
    """Fit the quadratic function that meets a table best: exact for a quadratic truth."""

    def features(x):
        a, b = x[:, 0], x[:, 1]
        return torch.stack([torch.ones_like(a), a, b, a * b, a * a, b * b], dim=1)

    weights = torch.linalg.lstsq(features(x), y[:, None]).solution[:, 0]
    return lambda x: features(x) @ weights


def by_a_line(x, y):
    """Fit a linear function: wrong wherever the truth is curved."""
    ones = torch.ones(len(x), 1)
    weights = torch.linalg.lstsq(torch.cat([x, ones], dim=1), y[:, None]).solution[:, 0]
    return lambda x: x @ weights[:-1] + weights[-1]


def lowest(surrogate):
    return Problem(lambda x: surrogate(x), Box(-1.0, 1.0))


def minimum(**options):
    return Truth(
        Simulator(lambda x: bowl(x[None])[0], tensors=True), error=lambda y, _: y, **options
    )


def test_a_surrogate_that_learns_finds_the_optimum_of_the_truth():
    truth = minimum(tolerance=1e-3)
    told = []
    found = refine(
        by_least_squares, lowest, X0, truth, (X, bowl(X)), budget=10, search=SEARCH,
        on_round=told.append,
    )  # fmt: skip
    assert tuple(told) == found.rounds
    assert found.best.confirmed
    assert found.best.round == 1  # the surrogate is exact
    torch.testing.assert_close(found.best.x, torch.full((2,), 0.3), atol=0.02, rtol=0)
    assert found.rounds[0].gap < 1e-5
    assert found.calls == truth.f.calls == sum(len(r.verification) for r in found.rounds)
    assert len(found.x) == len(found.y) == 12 + found.calls
    torch.testing.assert_close(found.y, bowl(found.x), atol=1e-5, rtol=0)
    assert str(found).startswith("round 1: ")
    assert str(found).endswith(f"{found.status}.")


def test_the_budget_is_kept_and_what_was_asked_is_not_asked_again():
    truth = minimum()
    found = refine(by_a_line, lowest, X0, truth, (X, bowl(X)), budget=3, rounds=3, search=SEARCH)
    assert found.calls == truth.f.calls <= 3
    assert all(len(r.verification) == 1 for r in found.rounds)
    assert found.rounds[0].gap > 0.1  # a line is no bowl
    stuck = refine(
        lambda x, y: lambda x: x.sum(dim=1), lowest, X0, truth, (X, bowl(X)), budget=9,
        search=partial(solve, max_steps=400),
    )  # fmt: skip
    assert stuck.status == "the search proposes nothing that was not asked before"
    assert len(stuck.rounds) == 1
    assert stuck.calls == 1  # all starts lead to one corner


def test_the_gap_falls_where_the_search_goes():
    def wavy(x):
        return torch.sin(4 * x[:, 0]) + x[:, 1].square()

    truth = Truth(lambda x: wavy(x), tolerance=0.05)
    found = refine(
        partial(train_regression, seed=0, steps=250),
        lambda net: Problem(Match(net, 1.5), Box(-1.0, 1.0)),
        X0, truth, (X, wavy(X)), target=1.5, budget=18, rounds=4, search=SEARCH,
    )  # fmt: skip
    assert found.rounds[-1].gap < 0.5 * found.rounds[0].gap
    assert found.best.confirmed
    assert found.surrogate.members(X).shape == (5, 12)


def test_what_fails_costs_a_call_and_teaches_nothing():
    def picky(x):
        if x[0] > 0:
            raise RuntimeError("stalled")
        return bowl(x[None])[0]

    truth = Truth(Simulator(picky, tensors=True), error=lambda y, _: y)
    data = X, torch.where(X[:, 0] > 0.5, torch.nan, bowl(X))
    found = refine(by_least_squares, lowest, X0, truth, data, budget=2, rounds=2, search=SEARCH)
    kept = int((X[:, 0] <= 0.5).sum())
    assert found.calls >= 1
    assert found.best is None
    assert len(found.x) == kept < 12
    assert found.rounds[0].gap != found.rounds[0].gap
    assert "best error none yet" in str(found)


def test_constraints_by_the_truth_decide_what_is_best():
    found = refine(
        by_least_squares, lowest, X0, minimum(), (X, bowl(X)), budget=6, rounds=2,
        constraints={"floor": lambda x, y: 0.01 - y},
        search=partial(solve, stepper=Adam(), max_steps=10),
    )  # fmt: skip
    assert found.best.error >= 0.01 - 1e-6
    none = refine(
        by_least_squares, lowest, X0, minimum(), (X, bowl(X)), budget=2, rounds=1,
        constraints={"floor": lambda x, y: 9.0 - y}, search=SEARCH,
    )  # fmt: skip
    assert none.best is None


def test_every_candidate_may_have_a_target_of_its_own():
    wanted = torch.tensor([0.1, 0.5])
    truth = Truth(bowl, tolerance=0.01)
    found = refine(
        by_least_squares, lambda net: Problem(Match(net, wanted), Box(-1.0, 1.0)),
        X0[:2], truth, (X, bowl(X)), target=wanted, budget=2, rounds=1, search=SEARCH,
    )  # fmt: skip
    assert sorted(found.rounds[0].starts) == [0, 1]
    assert bool(found.rounds[0].verification.confirmed.all())


@pytest.mark.parametrize("where", ["fit", "truth", "callback"])
def test_an_interrupt_loses_no_finished_round(where):
    rounds = []

    def interrupt(part):
        if part == where and len(rounds) >= 1:
            raise KeyboardInterrupt

    def fitted(x, y):
        interrupt("fit")
        corner = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])[len(x) % 3]
        return lambda x: x @ corner  # each round leads to another corner

    def asked(x):
        interrupt("truth")
        return bowl(x)

    def told(record):
        rounds.append(record)
        interrupt("callback")

    found = refine(
        fitted, lowest, X0, Truth(asked, error=lambda y, _: y), (X, bowl(X)), budget=9, rounds=9,
        search=SEARCH, on_round=told,
    )  # fmt: skip
    assert found.status == "interrupted after 1 of 9 rounds, which are kept"
    assert found.calls == len(found.x) - 12 == 1
    assert found.best is not None


def test_bad_input_is_refused():
    good = {
        "fit": by_a_line, "problem_of": lowest, "x0": X0, "truth": minimum(),
        "data": (X, bowl(X)), "budget": 2, "rounds": 1, "search": SEARCH,
    }  # fmt: skip
    for error, words, changed in (
        (ValueError, "budget must be", {"budget": 0}),
        (ValueError, "rounds must be", {"rounds": 0}),
        (TypeError, "must be a Truth", {"truth": bowl}),
        (TypeError, "must be a pair", {"data": X}),
        (ValueError, r"\(m, \*x_shape\) and \(m, ...\)", {"data": (X, bowl(X)[:3])}),
        (ValueError, "at 2 points or more, but did so at 0 of 12", {"data": (X, X * torch.nan)}),
        (ValueError, "inputs of one shape", {"x0": torch.zeros(1, 3)}),
        (ValueError, "the data have outputs of shape", {"data": (X, bowl(X)[:, None])}),
    ):
        fit = (lambda x, y: bowl) if "outputs of" in words else by_a_line
        with pytest.raises(error, match=words):
            refine(**(good | {"fit": fit} | changed))
