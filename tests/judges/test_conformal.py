import math

import pytest
import torch

from xhat.core import generator
from xhat.judges.conformal import Calibration, Surprise, samples_needed

NAN = float("nan")


def dependent(n, seed, axes=5):
    """Scores of one distribution on axes that depend on each other, one of them heavy-tailed."""
    mixing = torch.randn(axes, axes, generator=generator(0, "mixing"))
    scores = torch.randn(n, axes, generator=generator(seed, "scores")) @ mixing
    scores[:, 0] = scores[:, 0].exp()
    return scores


# One scale


def test_surprise_is_the_negative_logarithm_of_the_share_that_is_as_large():
    scores = torch.randn(2000, generator=generator(0))
    surprise = Surprise.fit(scores)
    at = torch.linspace(-2, 1.8, 50)
    share = (scores[None] >= at[:, None]).double().mean(dim=1)
    torch.testing.assert_close(surprise(at), -share.log(), atol=2e-3, rtol=2e-2)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("n", [21, 1001])
def test_surprise_is_monotone_and_goes_on_beyond_what_is_known(n, two_sided):
    scores = torch.randn(n, generator=generator(0)).double()
    surprise = Surprise.fit(scores, two_sided=two_sided)
    middle = float(scores.median())
    at = torch.linspace(middle, float(scores.max()) + 20, 3000).double()
    found = surprise(at)
    assert bool((found.diff() >= 0).all())
    assert bool((found >= 0).all())
    assert bool((found[at > scores.max()].diff() > 0).all())
    below = surprise(torch.linspace(middle, float(scores.min()) - 20, 3000).double())
    assert bool((below.diff() >= 0).all()) if two_sided else bool((below <= found[0]).all())
    assert (float(below[-1]) > float(found[0])) is two_sided


def test_surprise_is_continuous_where_the_tail_begins():
    surprise = Surprise.fit(torch.randn(4000, generator=generator(0)))
    around = torch.tensor([surprise.start - 1e-9, surprise.start + 1e-9], dtype=torch.float64)
    before, after = surprise(around)
    assert 0 <= float(after - before) < 0.02
    assert float(after) == pytest.approx(-math.log(0.025), abs=1e-6)


def test_two_sided_surprise_is_symmetric():
    scores = torch.randn(500, generator=generator(0)).double()
    surprise = Surprise.fit(torch.cat([scores, -scores]), two_sided=True)
    at = torch.linspace(-6, 6, 101).double() + 1e-3
    torch.testing.assert_close(surprise(at), surprise(-at))


def test_what_is_no_number_surprises_infinitely_and_infinity_as_well():
    for two_sided in (False, True):
        surprise = Surprise.fit(torch.arange(100.0), two_sided=two_sided)
        found = surprise(torch.tensor([NAN, math.inf, -math.inf, 50.0]))
        assert found[:2].tolist() == [math.inf, math.inf]
        assert math.isinf(float(found[2])) is two_sided
        assert 0 < float(found[3]) < 2


def test_scores_that_are_all_the_same_make_any_larger_one_a_surprise():
    surprise = Surprise.fit(torch.ones(50))
    at, above, below = surprise(torch.tensor([1.0, 1.001, 0.5])).tolist()
    assert at == below == 0
    assert above > 100


# p-values


def test_the_p_value_is_the_share_of_real_samples_that_are_as_surprising():
    first, second, new = dependent(300, 1, 1), dependent(99, 2, 1), dependent(50, 3, 1)
    found = Calibration.fit(first, second, ("a",)).weigh(new)
    as_large = (second[:, 0] >= new).sum(dim=1)
    exact = (1 + as_large.double()) / 100
    assert bool((found.axis_p[:, 0] >= exact - 1e-9).all())  # scores between two known ones tie
    torch.testing.assert_close(found.axis_p[:, 0], exact, atol=0.031, rtol=0)
    torch.testing.assert_close(found.p, found.axis_p[:, 0])  # one axis alone needs no adjustment


GROUPS = ("a", "a", "b", "c", "c")


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("groups", [GROUPS, ("a",) * 5, ("a", "b", "c", "d", "e")])
def test_p_values_are_valid_whatever_the_dependence(alpha, groups):
    splits, known, new = 60, 199, 100
    sided = (False, True, False, True, False)
    flagged, each = [], []
    for seed in range(splits):
        scores = dependent(100 + known + new, seed)
        first, second, fresh = scores.split([100, known, new])
        found = Calibration.fit(first, second, groups, sided).weigh(fresh)
        flagged.append((found.p <= alpha).double().mean())
        each.append((found.axis_p <= alpha).double().mean(dim=0))
    slack = 3 * math.sqrt(alpha * (1 - alpha) / splits * (1 / known + 1 / new))
    share = float(torch.stack(flagged).mean())
    assert 0.85 * alpha - slack <= share <= alpha + slack  # and not merely on the safe side
    assert bool((torch.stack(each).mean(dim=0) <= alpha + slack).all())


