"""The command that shows what a task is about."""

from pathlib import Path
from typing import Annotated, Any

import typer

from xhat.cli.app import Seed, app
from xhat.cli.names import DEFAULT_TASK, METHODS
from xhat.cli.shell import console, progress_bar

__all__ = ["demo"]


@app.command(epilog="Example: xhat demo --out runs/demo --starts 1 --method plain --method latent")
def demo(
    task: Annotated[str, typer.Option(help="Which; see xhat info.")] = DEFAULT_TASK,
    out: Annotated[
        Path | None, typer.Option(help="Folder for what it writes. \\[default: runs/TASK]")
    ] = None,
    starts: Annotated[
        int | None, typer.Option(help="Of every digit, with 10 targets each. \\[default: 3]")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable; of {', '.join(METHODS)}. \\[default: all]"),
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="At which a search for digits ends. \\[default: 0.95]")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Turn every digit into every other, judge and draw; or show what another task is about."""
    from xhat.core import claimed_folder
    from xhat.task import task as find

    found = find(task)
    given: dict[str, Any] = {"starts": starts, "methods": method, "confidence": confidence}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in found.demo_options:
            option = "--" + name.removesuffix("s") if name == "methods" else f"--{name}"
            raise typer.BadParameter(f"{option} is for --task {DEFAULT_TASK}, not for {task}.")
    out = out or Path("runs") / ("demo" if task == DEFAULT_TASK else task)
    with claimed_folder(out), progress_bar() as update:
        shown = found.demo(
            out,
            seed=seed,
            on_progress=lambda stage: update(stage.name, stage.done, stage.total),
            options=given,
        )
    console.print(shown.said, markup=not isinstance(shown.said, str))
    console.print(f"\nOpen {shown.page}", markup=False)
