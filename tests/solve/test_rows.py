import torch

from xhat.solve.rows import join, take


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
