"""Digits as one domain among others: the methods of any domain do here what they always did."""

import pytest
import torch

import xhat
from xhat.objectives.goals import Class
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.methods import METHODS

PAIRS = digits.pairs(1)
SOME = torch.tensor([3, 17, 38, 52, 71])


@pytest.mark.parametrize("name", METHODS)
def test_a_method_of_any_domain_finds_what_that_of_digits_finds(name):
    how = METHODS[name]
    model = digits.surrogate(how.surrogate)
    x0, target = PAIRS.starts[SOME], PAIRS.target[SOME]
    before = how.search(model, x0, target, how.space_for(model, x0, target))
    after = xhat.optimize(model, x0, Class(target), domain=digits_domain(), method=name)
    assert torch.allclose(before.x, after.x, atol=1e-5)
    assert torch.equal(before.reached, after.reached)
    assert len(after.verdicts) == len(SOME)


def test_the_readme_case_by_the_front_door():
    found = xhat.optimize(
        digits.surrogate("robust"), PAIRS.starts[38:39], 8, domain=digits_domain()
    )
    assert found.method == "xhat"
    assert [str(each) for each in found.verdicts.outcomes] == ["genuine"]


def test_a_judge_does_not_take_part_in_the_search():
    with pytest.raises(ValueError, match="shares weights"):
        xhat.optimize(digits.judge("judge-cnn"), PAIRS.starts[:1], 3, domain=digits_domain())
