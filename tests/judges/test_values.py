"""Goals on a value: held-out regressors, their two tests, and what is said of it."""

import math

import pytest
import torch
from torch import nn

from xhat.core import MissingExtraError, generator
from xhat.judges import Judge, Outcome, Truth, juries, regressors
from xhat.judges.values import VALUE
from xhat.objectives import goals

SURE = (Outcome.GENUINE, Outcome.UNDECIDED)
HALF = 0.5  # of a standard deviation, asked for to each side of a value


def rows(n, seed, noise=0.1):
    """Return points of a square, with two noisy columns, and a smooth function of the point."""
    draws = generator(seed, "rows")
    x = torch.randn(n, 4, generator=draws)
    y = torch.sin(2 * x[:, 0]) + x[:, 1] + noise * torch.randn(n, generator=draws)
    return x, 10 * y + 50


X, Y = rows(300, 1)
NEW, TRUE = rows(300, 2)
REACH = HALF * float(Y.std())


@pytest.fixture(scope="module")
def judge():
    return Judge.fit(X, values=Y)


def around(y):
    return goals.Within(y - REACH, y + REACH)


def share(found, *outcomes):
    return sum(found.counts()[outcome] for outcome in outcomes) / len(found)


def slack(n, known=300, level=0.05):
    return 3 * math.sqrt(level * (1 - level) * (1 / known + 1 / n))


def test_real_rows_are_rarely_denied_their_own_value_and_mostly_granted_it(judge):
    found = judge.judge(NEW, goal=around(TRUE))
    assert 1 - share(found, *SURE) <= 0.05 + slack(300)
    assert share(found, Outcome.GENUINE) > 0.7
    error = (found.value.predicted[:, 0] - TRUE).abs()
    assert 0.35 < float((error <= found.value.error[:, 0]).double().mean()) < 0.65  # the median


@pytest.mark.parametrize(
    "goal", [goals.AtLeast(62.0), goals.Within(45.0, 55.0), goals.AtMost(35.0)]
)
def test_both_promises_hold_of_one_goal(judge, goal):
    met = goal.off(TRUE) == 0
    found = judge.judge(NEW, goal=goal)
    sure = torch.tensor([outcome in SURE for outcome in found.outcomes])
    genuine = torch.tensor([outcome is Outcome.GENUINE for outcome in found.outcomes])
    known = int((goal.off(Y) == 0).sum())
    assert 1 - float(sure[met].double().mean()) <= 0.05 + slack(int(met.sum()), known)
    assert float(genuine[~met].double().mean()) <= 0.05 + slack(int((~met).sum()), 300 - known)
    assert float(genuine[met].double().mean()) > 0.5


def test_real_rows_of_another_value_are_mostly_mistaken(judge):
    other = TRUE.roll(1)
    wrong = (other - TRUE).abs() > REACH
    found = judge.judge(NEW[wrong], goal=around(other[wrong]))
    assert share(found, Outcome.GENUINE) <= 0.05 + slack(int(wrong.sum()))
    assert share(found, Outcome.MISTAKEN) > 0.5


def test_goals_of_ones_own_say_what_a_goal_for_all_says(judge):
    for shared, each in (
        (goals.Within(45.0, 60.0), goals.Within(torch.full((9,), 45.0), torch.full((9,), 60.0))),
        (goals.Value(50.0, 4.0), goals.Value(torch.full((9, 1), 50.0), 4.0)),
    ):
        one, own = (judge.judge(NEW[:9], goal=goal) for goal in (shared, each))
        assert one.outcomes == own.outcomes
        torch.testing.assert_close(one.value.p, own.value.p)
        torch.testing.assert_close(one.value.p_met, own.value.p_met)
        torch.testing.assert_close(one.value.right, own.value.right)
        assert [shared.shared, each.shared] == [True, False]


