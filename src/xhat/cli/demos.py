"""The command that shows what a task is about."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from xhat.cli.app import Seed, app
from xhat.cli.names import METHODS, TASKS
from xhat.cli.shell import console, progress_bar

__all__ = ["demo"]


@app.command(epilog="Example: xhat demo --out runs/demo --starts 1 --method plain --method latent")
def demo(
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}.")] = TASKS[0],
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
    from xhat.core import check_choice, claimed_folder

    check_choice("task", task, TASKS)
    out = out or Path("runs") / ("demo" if task == TASKS[0] else task)
    if task != TASKS[0]:
        of_digits = {"--starts": starts, "--method": method, "--confidence": confidence}
        for option, value in of_digits.items():
            if value is not None:
                raise typer.BadParameter(f"{option} is for --task digits, not for {task}.")
    with claimed_folder(out):
        if task == TASKS[0]:
            _digits(
                out,
                3 if starts is None else starts,
                method,
                0.95 if confidence is None else confidence,
                seed,
            )
        else:
            _show(task, out, seed)


def _digits(
    out: Path,
    starts: int | None,
    method: list[str] | None,
    confidence: float | None,
    seed: int,
) -> None:
    from xhat.judges import Outcome
    from xhat.report import COLOURS
    from xhat.study.demos import digits as main_job

    starts = 3 if starts is None else starts
    confidence = 0.95 if confidence is None else confidence
    names = tuple(method) if method else METHODS
    command = f"xhat demo --starts {starts} --confidence {confidence:g} --seed {seed}" + "".join(
        f" --method {name}" for name in method or ()
    )
    with progress_bar() as update:
        found = main_job.run(
            starts=starts,
            methods=names,
            seed=seed,
            confidence=confidence,
            on_progress=lambda stage: update(stage.name, stage.done, stage.total),
        )
        update("pictures", 0, 1)
        page = main_job.write(found, out, command=command)
        update("pictures", 1, 1)
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    table.add_column("method", no_wrap=True)
    for heading in ("genuine", *_SHORT.values(), "seen by judges"):
        table.add_column(heading, justify="right", min_width=max(map(len, heading.split())))
    methods = found.summary()["methods"]
    for name, row in methods.items():
        shares = [f"{100 * row['verdicts'][k] / row['n']:.0f} %" for k in _SHORT]
        genuine = f"[bold {COLOURS[Outcome.GENUINE]}]{100 * row['genuine']:.0f} %[/]"
        table.add_row(name, genuine, *shares, f"{row['judge_confidence']:.2f}")
    n = next(iter(methods.values()))["n"]
    console.print(f"Of {n} pairs of different digits a method, and the judges' mean confidence:\n")
    console.print(table)
    console.print(f"\nOpen {page}", markup=False)


def _show(name: str, out: Path, seed: int) -> None:
    from xhat.study.demos import DEMOS

    task = DEMOS[name]
    command = f"xhat demo --task {name} --seed {seed}"
    with progress_bar() as update:
        found = task.run(
            seed=seed, on_progress=lambda stage: update(stage.name, stage.done, stage.total)
        )
        page = task.write(found, out, command=command)
    console.print(task.said(found), markup=False)
    console.print(f"\nOpen {page}", markup=False)


_SHORT = {
    "off_manifold": "off manifold",
    "adversarial": "adversarial",
    "out_of_distribution": "out of distr.",
    "mistaken": "mistaken",
    "unreached": "unreached",
}
