"""The commands that train surrogates and run studies."""

import json
from pathlib import Path
from typing import Annotated, cast

import torch
import typer

from xhat.cli.app import Out, app
from xhat.cli.shell import console, progress_bar
from xhat.core import check_choice
from xhat.learning import EpochRecord, load_checkpoint
from xhat.study.appraisal import QUICK
from xhat.study.experiments import STUDIES, run_study, write_study
from xhat.study.inputs import read_array
from xhat.study.model_report import report_model, write_report
from xhat.study.recipes import recipe as known_recipe
from xhat.study.training import Precision, train

__all__ = ["study_command", "train_command"]


@app.command(
    name="train",
    epilog="Example: xhat train digits --recipe robust+outliers --report --out runs/weights",
)
def train_command(
    task: Annotated[str, typer.Argument(help="Whose data to train on: digits.")],
    recipe: Annotated[
        str, typer.Option(help="Parts joined by +, or a shipped model; see xhat info.")
    ] = "plain",
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's own.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use only so many samples.")] = None,
    targets: Annotated[
        Path | None, typer.Option(help="Distributions instead of labels, a .npy file (n, 10).")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Measure everything, and write a page with figures.")
    ] = False,
    autoattack: Annotated[
        int, typer.Option(help="For --report: images that AutoAttack is run on; 0 for none.")
    ] = 100,
    device: Annotated[str, typer.Option(help="Where to train, such as cuda.")] = "cpu",
    precision: Annotated[
        str, typer.Option(help="auto, float32 or bfloat16; auto is what the device does fastest.")
    ] = "auto",
    out: Out = Path("runs/weights"),
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's own.")] = None,
) -> None:
    """Train a surrogate by a recipe, or a shipped model again, from the embedded data."""
    if report and known_recipe(recipe).kind != "surrogate":
        raise ValueError(f"--report measures surrogates, but {recipe} is another kind of model.")
    wanted = None if targets is None else read_array(targets, "the targets")
    with progress_bar() as update:

        def say(record: EpochRecord) -> None:
            update(recipe, record.epoch, record.epochs)

        card = train(
            task,
            recipe,
            out=out,
            seed=seed,
            epochs=epochs,
            limit=limit,
            targets=wanted,
            device=device,
            precision=cast("Precision", precision),
            progress=say,
        )
        page = None
        if report:
            model, _ = load_checkpoint(out, card.name)
            scope = None if limit is None else QUICK
            measured = report_model(
                model, card, scope=scope, autoattack=autoattack, on_progress=update
            )
            page = write_report(measured, out)
    console.print_json(json.dumps(card.metrics))
    console.print(f"Wrote {out / card.name}.safetensors", markup=False)
    if page is not None:
        console.print(f"Open {page}", markup=False)


@app.command(name="study", epilog="Example: xhat study soft-labels --out studies/soft-labels")
def study_command(
    name: Annotated[str, typer.Argument(help="A study, or list.")],
    seeds: Annotated[int, typer.Option(help="How many; more may be added later.")] = 5,
    quick: Annotated[
        bool, typer.Option("--quick", help="As little as shows that everything works.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(help="Processes. \\[default: one per core]")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to. \\[default: runs/studies/NAME]")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Where trained surrogates are kept.")] = Path(
        "runs/surrogates"
    ),
) -> None:
    """Answer a question by experiments over seeds; the same command goes on where it stopped."""
    if name == "list":
        for known in STUDIES.values():
            console.print(f"[bold]{known.name}[/]  {known.question}")
        return
    asked = STUDIES[check_choice("study", name, (*STUDIES, "list"))]
    folder = out or Path("runs/studies") / (f"{name}-quick" if quick else name)
    with progress_bar() as update:
        found = run_study(
            asked,
            folder,
            seeds=min(seeds, 2) if quick else seeds,
            quick=quick,
            jobs=jobs or torch.get_num_threads(),
            cache=cache,
            on_progress=update,
        )
    command = f"xhat study {name} --seeds {seeds}" + (" --quick" if quick else "")
    page = write_study(found, command=command)
    for claim, gap, said in found.claims():
        console.print(
            f"{said:13}  {claim.says}: {gap.mean:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
        )
    console.print(f"\n[bold]{found.answer.capitalize()}[/]: {asked.question}")
    console.print(f"Open {page}", markup=False)
