"""A small fixed part of the campaign; ``make fuzz`` runs the whole."""

import pytest

from tests.fuzz.problems import drawn
from tests.fuzz.promises import checked

FIXED = range(40)


@pytest.mark.parametrize("number", FIXED)
def test_every_promise_is_kept(number):
    outcome = checked(drawn(16, number))
    assert not outcome.broken, outcome.case.script()
