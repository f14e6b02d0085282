import math

import pytest
import torch
from scipy import stats
from torch import nn

from xhat.metrics import Region, density, ratio
from xhat.metrics.density import binomial_interval

CUBE = Region.box("the unit cube", 0.0, 1.0, (3,))


def within(share):
    """A judge that accepts this share of the cube, by the first number."""
    return lambda x: x[:, 0] < share


def latent(z):
    return z.repeat(1, 2)


def test_the_raw_interval_is_exact():
    found = density(within(0.2), CUBE, 3000, seed=0)
    k = round(found.value * 3000)
    low, high = stats.beta.ppf([0.025, 0.975], [k, k + 1], [3000 - k + 1, 3000 - k])
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.low < 0.2 < found.high
    assert (found.method, found.n, found.note) == ("uniform draws", 3000, "")
    assert found.log10 == pytest.approx(math.log10(found.value))
    assert found.per_dimension == pytest.approx(found.value ** (1 / 3))


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = [density(within(0.01), CUBE, 800, seed=seed) for seed in range(200)]
    assert sum(found.low <= 0.01 <= found.high for found in held) >= 188


def test_nothing_and_everything_accepted():
    nothing, everything = (density(within(s), CUBE, 500, seed=0) for s in (-1.0, 2.0))
    assert (nothing.value, nothing.low) == (0, 0)
    assert nothing.high == pytest.approx(1 - 0.025 ** (1 / 500))
    assert nothing.log10 == -math.inf
    assert "only 0 draws were accepted" in nothing.note
    assert (everything.value, everything.high) == (1, 1)
    assert everything.low < 1


def test_the_judges_error_is_taken_out():
    truth, s, f = 0.3, 0.8, 0.1

    def erring(x):  # the second number decides whether the judge errs
        natural = x[:, 0] < truth
        return torch.where(natural, x[:, 1] < s, x[:, 1] < f)

    shares = {"sensitivity": (1600, 2000), "false_acceptance": (200, 2000)}
    found = density(erring, CUBE, 20_000, seed=0, **shares)
    assert found.value == pytest.approx(truth, abs=0.02)
    assert found.low < truth < found.high
    raw = density(erring, CUBE, 20_000, seed=0)
    assert raw.low > truth  # 0.31 are accepted; without correction that is all that is seen
    assert found.high - found.low > 3 * (raw.high - raw.low)
    parts = [binomial_interval(k, n, 1 - 0.05 / 3) for k, n in shares.values()]
    q = binomial_interval(round(raw.value * 20_000), 20_000, 1 - 0.05 / 3)
    corners = [
        (share - fa) / (sensitivity - fa)
        for share in q[1:] for sensitivity in parts[0][1:] for fa in parts[1][1:]
    ]  # fmt: skip
    assert (found.low, found.high) == pytest.approx((min(corners), max(corners)))


def test_corrected_intervals_hold_the_truth_when_all_three_shares_are_drawn():
    truth, s, f, held = 0.05, 0.7, 0.02, 0
    for seed in range(100):
        source = torch.Generator().manual_seed(seed)
        k, j = (int((torch.rand(400, generator=source) < p).sum()) for p in (s, f))
        found = density(
            lambda x: torch.where(x[:, 0] < truth, x[:, 1] < s, x[:, 1] < f),
            CUBE, 1500, seed=seed, sensitivity=(k, 400), false_acceptance=(j, 400),
        )  # fmt: skip
        held += found.low <= truth <= found.high
    assert held >= 97


def test_a_rare_density_is_lost_in_false_acceptance():
    found = density(within(0.001), CUBE, 5000, seed=0, false_acceptance=(1, 1000))
    assert found.low == 0
    assert found.high < 0.01


def test_latent_boxes_are_regions_of_inputs():
    region = Region.box("latent", -1.0, 1.0, (2,), latent)
    assert region.dimensions == 2
    x = region.sample(5, torch.Generator().manual_seed(0))
    assert x.shape == (5, 4)
    assert density(lambda x: x.amax(dim=1) < 0, region, 4000, seed=0).value == pytest.approx(
        0.25, abs=0.03
    )


