"""The application that commands join, and the options that they share."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["ANYTHING", "AllowHost", "Host", "Out", "Port", "Proxied", "Seed", "app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Search a model's input by gradient descent, and know of every result if it is genuine.",
)

Out = Annotated[Path, typer.Option(help="Folder to write to; made if needed.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]

ANYTHING: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command that only says where something went."""

# of the commands that serve pages
Host = Annotated[str, typer.Option(help="Address to listen at.")]
Port = Annotated[int, typer.Option(help="Port; 0 for any that is free.")]
AllowHost = Annotated[list[str] | None, typer.Option(help="Further name to answer to. Repeatable.")]
Proxied = Annotated[
    bool, typer.Option("--proxied", help="A proxy with TLS on this machine stands before it.")
]


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")
    ] = False,
) -> None:
    """Show ``--debug`` in the help; ``xhat.cli.shell.run`` has already taken it."""
    del debug