def test_a_wrong_value_is_said_with_what_was_predicted(judge):
    x, y = torch.tensor([[0.0, 1.5, 0.0, 0.0]]), 65.0
    right, wrong = (
        judge.judge(x, goal=goal)[0] for goal in (goals.AtLeast(y - 10), goals.AtMost(y - 25))
    )
    assert (right.outcome, wrong.outcome) == (Outcome.GENUINE, Outcome.MISTAKEN)
    assert "held-out regressors see the goal met" in right.meaning
    assert "of real samples that do not meet it look as good, and 5.0 % may." in right.rule
    assert wrong.meaning.startswith("on the manifold, yet held-out regressors predict another")
    assert f"Decided by {VALUE}" in wrong.rule
    assert "and AtMost(40) was asked for." in wrong.explain()
    said = float(wrong.explain().split("regressors predict ")[-1].split(" ±")[0])
    assert abs(said - y) < 5


def test_off_the_manifold_a_wrong_value_is_adversarial_and_a_right_one_is_not_denied(judge):
    x = torch.tensor([[0.0, 1.5, 2.9, -2.9]]) * torch.tensor([1, 1, 1.2, 1.2])
    outcomes = [
        judge.judge(x, goal=goal).outcomes[0] for goal in (goals.AtMost(30.0), goals.AtLeast(55.0))
    ]
    assert outcomes == [Outcome.ADVERSARIAL, Outcome.OFF_MANIFOLD]


@pytest.mark.parametrize(
    ("x", "goal", "why"),
    [
        ([[0.0, 0.0, 0.1, 0.0]], goals.Within(49.99, 50.01), "not one real sample"),
        ([[0.0, 0.0, 0.1, 0.0]], goals.Within(49.5, 50.5), "meet it. A wider interval"),
        ([[0.0, -0.2, 0.1, 0.0]], goals.Within(50.0, 56.0), "and only 5.0 % may. More real"),
        ([[0.0, 0.0, 0.1, 0.0]], goals.AtLeast(-90.0), "only 0 of them were held out, and it"),
    ],
)
def test_what_cannot_be_told_is_undecided_with_the_reason(judge, x, goal, why):
    found = judge.judge(torch.as_tensor(x), goal=goal)[0]
    assert found.outcome is Outcome.UNDECIDED
    assert why in found.rule


def test_too_few_rows_are_undecided_and_say_how_many_it_takes():
    found = Judge.fit(X[:60], values=Y[:60]).judge(X[:1] + 0.01, goal=goals.AtLeast(-90.0))[0]
    assert found.outcome is Outcome.UNDECIDED
    assert "60 real samples tell what is usual, and it takes 66" in found.rule


def test_values_that_are_noise_grant_nothing():
    noise = Y[torch.randperm(len(Y), generator=generator(0))]
    known = Judge.fit(X, values=noise)
    met = noise > 60
    new, _ = rows(200, 3)
    found = known.judge(new, goal=goals.AtLeast(60.0))
    assert share(found, Outcome.GENUINE) <= 0.05 + slack(200, int((~met).sum()))
    assert 1 - share(found, *SURE) <= 0.05 + slack(200)


def test_without_values_nobody_is_asked():
    plain = Judge.fit(X)
    found = plain.judge(NEW[:40], goal=goals.AtLeast(60.0))
    assert Outcome.GENUINE not in found.outcomes
    one = found[found.outcomes.index(Outcome.UNDECIDED)]
    assert one.meaning == "nothing is unusual, but nobody was asked whether the goal is met"
    assert "Nobody was asked whether AtLeast(60) is met" in one.rule
    assert Outcome.GENUINE in plain.judge(NEW[:40], goal=goals.Most()).outcomes  # nothing to meet
    truth = Truth(lambda x: x[:, 1], error=lambda y, _: (0 - y).clamp_min(0), tolerance=0.0)
    asked = plain.judge(NEW[:40], 0, goal=goals.AtLeast(0.0), truth=truth)
    assert {Outcome.GENUINE, Outcome.MISTAKEN} <= set(asked.outcomes)


def test_a_class_of_which_no_labels_are_known_is_not_read_from_values(judge):
    assert Outcome.GENUINE not in judge.judge(NEW[:20], goal=goals.Class(1)).outcomes