def test_a_sample_is_as_surprising_as_its_most_surprising_axis():
    scores = dependent(900, 1)
    calibration = Calibration.fit(scores[:300], scores[300:600], GROUPS)
    found = calibration.weigh(scores[600:])
    assert torch.equal(found.p, found.adjusted.min(dim=1).values)
    assert bool((found.adjusted >= found.axis_p * (1 - 0.5)).all())
    order = found.surprise.argsort()
    assert bool((found.p[order].diff() <= 0).all())  # p ranks the surprise
    assert found.p.dtype == torch.float64


def shares_of_groups(budgets):
    axes = ("few",) + ("many",) * 20
    scores = torch.randn(30_000, 21, generator=generator(0))
    calibration = Calibration.fit(scores[:10_000], scores[10_000:20_000], axes, None, budgets)
    flagged = calibration.weigh(scores[20_000:]).adjusted <= 0.1
    return float(flagged[:, 0].double().mean()), float(flagged[:, 1:].any(1).double().mean())


def test_a_group_has_its_say_however_many_axes_it_has():
    few, many = shares_of_groups(None)
    assert few == pytest.approx(many, rel=0.25)
    few, many = shares_of_groups({"few": 0.75, "many": 0.25})
    assert 2.2 < few / many < 4


def test_beyond_all_real_samples_the_surprise_keeps_an_order():
    scores = dependent(600, 1)
    calibration = Calibration.fit(scores[:300], scores[300:], GROUPS)
    far = scores.amax(dim=0) + torch.tensor([[1.0], [10.0], [100.0]]) * scores.std(dim=0)
    found = calibration.weigh(far)
    assert found.p.tolist() == [1 / 301] * 3
    assert bool((found.surprise.diff() > 0).all())
    broken = calibration.weigh(torch.full((1, 5), NAN))
    assert float(broken.p) == 1 / 301
    one = scores[:1].clone()
    one[0, 3] = NAN  # one axis that cannot say is enough
    assert float(calibration.weigh(one).p) == 1 / 301


@pytest.mark.parametrize("k", [1, 2, 3, 7])
@pytest.mark.parametrize("b", [9, 19, 99, 199])
def test_a_p_value_of_a_round_share_is_not_above_it(k, b):
    known = torch.arange(float(b))[:, None]
    calibration = Calibration.fit(known, known, ("a",))
    found = calibration.weigh(torch.tensor([[b - k + 0.5]]))  # below k - 1 known ones
    assert float(found.axis_p) == k / (b + 1)
    assert bool(found.p <= k / (b + 1))  # in torch as in Python


@pytest.mark.parametrize(
    ("alpha", "needed"), [(0.5, 1), (1 / 3, 2), (0.3, 3), (0.1, 9), (0.05, 19), (0.001, 999)]
)
def test_samples_needed_give_a_p_value_as_small_as_alpha(alpha, needed):
    assert samples_needed(alpha) == needed
    assert 1 / (needed + 1) <= alpha < 1 / needed
    calibration = Calibration.fit(dependent(50, 1, 1), dependent(max(2, needed), 2, 1), ("a",))
    assert float(calibration.weigh(torch.tensor([[1e9]])).p) <= alpha


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, NAN])
def test_alpha_is_a_share(alpha):
    with pytest.raises(ValueError, match="alpha must"):
        samples_needed(alpha)


@pytest.mark.parametrize("part", ["first", "second"])
@pytest.mark.parametrize("bad", [torch.rand(10, 2), torch.rand(1, 3), torch.rand(10)])
def test_parts_of_a_wrong_shape_are_refused(part, bad):
    parts = {"first": dependent(10, 1, 3), "second": dependent(10, 2, 3)}
    assert Calibration.fit(**parts, groups=("a", "a", "b")).axes.shape == (10, 3)
    with pytest.raises(ValueError, match=f"the {part} part .* a score on each of 3 axes"):
        Calibration.fit(**{**parts, part: bad}, groups=("a", "a", "b"))
    broken = parts[part].clone()
    broken[3, 1] = NAN
    with pytest.raises(ValueError, match=f"the {part} part of the calibration must be finite"):
        Calibration.fit(**{**parts, part: broken}, groups=("a", "a", "b"))
