"""The command that trains, for a task or samples of one's own; and where studies went."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xhat.cli.app import ANYTHING, Out, app
from xhat.cli.names import DEFAULT_TASK, EMBEDDINGS
from xhat.cli.options import Kind, Labels, Reference
from xhat.cli.shell import console, progress_bar
from xhat.cli.wanted import domain_of, samples_of

if TYPE_CHECKING:
    from xhat.task import Trained

__all__ = ["study_command", "train_command", "tune_command"]


@app.command(
    name="train",
    epilog="Example: xhat train --reference train.csv --recipe robust+outliers --report",
)
def train_command(
    task: Annotated[
        str | None, typer.Argument(help="Whose networks; see xhat info. None with --reference.")
    ] = None,
    reference: Reference = None,
    labels: Labels = None,
    kind: Kind = None,
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
            help="Distributions instead of labels: a .npy file (n, classes), or for digits the "
            "labels.parquet of xhat label export."
        ),
    ] = None,
    outliers: Annotated[
        Path | None,
        typer.Option(help="For --reference: samples of no class, for recipes with outliers."),
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
    """Train a surrogate of your own data or of a task, by a recipe; or an embedding of a task."""
    from xhat.core import claimed_folder

    if (task is None) == (reference is None):
        raise ValueError(
            "say what to train on: the name of a task (xhat info lists them), or samples of your "
            "own as --reference; one of the two."
        )
    given: dict[str, Any] = {
        "embedding": embedding,
        "latent": latent,
        "beta": beta,
        "targets": targets,
        "outliers": outliers,
        "labels": labels,
        "kind": kind,
        "report": report or None,
        "autoattack": autoattack if report and task is not None else None,
        "device": device if device != "cpu" else None,
        "precision": precision if precision != "auto" else None,
        "epochs": epochs,
        "limit": limit,
        "seed": seed,
    }
    given = {name: value for name, value in given.items() if value is not None}
    with claimed_folder(out):
        if reference is not None:
            trained = _train_own(reference, recipe or "plain", out, given)
        else:
            trained = _train_task(str(task), recipe, out, given)
    console.print_json(json.dumps(trained.card.metrics))
    console.print(f"Wrote {out / trained.card.name}.safetensors", markup=False)
    if trained.page is not None:
        console.print(f"Open {trained.page}", markup=False)
    if reference is not None:
        console.print(_how_to_search(trained, out, reference, labels), markup=False)


def _how_to_search(trained: "Trained", out: Path, reference: Path, labels: str | None) -> str:
    """Return the command that searches what was trained, but for starts and target."""
    sure = trained.card.metrics["typical confidence"]  # a soft surrogate is never very sure
    return (
        f"Search it: xhat optimize --model {out / trained.card.name}.safetensors "
        f"--reference {reference}{'' if labels is None else f' --labels {labels}'}"
        f"{'' if sure >= _USUAL else f' --confidence {sure:.2f}'} …"
    )


def _train_task(task: str, recipe: str | None, out: Path, given: dict[str, Any]) -> "Trained":
    from xhat.task import task as find

    found = find(task)
    for option in _OWN:
        if option in given:
            raise ValueError(f"--{option} goes with --reference, samples of your own.")
    if found.train_options:  # a task without says so itself
        _check_options(task, given, found.train_options)
    if "targets" in given and given["targets"].suffix != ".parquet":
        from xhat.cli.inputs import read_array

        given["targets"] = read_array(given["targets"], "the targets")
    with progress_bar() as update:
        return found.train(
            out,
            recipe,
            on_progress=lambda stage: update(stage.name, stage.done, stage.total),
            options=given,
        )


def _train_own(reference: Path, recipe: str, out: Path, given: dict[str, Any]) -> "Trained":
    from xhat.cli.inputs import read_array
    from xhat.training import train

    for option in _OF_TASKS:
        if option in given:
            raise ValueError(
                f"--{option} is for tasks such as {DEFAULT_TASK}, not for --reference."
            )
    command = f"xhat train --reference {reference} --recipe {recipe}" + "".join(
        f" --{name}" if value is True else f" --{name} {value}" for name, value in given.items()
    )
    labels, kind = given.pop("labels", None), given.pop("kind", None)
    domain = domain_of(reference, labels, kind, None, None, 0)
    if "targets" in given:
        given["targets"] = read_array(given["targets"], "the targets")
    if "outliers" in given:
        given["outliers"] = samples_of(given["outliers"], "the outliers", domain)
    with progress_bar() as update:
        return train(domain, recipe, out=out, command=command, on_progress=update, **given)  # pyright: ignore[reportArgumentType]


_USUAL = 0.95  # the confidence at which a search ends where none is asked for
_OWN = ("labels", "kind", "outliers")
_OF_TASKS = ("embedding", "latent", "beta", "limit")


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
