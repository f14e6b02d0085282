"""Where something must hold, the search along the data finds digits, and it does hold."""

import torch

from studies.searches import own_pairs
from studies.structures import STRUCTURES, in_structure
from xhat.methods import Flow, Options
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.steering import searched_through, steer


def test_mirror_images_are_genuine_and_symmetric_on_the_way():
    every = own_pairs(12, 1)  # no cell has these
    rows = torch.isin(every.target, torch.tensor([0, 1, 8])) & (every.start_label != every.target)
    pairs = digits.Pairs(every.index[rows], every.start_label[rows], every.target[rows])
    mirror = STRUCTURES["mirror"]
    found = steer(
        Flow(),
        searched_through("flow"),
        pairs,
        digits_judge(),
        domain=in_structure(mirror),
        options=Options(trace=1),
    )
    assert len(pairs) == 27
    assert found.numbers()["genuine"] >= 0.85  # of the projected start shown to the prior, 0.6
    for state in found.result.trajectory.x[1:]:
        assert float(mirror.violation(state, pairs.starts).max()) < 1e-6
