import numpy as np
import pytest
import torch

from xhat.core import (
    check_choice,
    check_count,
    check_finite,
    check_fraction,
    check_positive,
    check_range,
    check_rows,
    check_tensor,
)


def test_tensors_arrays_and_lists_pass_unchanged():
    for value in (torch.ones(2), np.ones(2), [1.0, 1.0], (1.0, 1.0)):
        assert check_tensor("x", value).tolist() == [1.0, 1.0]
    tensor = torch.ones(2, 1)
    assert check_tensor("x", tensor, ndim=2) is tensor
    assert check_tensor("x", [1, 2], floating=False).dtype == torch.int64


@pytest.mark.parametrize(
    ("value", "options", "kind", "said"),
    [
        (object(), {}, TypeError, "x must be a tensor or array of numbers, not object"),
        ([1, 2], {}, TypeError, "x must be floating point, but is int64"),
        (torch.ones(2), {"ndim": 2}, ValueError, r"x must have 2 axes, but has shape \(2,\)"),
        (torch.ones(0, 3), {}, ValueError, r"x is empty \(shape \(0, 3\)\)"),
        ([0.0, float("nan")], {}, ValueError, r"1 of its 2 values.*NaN at index \(1,\)"),
        ([float("-inf"), 0.0], {}, ValueError, r"infinity at index \(0,\)"),
    ],
)
def test_what_is_not_a_fine_tensor_is_refused(value, options, kind, said):
    with pytest.raises(kind, match=said):
        check_tensor("x", value, **options)


def test_finite_means_neither_nan_nor_infinity_and_integers_always_are():
    check_finite("x", torch.tensor([-3e38, 3e38]))
    check_finite("x", torch.tensor([2**62]))
    check_finite("x", torch.ones(0))
    for bad in (torch.nan, torch.inf, -torch.inf):
        with pytest.raises(ValueError, match="must be finite"):
            check_finite("x", torch.tensor([0.0, bad]))


def test_a_range_forgives_rounding_only():
    check_range("x", torch.tensor([-1e-7, 1 + 1e-7]), 0.0, 1.0)
    check_range("x", torch.tensor([[5.0, 0.5]]), 0.0, torch.tensor([[10.0, 1.0]]))
    with pytest.raises(ValueError, match=r"in \[0, 1\], but its values reach from 0\.5 to 1\.001"):
        check_range("x", torch.tensor([0.5, 1.001]), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"in \[0, 10\]"):
        check_range("x", torch.tensor([[0.5, 5.0]]), 0.0, torch.tensor([[10.0, 1.0]]))


def test_rows_are_one_or_all():
    check_rows("x", torch.ones(1, 2), 5)
    check_rows("x", torch.ones(5, 2), 5)
    with pytest.raises(ValueError, match=r"one row per candidate \(5\).*has 4 rows"):
        check_rows("x", torch.ones(4, 2), 5)


def test_counts():
    assert check_count("k", 3) == 3
    for value in (0, -1, 1.0, True, None):
        with pytest.raises(ValueError, match=f"k must be a whole number from 1, but is {value}"):
            check_count("k", value)


def test_numbers():
    assert check_positive("x", 2) == 2
    assert check_positive("x", 0.0, zero=True) == 0
    assert check_fraction("x", 0.5) == 0.5
    assert check_choice("x", "a", ("a", "b")) == "a"
    for value, kind in ((0, ValueError), (-1.0, ValueError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(kind, match="x must be"):
            check_positive("x", value)
    for value in (float("nan"), float("inf"), -0.1):
        with pytest.raises(ValueError, match="x must be 0 or more"):
            check_positive("x", value, zero=True)
    for value in (0.0, 1.0, 90.0):
        with pytest.raises(ValueError, match="x must"):
            check_fraction("x", value)
    with pytest.raises(ValueError, match="x must be one of a, b, but is 'c'"):
        check_choice("x", "c", ("a", "b"))
