"""The commands over the front door: search, and judge what was found anywhere."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xhat.cli.app import Out, Seed, app
from xhat.cli.names import KNOWN_METHODS
from xhat.cli.options import (
    Address,
    AtLeastValue,
    AtMostValue,
    Backend,
    Beta,
    Column,
    Interval,
    Kind,
    Labels,
    Reference,
    Target,
    Tolerance,
    TruthName,
    Value,
    Values,
    WantedLabels,
    WorkerCount,
    workers_of,
)
from xhat.cli.shell import console, errors, progress_bar
from xhat.cli.stopping import Answer, Stopped, answering
from xhat.cli.wanted import Wanted, domain_of, limits_of, samples_of

if TYPE_CHECKING:
    from xhat.door.judged import Judged
    from xhat.engine import Progress, Result

__all__ = ["audit_command", "optimize_command"]

_LISTED = 20  # numbers of samples that are printed


@app.command(
    name="optimize",
    epilog="Example: xhat optimize --model nets:f --inputs x.npy --target 3 --reference train.npz",
)
def optimize_command(
    model: Annotated[
        str, typer.Option(help="As package.module:attribute, or weights.safetensors of xhat train.")
    ],
    inputs: Annotated[
        Path, typer.Option(help="Starts: .npy, .npz, .csv, .parquet or a folder of PNG.")
    ],
    target: Target = None,
    wanted_labels: WantedLabels = None,
    value: Value = None,
    tolerance: Tolerance = "0.001",
    column: Column = None,
    within: Interval = None,
    at_least: AtLeastValue = None,
    at_most: AtMostValue = None,
    least: Annotated[
        bool, typer.Option("--least", help="As low as can be.", rich_help_panel="What is wanted")
    ] = False,
    most: Annotated[
        bool, typer.Option("--most", help="As high as can be.", rich_help_panel="What is wanted")
    ] = False,
    reference: Reference = None,
    labels: Labels = None,
    values: Values = None,
    kind: Kind = None,
    truth: TruthName = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(help="What must hold (<= 0), as module:g; may be given several times."),
    ] = None,
    bounds: Annotated[
        str | None,
        typer.Option(help="Limits: low,high for all features, or a file with two rows."),
    ] = None,
    fixed: Annotated[str | None, typer.Option(help="Columns that must not change: a,b,c.")] = None,
    method: Annotated[
        str | None, typer.Option(help=f"Of {', '.join(KNOWN_METHODS)}. \\[default: the best one]")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="At which a search ends. \\[default: 0.95]")
    ] = None,
    max_steps: Annotated[int | None, typer.Option(help="Step budget of a candidate.")] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="How often a model without gradients may be asked.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Share of real samples that may be flagged.")] = 0.05,
    beta: Beta = None,
    device: Annotated[str | None, typer.Option(help="Where the model is, such as cuda.")] = None,
    backend: Backend = None,
    address: Address = None,
    workers: WorkerCount = None,
    parts: Annotated[
        str | None,
        typer.Option(
            help="Folder or URL where finished shards are kept, so that the same command goes on "
            "where it stopped.",
            rich_help_panel="Where to compute",
        ),
    ] = None,
    out: Out = Path("runs/optimize"),
    seed: Seed = 0,
) -> None:
    """Search inputs of your own model for what you want, and judge every one of them."""
    from xhat.core import claimed_folder

    said = {"--target": target, "--wanted-labels": wanted_labels, "--value": value}
    said |= {"--within": within, "--at-least": at_least, "--at-most": at_most}
    wanted = Wanted(said | {"--least": least, "--most": most}, tolerance, column)
    options: dict[str, Any] = {
        "confidence": confidence, "max_steps": max_steps, "seed": seed, "evaluations": evaluations,
    }  # fmt: skip
    options = {name: said for name, said in options.items() if said is not None}
    there = workers_of(backend, address, workers)
    with claimed_folder(out):
        from xhat.cli.inputs import load_model
        from xhat.door.optimizing import optimize
        from xhat.engine import Compute

        goal = wanted.goal()
        domain = domain_of(reference, labels, kind, bounds, fixed, seed, alpha, values)
        network, starts = load_model(model), samples_of(inputs, "the inputs", domain)
        limits = None if domain is not None or bounds is None else limits_of(bounds)
        if device is not None:
            options["compute"] = Compute(device=device)
        with progress_bar() as update, answering() as asked:

            def report(progress: "Progress") -> None:
                update("candidates", progress.done, progress.total)

            found = optimize(
                network,
                starts,
                goal,
                domain=domain,
                method=method,
                constraints=[load_model(each) for each in constraint or ()],
                truth=None if truth is None else load_model(truth),
                limits=limits,
                alpha=alpha,
                beta=beta,
                on_training=update,
                on_progress=report,
                workers=there,
                parts=parts,
                **options,
            )
        page = _shown(replace(found, model=model), out)
    told = json.loads((out / "summary.json").read_text())
    console.print_json(json.dumps(told))
    _say_worth(found)
    table = out / "results.parquet" if page.suffix == ".html" else page
    console.print(f"Wrote {table}", markup=False)
    if page.suffix == ".html" or told["picture"]:
        console.print(
            f"Open {page if page.suffix == '.html' else out / told['picture']}", markup=False
        )
    _say_unfinished(found, asked)


@app.command(
    name="audit",
    epilog="Example: xhat audit --inputs designs.csv --target 2 --reference train.csv",
)
def audit_command(
    inputs: Annotated[
        Path, typer.Option(help="Samples: .npy, .npz, .csv, .parquet or a folder of PNG.")
    ],
    model: Annotated[
        str | None, typer.Option(help="The model they were found with, as module:attribute.")
    ] = None,
    target: Target = None,
    wanted_labels: WantedLabels = None,
    value: Value = None,
    tolerance: Tolerance = "0.001",
    column: Column = None,
    within: Interval = None,
    at_least: AtLeastValue = None,
    at_most: AtMostValue = None,
    reference: Reference = None,
    labels: Labels = None,
    values: Values = None,
    kind: Kind = None,
    truth: TruthName = None,
    budget: Annotated[
        int | None,
        typer.Option(
            help="Of how many samples, taken at random, --truth is asked. \\[default: all]",
            rich_help_panel="What is real",
        ),
    ] = None,
    fdr: Annotated[
        float, typer.Option(help="Share of false ones expected among those to believe, at most.")
    ] = 0.1,
    alpha: Annotated[float, typer.Option(help="Share of real samples that may be flagged.")] = 0.05,
    beta: Beta = None,
    backend: Backend = None,
    address: Address = None,
    workers: WorkerCount = None,
    out: Out = Path("runs/audit"),
    seed: Seed = 0,
) -> None:
    """Say of samples from any tool whether they can be believed, and which to simulate next."""
    from xhat.core import claimed_folder

    said = {"--target": target, "--wanted-labels": wanted_labels, "--value": value}
    said |= {"--within": within, "--at-least": at_least, "--at-most": at_most}
    wanted, there = Wanted(said, tolerance, column), workers_of(backend, address, workers)
    with claimed_folder(out):
        from xhat.cli.inputs import load_model
        from xhat.domain.reading import as_starts, read_data
        from xhat.door.auditing import audit

        goal = wanted.goal() if wanted.said else None
        domain = domain_of(reference, labels, kind, None, None, seed, alpha, values)
        samples = samples_of(inputs, "the samples", domain)
        results = inputs.suffix in (".parquet", ".npz")
        starts = as_starts(read_data(inputs, "the samples")) if results else None
        with progress_bar() as update:
            found = audit(
                None if model is None else load_model(model),
                samples,
                goal,
                domain=domain,
                truth=None if truth is None else load_model(truth),
                budget=budget,
                fdr=fdr,
                seed=seed,
                x0=starts,
                alpha=alpha,
                beta=beta,
                on_progress=update,
                workers=there,
            )
        page = _shown(found, out)
    if found.shifted:
        console.print(f"{found.shifted}\n", markup=False)
    if found.verdicts is not None:
        for outcome, count in found.verdicts.counts().items():
            if count:
                told = found.word(outcome) if outcome == "genuine" else outcome
                console.print(f"{count:6d}  {told}: {found.meaning(outcome)}")
        if len(found) == 1:
            console.print(f"\n{found.verdicts[0].explain()}", markup=False)
        _say_worth(found)
    _say_selected(found)
    console.print(f"Open {page}", markup=False)


def _say_selected(found: "Judged") -> None:
    """Say which samples to believe, and which to simulate next."""
    if found.selection is None:
        return
    console.print(f"\n{found.selection.summary()}.".capitalize(), markup=False)
    rows = {"Believe": found.trusted.nonzero()[:, 0]}
    if found.selection.by_truth:
        rows["Simulate next"] = found.next
    for what, numbers in rows.items():
        listed = ", ".join(map(str, numbers[:_LISTED].tolist())) or "none"
        more = f", … ({len(numbers)} in all)" if len(numbers) > _LISTED else ""
        console.print(f"{what}: {listed}{more}", markup=False)
    for note in found.notes:
        console.print(f"Note: {note}.", markup=False)


def _say_worth(found: "Judged") -> None:
    """Say what verdicts are worth on these data, and what to do where nobody knows."""
    if not (worth := found.worth()):
        return
    if found.self_tested is None:
        worth = "not self-tested on these data: run xhat self-test --reference …"
    console.print(f"{worth[0].upper()}{worth[1:]}.", markup=False)
    if found.self_tested is not None and found.self_tested.doubt:
        console.print(found.self_tested.doubt, markup=False)


def _shown(found: "Judged", out: Path) -> Path:
    """Return the page of what was found; without what draws it the table, and say so."""
    from xhat.core import MissingExtraError

    try:
        return found.report(out)
    except MissingExtraError as missing:
        errors.print(f"There is no page: {missing}", markup=False)
        return found.write(out)


def _say_unfinished(result: "Result", asked: Answer) -> None:
    """Say of a search that was cut short what there is of it, and end with the code for that."""
    from xhat.engine import Status

    pairs = zip(result.status, result.sentences, strict=True)
    failed = [said for status, said in pairs if status is Status.FAILED]
    if failed:
        errors.print(
            f"Of {len(result)} candidates {len(failed)} could not be finished: {failed[0]}.",
            markup=False,
        )
    unfinished = result.status.count(Status.INTERRUPTED)
    if unfinished:
        errors.print(
            f"Interrupted with {len(result) - unfinished} of {len(result)} candidates finished; "
            f"the best so far was written for the others."
        )
        raise Stopped(asked.number or signal.SIGINT, said=True)
