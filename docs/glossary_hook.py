"""The glossary: what every exported noun is, in the first sentence of its docstring.

``docs/glossary.md`` has a place for each list; mkdocs fills them when the site is built, so that no
second copy can go stale.
"""

import importlib
import inspect
from collections.abc import Iterator
from enum import Enum

__all__ = ["ROOMS", "classes", "nouns", "on_page_markdown", "outcomes", "statuses"]

ROOMS = (
    "door.judged", "door.refinement", "training", "domain", "methods", "objectives.goals",
    "objectives", "spaces", "constraints", "engine", "judges", "metrics", "surrogates",
    "surrogates.diffusion", "learning", "symmetry", "core", "report", "task",
)  # fmt: skip


def nouns() -> Iterator[tuple[str, str, str]]:
    """Yield name, room and meaning of every class that a room exports."""
    for room in ROOMS:
        module = importlib.import_module(f"xhat.{room}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                yield name, room, sentence(value)


def sentence(value: object) -> str:
    """Return the first sentence of a docstring, as Markdown."""
    first = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return first.replace("``", "`").rstrip(".")  # within code a bar does not end a cell


def classes() -> str:
    """Return all nouns as a table, in alphabetical order."""
    door = importlib.import_module("xhat").__all__
    rows = ["| name | from | what it is |", "| --- | --- | --- |"]
    for name, room, meaning in sorted(nouns(), key=lambda noun: (noun[0].lower(), noun[1])):
        home = "xhat" if name in door and at_the_door(name, room) else f"xhat.{room}"
        rows.append(f"| [`{name}`][xhat.{room}.{name}] | `{home}` | {meaning} |")
    return "\n".join(rows)


def at_the_door(name: str, room: str) -> bool:
    """Return whether ``xhat.name`` is the one of this room: some names are in two rooms."""
    home = importlib.import_module(f"xhat.{room}")
    return getattr(importlib.import_module("xhat"), name) is getattr(home, name)


def outcomes() -> str:
    """Return the outcomes of a verdict as a table."""
    return _members("judges", "Outcome", lambda member: member.meaning)


def statuses() -> str:
    """Return the reasons for which a search ends as a table."""
    return _members("engine", "Status", lambda member: str(member.value))


def _members(room, name, meaning) -> str:
    members: type[Enum] = getattr(importlib.import_module(f"xhat.{room}"), name)
    rows = [f"| `{one.name.lower()}` | {meaning(one).rstrip('.')} |" for one in members]
    return "\n".join([f"| {name.lower()} | when |", "| --- | --- |", *rows])


def on_page_markdown(markdown: str, *, page, **_: object) -> str:
    """Fill the lists of the glossary."""
    if page.file.src_uri != "glossary.md":
        return markdown
    for place, made in (("classes", classes), ("outcomes", outcomes), ("statuses", statuses)):
        markdown = markdown.replace(f"<!-- {place} -->", made())
    return markdown
