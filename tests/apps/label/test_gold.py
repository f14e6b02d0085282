import pytest
from scipy.stats import binom

from xhat.apps.label import PersonRow, check_golds, wilson


def person(errors, golds):
    return PersonRow(1, "Ada", False, False, "active", 100, golds, errors, 2.0, None)


class TestWilson:
    def test_the_ends_solve_his_equation(self):
        z = 1.959963984540054
        for end in wilson(7, 30):
            assert abs(7 / 30 - end) == pytest.approx(z * (end * (1 - end) / 30) ** 0.5)

    def test_a_published_value(self):
        # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I
        assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
        assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)

    def test_nothing_is_known_without_a_case(self):
        assert wilson(0, 0) == (0, 1)

    def test_refuses_more_hits_than_cases(self):
        with pytest.raises(ValueError, match="from 0 to the number of cases, 3, but are 4"):
            wilson(4, 3)


class TestCareless:
    @pytest.mark.parametrize(
        ("errors", "golds", "careless"),
        [(0, 0, False), (0, 9, False), (1, 1, False), (1, 2, False), (2, 5, True), (5, 20, True),
         (4, 20, False), (3, 10, True)],
    )  # fmt: skip
    def test_by_the_rule(self, errors, golds, careless):
        assert check_golds([person(errors, golds)])[0].careless is careless

    def test_who_is_careful_is_hardly_ever_called_careless(self):
        for golds in range(1, 60):
            called = [k for k in range(golds + 1) if check_golds([person(k, golds)])[0].careless]
            least = min(called, default=golds + 1)
            assert binom.sf(least - 1, golds, 0.02) < 0.01

    def test_with_another_limit(self):
        assert not check_golds([person(3, 10)], limit=0.2)[0].careless
        with pytest.raises(ValueError, match="limit must be above 0"):
            check_golds([], limit=0)
