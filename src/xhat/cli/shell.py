"""How commands speak: errors in one sentence, progress on a terminal only."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from typer.main import get_command

from xhat.cli.stopping import SAID, Stopped

__all__ = ["console", "errors", "progress_bar", "run"]

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

_INTERRUPTED = 130
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])  # not exported
_EXPECTED = (
    ValueError, TypeError, ImportError, ConnectionError, PermissionError, IsADirectoryError,
)  # fmt: skip

Update = Callable[[str, int, int], None]


def run(app: typer.Typer, name: str = "xhat") -> None:
    """Run ``app`` on ``sys.argv``; turn errors into one sentence and an exit code.

    The code is 2 for what the user can put right, 130 for an interrupt, 143 for SIGTERM, 1 for
    anything else. ``--debug``, anywhere among the arguments, lets every error through as a
    traceback.
    """
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    warnings.showwarning = _say_warning
    if not debug:
        sys.excepthook = _say_unexpected
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its own caches
    command = get_command(app)
    try:
        code = command(arguments or ["--help"], prog_name=name, standalone_mode=False)
    except (*_EXPECTED, _UsageError, SystemExit) as error:
        if debug:
            raise
        _say_error(_worded(error))
        sys.exit(2)
    except Stopped as stopped:
        if not stopped.said:
            errors.print(SAID)
        sys.exit(stopped.code)
    except typer.Abort as abort:
        if isinstance(abort.__cause__, EOFError):  # typer takes it for an interrupt
            raise abort.__cause__ from None
        code = _INTERRUPTED
    if code == _INTERRUPTED:  # what typer makes of a KeyboardInterrupt
        errors.print(SAID)
    sys.exit(code)


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


def _worded(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            f"the process was ended by sys.exit({error.code!r}), which xhat does not do while it "
            f"works; take it out of your model."
        )
    if not isinstance(error, _UsageError):
        return " ".join(str(error).split())
    command = getattr(error.ctx, "command_path", "xhat")
    return f"{error.format_message().rstrip('.')}; see {command} --help."


def _say_error(message: str) -> None:
    errors.print(f"[bold red]Error:[/] {_escaped(message)}")


def _say_unexpected(kind: type[BaseException], error: BaseException, _: Any) -> None:
    said = " ".join(str(error).split())
    _say_error(f"{kind.__name__}: {said}; run again with --debug to see where.")


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    errors.print(f"[yellow]Warning:[/] {_escaped(message)}")


def _escaped(message: object) -> str:
    return str(message).replace("[", r"\[")
