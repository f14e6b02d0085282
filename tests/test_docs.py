"""The pages: the generated glossary, and names that mean one thing only."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCS = Path(__file__).parent.parent / "docs"
spec = importlib.util.spec_from_file_location("glossary_hook", DOCS / "glossary_hook.py")
assert spec is not None
assert spec.loader is not None
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)


def page(name):
    return SimpleNamespace(file=SimpleNamespace(src_uri=name))


def test_the_glossary_is_filled_and_other_pages_are_left_alone():
    text = (DOCS / "glossary.md").read_text("utf-8")
    filled = hook.on_page_markdown(text, page=page("glossary.md"))
    assert "<!--" not in filled
    assert "| [`Judge`][xhat.judges.Judge] | `xhat` | " in filled
    assert "| `genuine` | " in filled
    assert "| `target_reached` | " in filled
    assert hook.on_page_markdown(text, page=page("index.md")) == text


def test_a_name_of_two_rooms_is_told_apart():
    rows = [line for line in hook.classes().splitlines() if "| [`AtMost`]" in line]
    assert [row.split(" | ")[1] for row in rows].count("`xhat`") == 1


def test_every_noun_says_what_it_is():
    nouns = list(hook.nouns())
    assert len(nouns) > 150
    assert [name for name, _, meaning in nouns if len(meaning) < 15] == []


def test_bars_stand_within_code_so_that_every_row_has_three_cells():
    rows = [re.sub("`[^`]*`", "", line) for line in hook.classes().splitlines()]
    assert {row.count("|") for row in rows} == {4}


def test_a_name_means_one_thing():
    rooms = {}
    for name, room, meaning in hook.nouns():
        rooms.setdefault(name, {})[meaning] = room
    twice = {name for name, meanings in rooms.items() if len(meanings) > 1}
    assert twice == set()


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.name))
def test_every_page_is_in_the_navigation(path):
    nav = (DOCS.parent / "mkdocs.yml").read_text("utf-8")
    assert str(path.relative_to(DOCS)) in nav
