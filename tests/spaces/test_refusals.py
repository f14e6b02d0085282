"""What spaces refuse, and by how little it must be wrong."""

import pytest
import torch

from xhat.spaces import (
    Affine,
    Box,
    Logit,
    Masked,
    Ordered,
    Rounded,
    Summed,
    Symmetric,
    Tied,
)
from xhat.symmetry import Mirror


@pytest.mark.parametrize(("off", "fits"), [(0.9e-5, True), (1.6e-5, False)])
def test_a_short_start_may_miss_its_plane_by_a_hundred_thousandth(off, fits):
    plane = Affine(torch.tensor([[1.0, 0.0]]).double(), torch.tensor([0.1]).double())
    x = torch.tensor([[0.1 + off, 0.2]], dtype=torch.float64)
    if fits:
        plane.check(x)
        return
    with pytest.raises(ValueError, match="must fulfil A x = b"):
        plane.check(x)


def test_both_bounds_have_the_shape_of_one_input():
    Box(torch.zeros(2, 3), torch.ones(2, 3))
    Logit(0.0, torch.ones(2, 3))
    with pytest.raises(ValueError, match="must have one shape"):
        Box(torch.zeros(2, 3), torch.ones(3, 2))


def test_a_logit_space_ends_a_hair_inside_its_bounds():
    low, high = Logit(5.0, torch.tensor([6.0, 8.0])).intervals()
    assert (low - 5).flatten().tolist() == pytest.approx([1e-6, 3e-6])
    assert (torch.tensor([6.0, 8.0]) - high).flatten().tolist() == pytest.approx([1e-6, 3e-6])


def test_what_wraps_a_box_asks_of_free_features_what_the_box_asks():
    outside, mask = torch.tensor([[0.5, 1.5]]), torch.tensor([True, False])
    Masked(Box(), mask, torch.zeros(1, 2)).check(outside)
    with pytest.raises(ValueError, match=r"the start must lie in \[0, 1\]"):
        Masked(Box(), ~mask, torch.zeros(1, 2)).check(outside)
    with pytest.raises(ValueError, match=r"the start must lie in \[0, 1\]"):
        Tied(Box(), torch.tensor([0, 0])).check(torch.tensor([[1.5, 1.5]]))
    with pytest.raises(ValueError, match=r"the start must lie in \[0, 1\]"):
        Symmetric(Box(), Mirror()).check(torch.tensor([[1.5, 1.5]]))


@pytest.mark.parametrize("axis", [1.5, True, "0"])
def test_an_axis_is_a_whole_number(axis):
    with pytest.raises(TypeError, match="axis must be a whole number, not"):
        Ordered(axis=axis)


@pytest.mark.parametrize(("decreasing", "word"), [(True, "increase"), (False, "decrease")])
def test_the_order_that_is_broken_is_named(decreasing, word):
    x = torch.tensor([[0.2, 0.5, 0.3]])
    with pytest.raises(ValueError, match=f"must not {word} along axis -1"):
        Ordered(decreasing=decreasing).check(x)


def test_whole_numbers_are_asked_for_where_a_mask_of_that_shape_says_so():
    mask = torch.tensor([[True, False, True]])
    space = Rounded(Box(0, 9), mask)
    space.check(torch.tensor([[[1.0, 2.5, 3.0]]]))
    with pytest.raises(ValueError, match=r"mask must have the shape of one input, \(3,\)"):
        space.check(torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"one is 0\.5 off"):
        space.check(torch.tensor([[[1.0, 2.0, 3.5]]]))


def test_a_sum_lies_between_those_at_the_weighed_bounds():
    ends = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([2.0, 5.0, 1.0])
    weights = torch.tensor([1.0, 2.0, 4.0])  # from 5 to 16
    for total, start in ((5.5, [1.5, 2.0, 0.0]), (15.5, [2.0, 5.0, 0.875])):
        Summed(*ends, total, weights).check(torch.tensor([start]))
    for total in (4.9, 16.1):
        with pytest.raises(ValueError, match="must lie between 5 and 16"):
            Summed(*ends, total, weights).check(torch.tensor([[1.5, 2.0, 0.0]]))


def test_a_pair_that_only_some_shapes_break_is_refused_only_for_these():
    """Of one axis, the order and the mirror are along the same; of two they are not."""
    space = Symmetric(Ordered(axis=0), Mirror())
    square = torch.tensor([[[0.1, 0.1], [0.4, 0.4]]])
    space.check(square)
    assert float(space.violation(space.decode(space.begin(square))).max()) < 1e-6
