"""The commands that train surrogates and run studies."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from xhat.cli.app import Out, app
from xhat.cli.names import EMBEDDINGS
from xhat.cli.shell import console, progress_bar

if TYPE_CHECKING:
    from torch import Tensor

    from xhat.learning import Card, EpochRecord
    from xhat.study.training import Precision

__all__ = ["study_command", "train_command", "tune_command"]


@app.command(
    name="train",
    epilog="Example: xhat train digits --recipe robust+outliers --report --out runs/weights",
)
def train_command(
    task: Annotated[str, typer.Argument(help="Whose data to train on: digits or shapes.")],
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

    given = {"seed": seed, "epochs": epochs, "limit": limit}
    if task == "shapes":
        _refuse_with_shapes(embedding, latent, beta, targets, report, device, precision)
        with claimed_folder(out):
            _train_shape(recipe or "torus", out, **given)
        return
    if embedding is not None:
        _refuse_with_embedding(recipe, targets, report, device, precision)
        with claimed_folder(out):
            _train_embedding(task, embedding, out, latent, beta, **given)
        return
    for name, value in {"--latent": latent, "--beta": beta}.items():
        if value is not None:
            raise ValueError(
                f"{name} goes with --embedding, such as --embedding beta-vae {name} {value:g}."
            )
    measured = autoattack if report else None
    with claimed_folder(out):
        _train(task, recipe or "plain", out, targets, measured, device, precision, **given)


def _train(
    task: str,
    recipe: str,
    out: Path,
    targets: Path | None,
    autoattack: int | None,
    device: str,
    precision: str,
    *,
    limit: int | None,
    **given: int | None,
) -> None:
    """Train a surrogate; with a number for ``autoattack``, measure it and write its page."""
    from xhat.learning import load_checkpoint
    from xhat.study.appraisal import QUICK
    from xhat.study.inputs import read_array
    from xhat.study.model_report import report_model, write_report
    from xhat.study.recipes import recipe as known_recipe
    from xhat.study.training import train

    if autoattack is not None and autoattack < 0:
        raise ValueError(f"--autoattack must be 0 or more, but is {autoattack}.")
    if autoattack is not None and known_recipe(recipe).kind != "surrogate":
        raise ValueError(f"--report measures surrogates, but {recipe} is another kind of model.")
    wanted: Tensor | Path | None = targets
    if targets is not None and targets.suffix != ".parquet":
        wanted = read_array(targets, "the targets")
    with progress_bar() as update:
        card = train(
            task,
            recipe,
            out=out,
            limit=limit,
            targets=wanted,
            device=device,
            precision=cast("Precision", precision),
            progress=lambda record: update(recipe, record.epoch, record.epochs),
            **given,
        )
        page = None
        if autoattack is not None:
            model, _ = load_checkpoint(out, card.name)
            scope = None if limit is None else QUICK
            measured = report_model(
                model, card, scope=scope, autoattack=autoattack, on_progress=update
            )
            page = write_report(measured, out)
    _say_trained(card, out)
    if page is not None:
        console.print(f"Open {page}", markup=False)


def _say_trained(card: "Card", out: Path) -> None:
    console.print_json(json.dumps(card.metrics))
    console.print(f"Wrote {out / card.name}.safetensors", markup=False)


def _refuse_with_shapes(
    embedding: str | None,
    latent: int | None,
    beta: float | None,
    targets: Path | None,
    report: bool,
    device: str,
    precision: str,
) -> None:
    """Raise unless all that is given goes with the task shapes."""
    given = {
        "--embedding": embedding is not None,
        "--latent": latent is not None,
        "--beta": beta is not None,
        "--targets": targets is not None,
        "--report": report,
        "--device": device != "cpu",
        "--precision": precision != "auto",
    }
    for option, is_given in given.items():
        if is_given:
            raise ValueError(f"{option} is for the task digits, not for shapes.")


def _train_shape(
    name: str, out: Path, *, seed: int | None, epochs: int | None, limit: int | None
) -> None:
    from xhat.study.shapes import train_shape

    with progress_bar() as update:

        def say(record: "EpochRecord") -> None:
            update(name, record.epoch, record.epochs)

        options: dict[str, Any] = {} if seed is None else {"seed": seed}
        card = train_shape(name, out=out, epochs=epochs, points=limit, progress=say, **options)
    _say_trained(card, out)


def _refuse_with_embedding(
    recipe: str | None, targets: Path | None, report: bool, device: str, precision: str
) -> None:
    """Raise unless all that is given goes with an embedding."""
    given = {
        "--recipe": recipe is not None,
        "--targets": targets is not None,
        "--report": report,
        "--device": device != "cpu",
        "--precision": precision != "auto",
    }
    for name, there in given.items():
        if there:
            raise ValueError(
                f"{name} does not go with --embedding, which is trained in a way of its own; leave "
                f"one of them out."
            )


def _train_embedding(
    task: str,
    name: str,
    out: Path,
    latent: int | None,
    beta: float | None,
    *,
    seed: int | None,
    epochs: int | None,
    limit: int | None,
) -> None:
    from xhat.study.embedding import train_digits_embedding

    options: dict[str, Any] = {"latent": latent, "beta": beta, "epochs": epochs, "limit": limit}
    with progress_bar() as update:

        def say(record: "EpochRecord") -> None:
            update(name, record.epoch, record.epochs)

        card = train_digits_embedding(
            task, name, out=out, seed=1 if seed is None else seed, progress=say, **options
        )
    _say_trained(card, out)


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
    targets: Annotated[
        Path | None,
        typer.Option(help="For soft-labels: an arm with the labels.parquet of xhat label export."),
    ] = None,
) -> None:
    """Answer a question by experiments over seeds; the same command goes on where it stopped."""
    import torch

    from xhat.core import check_choice, claimed_folder
    from xhat.study.experiments import STUDIES, run_study, with_labels, write_study

    if name == "list":
        for known in STUDIES.values():
            console.print(f"[bold]{known.name}[/]  {known.question}")
        return
    asked = STUDIES[check_choice("study", name, (*STUDIES, "list"))]
    if targets is not None:
        if name != "soft-labels":
            raise ValueError(f"--targets is for the study soft-labels, not for {name}.")
        asked = with_labels(targets)
    ending = ("-labels" if targets is not None else "") + ("-quick" if quick else "")
    command = f"xhat study {name} --seeds {seeds}" + (" --quick" if quick else "")
    command += f" --targets {targets}" if targets is not None else ""
    folder = out or Path("runs/studies") / f"{name}{ending}"
    with claimed_folder(folder), claimed_folder(cache, alone=False), progress_bar() as update:
        found = run_study(
            asked,
            folder,
            seeds=min(seeds, 2) if quick else seeds,
            quick=quick,
            jobs=torch.get_num_threads() if jobs is None else jobs,
            cache=cache,
            on_progress=update,
        )
        page = write_study(found, command=command)
    for claim, gap, said in found.claims():
        console.print(
            f"{said:13}  {claim.says}: {gap.mean:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
        )
    console.print(f"\n[bold]{found.answer.capitalize()}[/]: {asked.question}")
    console.print(f"Open {page}", markup=False)


@app.command(name="tune", epilog="Example: xhat tune latent --trials 12 --out runs/tune")
def tune_command(
    what: Annotated[str, typer.Argument(help="What to look for: latent.")],
    trials: Annotated[int, typer.Option(help="How many in the end; more may be added.")] = 12,
    quick: Annotated[
        bool, typer.Option("--quick", help="As little as shows that everything works.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("runs/tune"),
    cache: Annotated[Path, typer.Option(help="Where trained autoencoders are kept.")] = Path(
        "runs/surrogates"
    ),
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
) -> None:
    """Look for the best size and beta of a latent space; the same command goes on where it was."""
    from xhat.core import check_choice, check_count, claimed_folder
    from xhat.study.experiments.trials import write_trials
    from xhat.study.experiments.tuning import tune_latent
    from xhat.study.judging import digits_judge

    check_choice("what", what, ("latent",))
    check_count("trials", trials)
    command = f"xhat tune {what} --trials {trials} --seed {seed}" + (" --quick" if quick else "")
    with claimed_folder(out), claimed_folder(cache, alone=False), progress_bar() as update:
        update("judges", 0, 1)
        judge = digits_judge()
        update("judges", 1, 1)
        found = tune_latent(
            out, judge, trials=trials, seed=seed, quick=quick, cache=cache, on_progress=update
        )
        document = write_trials(found, out, command=command)
    for k, each in enumerate(found):
        console.print(f"{k:3}  latent {each.latent:2}  beta {each.beta:<4g}  {each.score:+.3f}")
    best = max(found, key=lambda each: each.score)
    console.print(
        f"Best of {len(found)}: latent {best.latent}, beta {best.beta:g}, score {best.score:+.3f}."
    )
    console.print(f"Wrote {document}", markup=False)
