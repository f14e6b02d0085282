"""The command that opens the explorer."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xhat.cli.app import AllowHost, Host, Port, Proxied, app
from xhat.cli.names import DEFAULT_TASK
from xhat.cli.options import Labels, Reference
from xhat.cli.shell import console, errors
from xhat.cli.wanted import images_of

if TYPE_CHECKING:
    from xhat.apps.explorer import Explorer
    from xhat.task import Stage

__all__ = ["explore"]


@app.command(epilog="Example: xhat explore --model nets:f --reference train.npz")
def explore(
    model: Annotated[
        str | None,
        typer.Option(help="Your torch model, as package.module:attribute, with --reference."),
    ] = None,
    reference: Reference = None,
    labels: Labels = None,
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
    """Draw an image, choose what it should become, and watch it change in the browser.

    Without --model and --reference the images are handwritten digits.
    """
    import torch

    from xhat.apps.explorer import Gallery, explorer_part
    from xhat.apps.web import build, own_names, serve
    from xhat.apps.web.serving import listen
    from xhat.core import check_count

    check_count("--searches", searches)
    if results is not None:
        Gallery.open(results)
    listen(host, port).close()  # what is wrong with them is said before anything begins
    explorer = _explorer(model, reference, labels)
    gallery = None if results is None else Gallery.open(results, explorer.domain.classes)
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


def _explorer(model: str | None, reference: Path | None, labels: str | None) -> "Explorer":
    """Return the explorer of somebody's own images, or of the default task."""
    from xhat.apps.explorer import Explorer
    from xhat.cli.inputs import load_model
    from xhat.task import task

    if model is None and reference is None and labels is None:
        return task(DEFAULT_TASK).explorer()
    if model is None or reference is None:
        raise ValueError(
            "the explorer of your own images needs both --model, the classifier that is searched, "
            "and --reference, real images with their classes; without either it shows digits."
        )
    setup = (
        "from pathlib import Path",
        "from xhat.cli.inputs import load_model",
        "from xhat.cli.wanted import images_of",
        f"domain = images_of(Path({str(reference)!r}), {labels!r})",
        f"model = load_model({model!r})",
    )
    return Explorer(images_of(reference, labels), load_model(model), setup="\n".join(setup))


def _warm(explorer: "Explorer") -> None:
    """Set up what searches need while the page is there already, and say how far that is."""

    def tell(stage: "Stage") -> None:
        left = "" if stage.done == stage.total else f" ({stage.done + 1} of {stage.total})"
        errors.print(f"Setting up: {stage.name}{left}", markup=False)

    try:
        explorer.warm(tell)
    except (ValueError, OSError) as error:
        errors.print(f"Setting up failed: {error}", markup=False)