def test_a_truth_overrules_the_regressors(judge):
    x = torch.tensor([[0.0, 1.5, 0.0, 0.0]])
    truth = Truth(lambda x: x[:, 1], error=lambda y, _: (y - 2).clamp_min(0), tolerance=0.0)
    found = judge.judge(x, 0, goal=goals.AtMost(40.0), truth=truth)[0]
    assert found.outcome is Outcome.GENUINE
    assert "Held-out regressors predict" in found.explain()


def test_several_values_are_asked_for_at_once():
    y = torch.stack((Y, 3 * X[:, 0]), dim=1)
    true = torch.stack((TRUE, 3 * NEW[:, 0]), dim=1)
    both = Judge.fit(X, values=y)
    reach = y.std(dim=0)
    own = both.judge(NEW, goal=goals.Within(true - reach, true + reach))
    assert own.value.predicted.shape == (300, 2)
    assert 1 - share(own, *SURE) <= 0.05 + slack(300)
    assert share(own, Outcome.GENUINE) > 0.7
    shifted = true + torch.tensor([0.0, 9.0])
    wrong = both.judge(NEW, goal=goals.Within(shifted - reach, shifted + reach))
    assert share(wrong, Outcome.GENUINE) <= 0.05
    assert " ± " in own[0].explain().split(", and Within")[0].split(",")[-1]
    with pytest.raises(ValueError, match="names other values than the 2"):
        both.judge(NEW, goal=goals.Within(torch.zeros(1, 3), torch.ones(1, 3)))
    with pytest.raises(ValueError, match="is not for 300 inputs"):
        both.judge(NEW, goal=goals.Value(torch.zeros(9, 2), 1.0))


def test_a_loaded_judge_says_the_same_and_fits_nothing(judge, monkeypatch):
    state = {name: tensor.clone() for name, tensor in judge.state().items()}
    monkeypatch.setattr(regressors, "_fitted", None)
    again = Judge.fit(X, values=Y, state=state).judge(NEW[:50], goal=goals.AtLeast(60.0))
    first = judge.judge(NEW[:50], goal=goals.AtLeast(60.0))
    assert again.outcomes == first.outcomes
    assert torch.equal(again.value.predicted, first.value.predicted)
    assert torch.equal(again.p, first.p)


def test_a_regressor_that_took_part_in_the_search_is_refused(judge):
    network = judge.values.regressors.members[1].fits[0]
    assert isinstance(network, nn.Module)
    with pytest.raises(ValueError, match="the regressor network shares weights"):
        judge.judge(NEW[:1], goal=goals.AtLeast(60.0), searched=network)


def test_without_scikit_learn_the_others_say_that_one_is_missing(monkeypatch):
    def missing(*_):
        raise MissingExtraError("boosted trees need scikit-learn")

    monkeypatch.setattr(regressors, "grow_regression_trees", missing)
    monkeypatch.setattr(juries, "_STEPS", 30)
    found = Judge.fit(X[:120], values=Y[:120]).values.regressors
    assert found.names == ("network", "kernel")
    assert "a member is missing" in found.note


@pytest.mark.parametrize(("shape", "fewest"), [((1, 12, 12), 2), ((2, 24), 2), ((2, 2, 2, 3), 1)])
def test_grids_and_signals_have_networks_of_their_own(shape, fewest, monkeypatch):
    monkeypatch.setattr(juries, "_STEPS", 60)
    draws = generator(0, "grids")
    y = torch.randn(90, generator=draws)
    x = y.reshape(-1, *(1 for _ in shape)) + 0.3 * torch.randn(90, *shape, generator=draws)
    judge = Judge.fit(x, values=y)
    assert len(judge.values.regressors.names) >= fewest
    found = judge.values.predicted[:, 0]
    assert float(torch.corrcoef(torch.stack((found, judge.values.y[:, 0])))[0, 1]) > 0.8


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="300 samples, but 299 values came"):
        Judge.fit(X, values=Y[1:])
    with pytest.raises(ValueError, match="the values"):
        Judge.fit(X, values=torch.where(torch.arange(300) == 7, torch.nan, Y))
