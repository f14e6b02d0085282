"""The commands that search and judge; each gathers options, calls the library and reports."""

import json
import os
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from xhat.cli.app import Out, Seed, app
from xhat.cli.names import DEFAULT_TASK, HALVES, KNOWN_METHODS, PARTS, RECIPES
from xhat.cli.shell import console, progress_bar

__all__ = ["info", "judge"]


@app.command(epilog="Example: xhat judge --samples x.npy --targets 3,8 --out runs/judge")
def judge(
    samples: Annotated[
        Path | None, typer.Option(help=".npy, results.parquet, or a folder of PNG pictures.")
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="Class, classes (3,1,4), or a .npy file.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Real samples of your own domain, like --samples, or the name of a task. "
            f"\\[default: {DEFAULT_TASK}]"
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Their classes, a .npy file.")] = None,
    alpha: Annotated[float, typer.Option(help="Share of real samples that may be flagged.")] = 0.05,
    test: Annotated[
        bool, typer.Option("--self-test", help="Judge planted samples whose verdict is known.")
    ] = False,
    n: Annotated[int, typer.Option(help="For --self-test: samples of a kind.")] = 300,
    half: Annotated[
        str, typer.Option(help=f"For --self-test: {' or '.join(HALVES)}.")
    ] = "reported",
    weights: Annotated[
        Path | None, typer.Option(help="For --self-test: other judges' weights.")
    ] = None,
    out: Out = Path("runs/judge"),
    seed: Seed = 0,
) -> None:
    """Say of samples, from wherever, whether they are genuine samples of their targets."""
    if test == (samples is not None):
        raise ValueError("give either --samples to judge, or --self-test.")
    from xhat.core import claimed_folder

    if test:
        with claimed_folder(out):
            _self_test(out, alpha=alpha, n=n, half=half, weights=weights, seed=seed)
    elif samples is not None:
        given = {"samples": samples, "targets": targets, "reference": reference, "labels": labels}
        given = {name: value for name, value in given.items() if value is not None}
        command = " ".join(["xhat judge", *(f"--{name} {value}" for name, value in given.items())])
        with claimed_folder(out):
            _judge(out, f"{command} --alpha {alpha:g} --seed {seed}", alpha, seed, **given)


def _judge(
    out: Path,
    command: str,
    alpha: float,
    seed: int,
    samples: Path,
    targets: str | None = None,
    reference: Path | None = None,
    labels: Path | None = None,
) -> None:
    from xhat.cli.inputs import check_task, read_array, read_samples, read_starts, read_targets
    from xhat.cli.judging import judge_samples, write_judged
    from xhat.judges import Outcome
    from xhat.task import task, tasks

    if reference is None:
        check_task(samples, DEFAULT_TASK)
    named = DEFAULT_TASK if reference is None else str(reference)
    of_task = reference is None or named in tasks()
    judged = judge_samples(
        read_samples(samples),
        None if targets is None else read_targets(targets),
        reference=task(named) if of_task else read_samples(named),
        labels=None if labels is None else read_array(labels, "the labels"),
        alpha=alpha,
        x0=read_starts(samples),
        seed=seed,
    )
    page = write_judged(judged, out, command=command)
    counted = Counter(judged.verdicts.outcomes)
    for outcome in Outcome:
        if counted[outcome]:
            console.print(f"{counted[outcome]:6d}  {outcome}: {outcome.meaning}")
    if len(judged.verdicts) == 1:
        console.print(f"\n{judged.verdicts[0].explain()}", markup=False)
    console.print(f"Open {page}", markup=False)


def _self_test(
    out: Path, *, alpha: float, n: int, half: str, weights: Path | None, seed: int
) -> None:
    from xhat.task import task

    options = {"alpha": alpha, "n": n, "half": half, "weights": weights, "seed": seed}
    with progress_bar() as update:
        shown = task(DEFAULT_TASK).self_test(
            out,
            on_progress=lambda stage: update(stage.name, stage.done, stage.total),
            options=options,
        )
    console.print(shown.said)
    console.print(f"Open {shown.page}", markup=False)


@app.command(epilog="Example: xhat info --devices")
def info(
    devices: Annotated[
        bool, typer.Option("--devices", help="Also ask torch for threads and devices; slower.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Also write info.json there.")] = None,
) -> None:
    """Say which versions, tasks, methods, recipes and devices there are."""
    from xhat.task import tasks

    lines = {
        "xhat": version("xhat"),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "scipy")},
        "cores": str(os.cpu_count()),
        **(_devices() if devices else {}),
        "tasks": ", ".join(tasks()) or "none; the examples come with: pip install xhat-zoo",
        "methods": ", ".join(KNOWN_METHODS),
        "recipes": f"{', '.join(PARTS)}; joined by +, for any labelled samples",
        "shipped": f"{', '.join(RECIPES[len(PARTS) :])}; of digits",
    }
    if out is not None:
        from xhat.core import atomic_write, claimed_folder

        with claimed_folder(out), atomic_write(out / "info.json") as temporary:
            temporary.write_text(json.dumps(lines, indent=1) + "\n")
    for name, value in lines.items():
        console.print(f"{name:9} {value}")


def _devices() -> dict[str, str]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "threads": str(torch.get_num_threads()),
        "devices": ", ".join(["cpu", *gpus]),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
