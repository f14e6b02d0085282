import math

import pytest
import torch

from xhat.metrics import Region, density, rare_density


def ball(d, share):
    """A box, a score and the limit at which a ball fills this share of it."""
    volume = math.pi ** (d / 2) / math.gamma(d / 2 + 1) / 2**d
    box = Region.box("box", -1.0, 1.0, (d,))
    return box, lambda x: x.norm(dim=1), (share / volume) ** (1 / d), share


def corner(d, limit):
    """The simplex that a half-space cuts off a cube's corner."""
    cube = Region.box("cube", 0.0, 1.0, (d,))
    return cube, lambda x: x.sum(dim=1), limit, limit**d / math.factorial(d)


def small_cube(d, side):
    cube = Region.box("cube", 0.0, 1.0, (d,))
    return cube, lambda x: x.amax(dim=1), side, side**d


@pytest.mark.parametrize(
    "case",
    [ball(5, 1e-6), ball(10, 1e-8), corner(5, 0.2), corner(20, 3.0), small_cube(4, 0.03)],
    ids=["ball of 5", "ball of 10", "corner of 5", "corner of 20", "cube of 4"],
)
def test_known_volumes_lie_within_the_interval_for_many_seeds(case):
    region, score, limit, truth = case
    found = [rare_density(score, limit, region, seed=seed, n=2000) for seed in range(12)]
    assert sum(f.low <= truth <= f.high for f in found) >= 11
    logs = torch.tensor([math.log(f.value / truth) for f in found])
    assert abs(float(logs.mean())) < 0.5  # on average within a factor of 1.6
    assert all(f.high / f.low < 40 for f in found)
    assert all(f.n < 2000 * (1 - f.log10) for f in found)  # about n draws for each factor of ten


def test_more_draws_are_more_exact():
    region, score, limit, truth = ball(6, 1e-6)
    few, many = (
        [rare_density(score, limit, region, seed=seed, n=n) for seed in range(8)]
        for n in (500, 5000)
    )

    def error(found):
        return sum(math.log(f.value / truth) ** 2 for f in found)

    assert error(many) < error(few) / 2
    assert many[0].high / many[0].low < few[0].high / few[0].low


def test_what_is_not_rare_is_counted_at_once():
    region, score, limit, truth = ball(3, 0.3)
    found = rare_density(score, limit, region, seed=0, n=1000)
    assert found.n == 1000
    assert found.low < truth < found.high
    plain = density(lambda x: score(x) <= limit, region, 1000, seed=0)
    assert abs(found.value - plain.value) < 0.06
    assert (found / plain).low < 1 < (found / plain).high


def test_decoded_regions_are_searched_in_their_own_box():
    def tripled(z):
        return z.repeat(1, 3)

    region = Region.box("latent", 0.0, 1.0, (4,), tripled)
    found = rare_density(lambda x: x.amax(dim=1), 0.02, region, seed=0)
    assert found.low < 0.02**4 < found.high
    assert found.per_dimension == pytest.approx(0.02, rel=0.3)


def test_the_seed_decides_and_nothing_global_is_touched():
    region, score, limit, _ = ball(4, 1e-5)
    before = torch.get_rng_state()
    first, again, other = (
        rare_density(score, limit, region, seed=seed, n=300) for seed in (0, 0, 1)
    )
    assert first == again
    assert first.value != other.value
    assert torch.equal(before, torch.get_rng_state())


def test_a_limit_that_nothing_reaches_gives_an_upper_end():
    region, score, _, _ = ball(4, 1e-5)
    found = rare_density(score, -1.0, region, seed=0, n=200, levels=4)
    assert (found.value, found.low) == (0, 0)
    assert 0 < found.high <= 1.1e-4
    assert "not reached in 4 levels" in found.note


def test_scores_without_slope_stop_with_a_reason():
    region = ball(4, 1e-5)[0]
    found = rare_density(lambda x: torch.ones(len(x)), 0.0, region, seed=0, n=200)
    assert (found.value, found.high) == (0, 1)
    assert "the same for all draws" in found.note


def test_nan_is_never_accepted():
    cube = Region.box("cube", 0.0, 1.0, (2,))

    def score(x):
        return torch.where(x[:, 0] < 0.5, x[:, 1], torch.nan)

    found = rare_density(score, 0.001, cube, seed=0)
    assert found.low < 0.0005 < found.high


def test_bad_scores_are_refused():
    region, score, limit, _ = ball(3, 1e-3)
    with pytest.raises(ValueError, match="at least 100 draws a level, but is 50"):
        rare_density(score, limit, region, seed=0, n=50)
    with pytest.raises(TypeError, match=r"floating point tensor, but is torch\.bool"):
        rare_density(lambda x: score(x) < 1, limit, region, seed=0)
    with pytest.raises(ValueError, match=r"one number for each of 4000 draws.*\(4000, 3\)"):
        rare_density(lambda x: x, limit, region, seed=0)
    with pytest.raises(ValueError, match="limit must be finite"):
        rare_density(score, math.nan, region, seed=0)
