"""Rows that no table of the kind can hold."""

import torch

from xhat.core import generator
from xhat.judges import Judge, Outcome
from xhat.judges.combinations import Combinations


def people(n, seed):
    """Age in years, one of three trades as three columns, and married or not: no child is."""
    draws = generator(seed, "people")
    age = torch.randint(5, 90, (n,), generator=draws)
    trade = torch.eye(3)[torch.randint(0, 3, (n,), generator=draws)]
    married = (torch.rand(n, generator=draws) < 0.5) & (age > 20)
    return torch.cat((age[:, None], trade, married[:, None], torch.rand(n, 1, generator=draws)), 1)


ROWS = people(800, 0)
NEW = people(300, 1)


def test_what_is_impossible_is_found_and_named():
    axis = Combinations(ROWS)
    assert axis.groups == [[1, 2, 3]]
    most = axis.scores(NEW).max()
    between, two, none, half = (NEW.clone() for _ in range(4))
    between[:, 0] += 0.5
    two[:, 1:4] = torch.tensor([1.0, 1.0, 0.0])
    none[:, 1:4] = 0
    half[:, 4] = 0.3
    for rows in (between, two, none, half):
        assert bool((axis.scores(rows) > most).all())


def test_values_between_known_ones_that_vary_freely_are_possible():
    axis = Combinations(ROWS)
    assert 5 not in [column.place for column in axis.columns]
    other = NEW.clone()
    other[:, 5] = 0.123456
    assert torch.equal(axis.scores(other), axis.scores(NEW))


def test_a_judge_flags_them_and_rare_pairs_and_leaves_real_rows_alone():
    few = torch.tensor([[0.0, 0], [0, 1], [1, 1], [2, 0]])  # 1 and 0 never come together, nor 2, 1
    rows = few[torch.randint(0, 4, (900,), generator=generator(0))]
    rows = torch.cat((rows, torch.randn(900, 1, generator=generator(1))), dim=1)
    judge = Judge.fit(rows[:600])
    unusual = judge.judge(rows[600:]).counts()
    assert unusual[Outcome.GENUINE] > 0.9 * 300
    never = rows[600:].clone()
    never[:, :2] = torch.tensor([1.0, 0.0])
    assert judge.judge(never).counts()[Outcome.GENUINE] == 0


def test_tables_without_categories_have_no_such_axis():
    assert Combinations(torch.randn(200, 3, generator=generator(0))).columns == []
