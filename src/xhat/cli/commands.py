"""The commands that search and judge; each gathers options, calls ``xhat.study`` and reports."""

import json
import os
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from xhat.cli.app import Out, Seed, app
from xhat.cli.names import HALVES, KNOWN_METHODS, RECIPES
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
            help="Real samples of your own domain, like --samples, or digits. \\[default: digits]"
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
    from xhat.judges import Outcome
    from xhat.study.inputs import check_task, read_array, read_samples, read_starts, read_targets
    from xhat.study.judging import judge_samples, write_judged

    if reference is None:
        check_task(samples, "digits")
    elif str(reference) == "digits":
        reference = None
    judged = judge_samples(
        read_samples(samples),
        None if targets is None else read_targets(targets),
        alpha=alpha,
        reference=None if reference is None else read_samples(reference),
        labels=None if labels is None else read_array(labels, "the labels"),
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
    from xhat.study.judging import digits_judge
    from xhat.study.selftest import self_test, write

    with progress_bar() as update:
        update("judges", 0, 1)
        tested = digits_judge(alpha, weights)
        update("judges", 1, 1)
        found = self_test(tested, half=half, n=n, seed=seed, on_progress=update)
    command = f"xhat judge --self-test --half {half} --n {n} --alpha {alpha:g} --seed {seed}"
    picture = write(found, out, command=command)
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for heading in ("kind", "n", "wanted", "share", "interval", "asked"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "kind" else "right")
    for row in found.rows:
        low, high = row.interval
        asked = "" if row.asked is None else f"{row.asked:g} {'✓' if row.met else '✗'}"
        wanted = _WANTED.get(row.wanted or "", "(genuine)")
        table.add_row(
            row.kind, str(row.n), wanted, f"{row.share:.3f}", f"{low:.2f}–{high:.2f}", asked
        )
    console.print(table)
    console.print(
        f"Digits against clothes: AUROC {found.separation['auroc']:.4f}; "
        f"{100 * found.separation['fpr_at_95_tpr']:.1f} % of clothes look as usual as 95 % of "
        f"digits do."
    )
    console.print(f"Open {picture}", markup=False)


@app.command(epilog="Example: xhat info --devices")
def info(
    devices: Annotated[
        bool, typer.Option("--devices", help="Also ask torch for threads and devices; slower.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Also write info.json there.")] = None,
) -> None:
    """Say which versions, methods, recipes and devices there are."""
    lines = {
        "xhat": version("xhat"),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "scipy")},
        "cores": str(os.cpu_count()),
        **(_devices() if devices else {}),
        "methods": ", ".join(KNOWN_METHODS),
        "recipes": ", ".join(RECIPES),
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


_WANTED = {"genuine": "genuine", "not genuine": "not gen.", "out of distribution": "out of d."}
