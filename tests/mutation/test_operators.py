"""Mutants are faults of the kinds that they should be, and the tests that are run exist."""

import ast
from pathlib import Path

import pytest

from tests.mutation import __main__ as campaign
from tests.mutation.__main__ import ROOT, House, sampled
from tests.mutation.operators import Mutant, mutant, sites
from tests.mutation.reasons import REASONS
from tests.mutation.stages import ROOMS, stages_of

SOURCE = '''"""A docstring of 3 words."""

def f(x: int = 4, /, sure: bool = True) -> "list[1]":
    """Another, > 2."""
    if x < 2 and sure:
        raise ValueError(f"{x + 1} is below {2}")
    x += 1
    log(x)
    return -x * 0.5 + min(x, 7)
'''


def every() -> list[Mutant]:
    return [mutant("a.py", SOURCE, k) for k in range(sites(SOURCE))]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if x < 2 and sure:", "if x >= 2 and sure:"),
        ("if x < 2 and sure:", "if x < 2 or sure:"),
        ("if x < 2 and sure:", "if x < 3 and sure:"),
        ("if x < 2 and sure:", "if not (x < 2 and sure):"),
        ("raise ValueError(f'{x + 1} is below {2}')", "pass"),
        ("x += 1", "x -= 1"),
        ("x += 1", "x += 2"),
        ("x += 1", "pass"),
        ("log(x)", "pass"),
        ("return -x * 0.5 + min(x, 7)", "return x * 0.5 + min(x, 7)"),
        ("return -x * 0.5 + min(x, 7)", "return -x / 0.5 + min(x, 7)"),
        ("return -x * 0.5 + min(x, 7)", "return -x * 1.0 + min(x, 7)"),
        ("return -x * 0.5 + min(x, 7)", "return -x * 0.5 - min(x, 7)"),
        ("return -x * 0.5 + min(x, 7)", "return -x * 0.5 + max(x, 7)"),
        ("return -x * 0.5 + min(x, 7)", "return -x * 0.5 + min(x, 8)"),
    ],
)
def test_every_kind_of_fault_is_made(before, after):
    assert (before, after) in [(each.before, each.after) for each in every()]


def test_a_mutant_is_python_with_one_line_changed_and_no_word_of_prose():
    clean = ast.unparse(ast.parse(SOURCE)).splitlines()
    for each in every():
        lines = ast.unparse(ast.parse(each.source)).splitlines()
        assert sum(old != new for old, new in zip(clean, lines, strict=True)) == 1
    assert len({each.source for each in every()}) == len(every())
    assert not any("below {3}" in each.source or "list[2]" in each.source for each in every())


def test_the_sample_repeats_with_its_seed_and_covers_all_rooms():
    some = sampled(60, 0)
    assert [each.name for each in some] == [each.name for each in sampled(60, 0)]
    assert [each.name for each in some] != [each.name for each in sampled(60, 1)]
    assert {each.path.split("/")[0] for each in some} == set(ROOMS)


def test_the_tests_of_every_file_are_there():
    for room in ROOMS:
        for file in (ROOT / "src" / "xhat" / room).glob("*.py"):
            for stage in stages_of(f"{room}/{file.name}") if file.name != "__init__.py" else ():
                for test in stage:
                    assert (ROOT / test).exists(), test


def test_every_reason_is_one():
    assert all(" -> " in name and len(reason) > 10 for name, reason in REASONS.items())


def test_every_reason_is_of_a_line_that_is_still_there():
    for name in REASONS:
        path, change = name.split(": ", 1)
        text = ast.unparse(ast.parse((ROOT / "src" / "xhat" / path).read_text()))
        assert any(change.startswith(f"{line.strip()} -> ") for line in text.splitlines()), name


def test_a_mutant_is_noticed_by_its_tests_and_by_nothing_else(tmp_path):
    """In a copy of the sources, which leaves these as they are."""
    test = tmp_path / "test_it.py"
    test.write_text(
        "from xhat.constraints.balls import LinfBall\n"
        "import torch\n"
        "def test_it():\n"
        "    inside = LinfBall(torch.zeros(1, 2), 0.5).violation(torch.zeros(1, 2))\n"
        "    assert float(inside) == -0.5\n"
    )
    path = "constraints/balls.py"
    text = (ROOT / "src" / "xhat" / path).read_text()
    faults = [mutant(path, text, k) for k in range(sites(text))]
    wrong = next(each for each in faults if each.after.startswith("return (self._norm((x + self."))
    else_where = next(each for each in faults if "soft" in each.before)
    house = House(tmp_path)
    assert house.noticed(else_where, [str(test)])[0] == "survived"
    signs = next(each for each in faults if "+ self.radius)[:, None]" in each.after)
    assert house.noticed(signs, [str(test)])[0] == "killed"
    assert house.noticed(wrong, [str(test)])[0] == "survived"  # of this test, for a centre of 0
    assert (Path(house.source) / "xhat" / path).read_text() == text


def test_editing_one_file_leaves_the_sample_of_the_others(monkeypatch, tmp_path):
    room = tmp_path / "src" / "xhat" / "constraints"
    room.mkdir(parents=True)
    for name in "abc":
        (room / f"{name}.py").write_text(SOURCE)
    monkeypatch.setattr(campaign, "ROOT", tmp_path)
    monkeypatch.setattr(campaign, "ROOMS", ("constraints",))

    def others() -> list[str]:
        return [each.name for each in sampled(12, 0) if each.path != "constraints/b.py"]

    before = others()
    assert len(before) >= 4
    (room / "b.py").write_text(SOURCE.replace("x += 1", "x += 1\n    x *= 1"))
    # each of the three new faults may push out one of the others, and no more
    assert set(others()) <= set(before)
    assert len(before) - len(others()) <= 3