def test_draws_fill_the_box_evenly():
    region = Region("wide", torch.tensor([-1.0, 10.0]), torch.tensor([1.0, 30.0]))
    x = region.sample(4000, torch.Generator().manual_seed(0)).double()
    for column, low, width in ((0, -1, 2), (1, 10, 20)):
        assert stats.kstest(x[:, column], stats.uniform(low, width).cdf).pvalue > 0.01


def test_regions_are_the_same_by_content():
    assert CUBE.sha256 == Region.box("another name", 0.0, 1.0, (3,)).sha256
    assert Region.box("double", 0.0, 1.0, (3,)).sha256 == CUBE.sha256
    one, two = (nn.Linear(3, 3) for _ in range(2))
    different = [
        CUBE,
        Region.box("the unit cube", 0.0, 2.0, (3,)),
        Region.box("the unit cube", 0.0, 1.0, (1, 3)),
        Region.box("the unit cube", 0.0, 1.0, (3,), one),
        Region.box("the unit cube", 0.0, 1.0, (3,), two),
        Region.box("the unit cube", 0.0, 1.0, (3,), latent),
        Region.box("another name", 0.0, 1.0, (3,), latent),
    ]
    assert len({region.sha256 for region in different}) == len(different)


def test_densities_of_one_region_are_compared_and_others_refused():
    a, b = (density(within(s), CUBE, 4000, seed=i) for i, s in enumerate((0.4, 0.1)))
    found = a / b
    assert found == ratio(a, b)
    assert found.low < 4 < found.high
    nothing = density(within(-1.0), CUBE, 100, seed=0)
    assert (a / nothing).value == math.inf
    assert math.isnan((nothing / nothing).value)
    other = density(within(0.1), Region.box("half", 0.0, 0.5, (3,)), 100, seed=0)
    with pytest.raises(ValueError, match=r"that of 'the unit cube' cannot be compared .* 'half'"):
        ratio(a, other)
    with pytest.raises(ValueError, match="cannot be compared"):
        a / other


def test_the_seed_decides():
    assert density(within(0.3), CUBE, 500, seed=1) == density(within(0.3), CUBE, 500, seed=1)
    found = {density(within(0.3), CUBE, 500, seed=seed).value for seed in range(5)}
    assert len(found) > 1


def test_bad_regions_and_judges_are_refused():
    with pytest.raises(ValueError, match="below its upper bound"):
        Region("flat", torch.zeros(2), torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"one shape, but have \(2,\) and \(3,\)"):
        Region("two", torch.zeros(2), torch.ones(3))
    with pytest.raises(ValueError, match="high must be finite"):
        Region("endless", torch.zeros(2), torch.tensor([1.0, torch.inf]))
    with pytest.raises(TypeError, match="accepts must return a boolean tensor, but returns torch"):
        density(lambda x: x[:, 0], CUBE, 10, seed=0)
    with pytest.raises(ValueError, match=r"one boolean for each of 10 inputs.*\(10, 3\)"):
        density(lambda x: x > 0, CUBE, 10, seed=0)
    with pytest.raises(ValueError, match="the decoder of 'one' must return one input"):
        Region.box("one", 0.0, 1.0, (3,), lambda z: z.mean()).sample(4, torch.Generator())
    with pytest.raises(ValueError, match=r"more often than others, but accepted 0.1 .* and 0.2"):
        density(within(0.5), CUBE, 10, seed=0, sensitivity=(1, 10), false_acceptance=(2, 10))
    with pytest.raises(ValueError, match=r"sensitivity must be .* but is \(11, 10\)"):
        density(within(0.5), CUBE, 10, seed=0, sensitivity=(11, 10))
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        density(within(0.5), CUBE, 10, seed=0, confidence=1.0)
