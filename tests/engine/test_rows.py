import pytest
import torch

from xhat.engine.rows import Live, join, take


def table() -> dict:
    return {"a": torch.arange(4), "b": {"c": torch.arange(8).reshape(4, 2)}}


def test_rows_are_taken_by_number_or_by_mask():
    for index in (torch.tensor([3, 0]), torch.tensor([True, False, False, True])):
        part = take(table(), index)
        assert sorted(part["a"].tolist()) == [0, 3]
        assert part["b"]["c"].shape == (2, 2)
    assert take(table(), torch.tensor([3, 0]))["b"]["c"].tolist() == [[6, 7], [0, 1]]


def test_tables_are_joined_row_after_row():
    both = join(take(table(), torch.tensor([2])), table())
    assert both["a"].tolist() == [2, 0, 1, 2, 3]
    assert both["b"]["c"][0].tolist() == [4, 5]
    assert table()["a"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("confidence", [None, torch.tensor([0.5, 0.7])])
def test_halves_of_a_batch_are_joined_in_their_order(confidence):
    one = Live(*(torch.tensor([k, k + 1]) for k in (3, 0, 10, 20)), confidence)
    both = one.joined(one)
    assert both.ids.tolist() == [3, 4, 3, 4]
    assert both.loss.tolist() == [20, 21, 20, 21]
    if confidence is None:
        assert both.confidence is None
    else:
        assert both.confidence.tolist() == pytest.approx([0.5, 0.7, 0.5, 0.7])
