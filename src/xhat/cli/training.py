"""The command that trains networks of a task, and where studies went."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from xhat.cli.app import ANYTHING, Out, app
from xhat.cli.names import DEFAULT_TASK, EMBEDDINGS
from xhat.cli.shell import console, progress_bar

__all__ = ["study_command", "train_command", "tune_command"]


@app.command(
    name="train",
    epilog="Example: xhat train digits --recipe robust+outliers --report --out runs/weights",
)
def train_command(
    task: Annotated[str, typer.Argument(help="Whose networks; see xhat info.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Parts joined by +, or a shipped model; see xhat info. \\[default: plain]"
        ),
    ] = None,
    embedding: Annotated[
        str | None, typer.Option(help=f"Instead of a recipe: {', '.join(EMBEDDINGS)}.")
    ] = None,
    latent: Annotated[
        int | None, typer.Option(help="For --embedding: the number of latent values.")
    ] = None,
    beta: Annotated[
        float | None, typer.Option(help="For --embedding beta-vae: weight of the divergence.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's own.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use only so many samples.")] = None,
    targets: Annotated[
        Path | None,
        typer.Option(
            help="Distributions instead of labels: a .npy file (n, 10), or the labels.parquet of "
            "xhat label export."
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Measure everything, and write a page with figures.")
    ] = False,
    autoattack: Annotated[
        int, typer.Option(help="For --report: images that AutoAttack is run on; 0 for none.")
    ] = 100,
    device: Annotated[str, typer.Option(help="Where to train, such as cuda.")] = "cpu",
    precision: Annotated[
        str,
        typer.Option(
            help="auto, float32 or bfloat16; auto is what a surrogate is trained in fastest."
        ),
    ] = "auto",
    out: Out = Path("runs/weights"),
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's own.")] = None,
) -> None:
    """Train a surrogate by a recipe, an embedding, or a shipped model again."""
    from xhat.core import claimed_folder
    from xhat.task import task as find

    found = find(task)
    given: dict[str, Any] = {
        "embedding": embedding,
        "latent": latent,
        "beta": beta,
        "targets": targets,
        "report": report or None,
        "autoattack": autoattack if report else None,
        "device": device if device != "cpu" else None,
        "precision": precision if precision != "auto" else None,
        "epochs": epochs,
        "limit": limit,
        "seed": seed,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if found.train_options:  # a task without says so itself
        _check_options(task, given, found.train_options)
    with claimed_folder(out):
        if targets is not None and targets.suffix != ".parquet":
            from xhat.cli.inputs import read_array

            given["targets"] = read_array(targets, "the targets")
        with progress_bar() as update:
            trained = found.train(
                out,
                recipe,
                on_progress=lambda stage: update(stage.name, stage.done, stage.total),
                options=given,
            )
    console.print_json(json.dumps(trained.card.metrics))
    console.print(f"Wrote {out / trained.card.name}.safetensors", markup=False)
    if trained.page is not None:
        console.print(f"Open {trained.page}", markup=False)


def _check_options(name: str, given: dict[str, Any], known: tuple[str, ...]) -> None:
    for option in given:
        if option not in known:
            raise ValueError(f"--{option} is for the task {DEFAULT_TASK}, not for {name}.")


@app.command(name="study", hidden=True, context_settings=ANYTHING)
def study_command() -> None:
    """Say where the studies went."""
    raise ValueError(_where("soft-labels"))


@app.command(name="tune", hidden=True, context_settings=ANYTHING)
def tune_command() -> None:
    """Say where the tuning went."""
    raise ValueError(_where("tune latent"))


def _where(example: str) -> str:
    return (
        f"the studies are no part of the installed library: in a clone of the repository say "
        f"`python -m studies {example}`, or `python -m studies list` for all of them."
    )
