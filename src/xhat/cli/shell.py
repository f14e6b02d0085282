"""How commands speak: errors in one sentence, progress on a terminal only."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from xhat.core import SearchFailedError, UnreadableFileError

__all__ = ["console", "errors", "progress_bar", "run"]

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

_EXPECTED = (ValueError, TypeError, PermissionError, UnreadableFileError, SearchFailedError)

Update = Callable[[str, int, int], None]


def run(app: typer.Typer) -> None:
    """Run ``app`` on ``sys.argv``; turn expected errors into one sentence and an exit code."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    warnings.showwarning = _say_warning
    try:
        sys.exit(app(arguments, standalone_mode=True))
    except _EXPECTED as error:
        if debug:
            raise
        errors.print(f"[bold red]Error:[/] {_escaped(error)}")
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("Interrupted; nothing half-written was left behind.")
        sys.exit(130)


@contextmanager
def progress_bar() -> Iterator[Update]:
    """Yield ``update(name, done, total)``: one bar per name on a terminal, silence in a pipe."""
    with Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    ) as progress:
        bars: dict[str, Any] = {}

        def update(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=done, total=total)

        yield update


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    errors.print(f"[yellow]Warning:[/] {_escaped(message)}")


def _escaped(message: object) -> str:
    return str(message).replace("[", r"\[")
