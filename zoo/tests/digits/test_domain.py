"""Digits as one domain among others."""

import pytest
import torch

import xhat
from xhat.methods import Options, known_methods, method
from xhat.objectives.goals import Class
from xhat.spaces import Held
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.digits.steering import searched_through

PAIRS = digits.pairs(1)


def test_the_readme_case_by_the_front_door():
    found = xhat.optimize(
        digits.surrogate("robust"), PAIRS.starts[38:39], 8, domain=digits_domain()
    )
    assert found.method == "retrieval"
    assert [str(each) for each in found.verdicts.outcomes] == ["genuine"]


def test_a_judge_does_not_take_part_in_the_search():
    with pytest.raises(ValueError, match="shares weights"):
        xhat.optimize(digits.judge("judge-cnn"), PAIRS.starts[:1], 3, domain=digits_domain())


@pytest.mark.parametrize("name", known_methods())
def test_every_method_keeps_to_a_structure(name):
    mirrored = digits_domain().within(lambda space, _: Held(space, lambda x: (x + x.flip(-1)) / 2))
    how, x0 = method(name), (PAIRS.starts[1:3] + PAIRS.starts[1:3].flip(-1)) / 2
    options = Options(max_steps=3) if "max_steps" in how.options else None
    found = how.search(searched_through(name), Class(8), x0, mirrored, options=options)
    assert torch.allclose(found.x, found.x.flip(-1), atol=1e-6)
    assert bool(found.feasible.all())
