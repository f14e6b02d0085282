"""The command line of the studies: ``python -m studies NAME``, in a clone of the repository.

``list`` shows all of them; ``tune latent`` looks for the best latent space.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from xhat.cli.options import Address, Backend, WorkerCount, workers_of
from xhat.cli.shell import console, progress_bar, run
from xhat.cli.stopping import SAID, Stopped, stoppable

__all__ = ["main", "study", "tune"]

COMMAND = "python -m studies"


def study(
    name: Annotated[str, typer.Argument(help="A study, or list; or tune latent.")],
    seeds: Annotated[int, typer.Option(help="How many; more may be added later.")] = 5,
    quick: Annotated[
        bool, typer.Option("--quick", help="As little as shows that everything works.")
    ] = False,
    backend: Backend = None,
    address: Address = None,
    workers: WorkerCount = None,
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
    from studies import STUDIES, run_study, with_labels, write_study
    from xhat.core import check_choice, claimed_folder

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
    command = f"{COMMAND} {name} --seeds {seeds}" + (" --quick" if quick else "")
    command += f" --targets {targets}" if targets is not None else ""
    folder = out or Path("runs/studies") / f"{name}{ending}"
    with claimed_folder(folder), claimed_folder(cache, alone=False), progress_bar() as update:
        found = run_study(
            asked,
            folder,
            seeds=min(seeds, 2) if quick else seeds,
            quick=quick,
            workers=workers_of(backend or "processes", address, workers),
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


def tune(
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
    from studies.runner.trials import write_trials
    from studies.tuning import tune_latent
    from xhat.core import check_choice, check_count, claimed_folder
    from xhat_zoo.digits.judging import digits_judge

    check_choice("what", what, ("latent",))
    check_count("trials", trials)
    command = f"{COMMAND} tune {what} --trials {trials} --seed {seed}"
    command += " --quick" if quick else ""
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


def main() -> None:
    """Run the command line; ``tune`` is a command of its own, every other word names a study."""
    tuning = sys.argv[1:2] == ["tune"]
    if tuning:
        del sys.argv[1]
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command()(tune if tuning else study)
    try:
        with stoppable():
            run(app, f"{COMMAND} tune" if tuning else COMMAND)
    except Stopped as stopped:
        sys.stderr.write(f"{SAID}\n")
        sys.exit(stopped.code)


if __name__ == "__main__":
    main()
