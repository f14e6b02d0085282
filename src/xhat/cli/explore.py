"""The command that opens the explorer."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xhat.cli.app import AllowHost, Host, Port, Proxied, app
from xhat.cli.names import DEFAULT_TASK
from xhat.cli.shell import console, errors

if TYPE_CHECKING:
    from xhat.task import Stage

__all__ = ["explore"]


@app.command(epilog="Example: xhat explore --results runs/demo/results.parquet")
def explore(
    results: Annotated[
        Path | None, typer.Option(help="A results.parquet, to be shown as a gallery.")
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
    allow_host: AllowHost = None,
    proxied: Proxied = False,
    searches: Annotated[int, typer.Option(help="At once, at most.")] = 24,
) -> None:
    """Draw a digit, choose what it should become, and watch it change in the browser."""
    import torch

    from xhat.apps.explorer import Gallery, explorer_part
    from xhat.apps.web import build, own_names, serve
    from xhat.apps.web.serving import listen
    from xhat.core import check_count
    from xhat.task import task

    check_count("--searches", searches)
    gallery = None if results is None else Gallery.open(results)
    listen(host, port).close()  # what is wrong with them is said before anything begins
    explorer = task(DEFAULT_TASK).explorer()
    part = explorer_part(explorer, gallery, most=searches)
    torch.set_num_threads(1)  # small images: searches side by side use the cores better
    threading.Thread(target=_warm, args=(explorer,), daemon=True).start()
    serve(
        build(part, hosts=(*own_names(host), *(allow_host or ()))),
        host,
        port,
        say=lambda line: console.print(line, markup=False),
        paths=("/explore",) if gallery is None else ("/explore", "/gallery"),
        show=show,
        proxied=proxied,
    )


def _warm(explorer: Any) -> None:
    """Set up what searches need while the page is there already, and say how far that is."""

    def tell(stage: "Stage") -> None:
        left = "" if stage.done == stage.total else f" ({stage.done + 1} of {stage.total})"
        errors.print(f"Setting up: {stage.name}{left}", markup=False)

    try:
        explorer.warm(tell)
    except (ValueError, OSError) as error:
        errors.print(f"Setting up failed: {error}", markup=False)
