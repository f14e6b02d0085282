"""The noun: what a task shows of itself, by one command."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Demonstration", "Run", "Stage", "Tell", "Write"]


@dataclass(frozen=True)
class Stage:
    """How far a demo is: ``done`` of ``total`` of what is named."""

    name: str
    done: int
    total: int


Tell = Callable[[Stage], None]


class Run(Protocol):
    """Searches and verifies."""

    def __call__(self, *, seed: int, on_progress: Tell | None) -> Any:
        """Return all that was found."""
        ...


class Write(Protocol):
    """Writes the page and the files beside it, each whole or not at all."""

    def __call__(self, found: Any, out: str | Path, *, command: str) -> Path:
        """Return the path of the page."""
        ...


@dataclass(frozen=True)
class Demonstration:
    """One task's demo.

    Attributes:
        name: of the task.
        caption: what it shows, in one line.
        run: searches and verifies.
        write: makes the page.
        said: what a terminal shows of what was found: a few lines of plain text.
    """

    name: str
    caption: str
    run: Run
    write: Write
    said: Callable[[Any], str]
