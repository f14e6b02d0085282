"""The commands over the front door: search, and judge what was found anywhere."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xhat.cli.app import Out, Seed, app
from xhat.cli.names import KNOWN_METHODS
from xhat.cli.shell import console, errors, progress_bar
from xhat.cli.stopping import Answer, Stopped, answering

if TYPE_CHECKING:
    from xhat.domain import Domain
    from xhat.door.judged import Judged
    from xhat.engine import Progress, Result

__all__ = ["audit_command", "optimize_command"]

Reference = Annotated[
    Path | None,
    typer.Option(
        help="Real samples: .npz, .npy, .csv, .parquet, a folder of PNG, a domain, or a task's.",
        rich_help_panel="What is real",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        help="Their classes: a column of --reference, or a file.", rich_help_panel="What is real"
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        help="image, field, signal or table. \\[default: as the data look]",
        rich_help_panel="What is real",
    ),
]
TruthName = Annotated[
    str | None,
    typer.Option(
        help="The ground truth, a function of one input, as module:f.",
        rich_help_panel="What is real",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="Class by number or name, classes (3,1,4), or .npy, also of distributions.",
        rich_help_panel="What is wanted",
    ),
]
Value = Annotated[
    float | None,
    typer.Option(help="This output, to --tolerance.", rich_help_panel="What is wanted"),
]
Tolerance = Annotated[
    float, typer.Option(help="For --value: how near is enough.", rich_help_panel="What is wanted")
]
Interval = Annotated[
    str | None, typer.Option(help="An output between: low,high.", rich_help_panel="What is wanted")
]
AtLeastValue = Annotated[
    float | None, typer.Option(help="An output of at least this.", rich_help_panel="What is wanted")
]
AtMostValue = Annotated[
    float | None, typer.Option(help="An output of at most this.", rich_help_panel="What is wanted")
]


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
    value: Value = None,
    tolerance: Tolerance = 1e-3,
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
    alpha: Annotated[float, typer.Option(help="Share of real samples that may be flagged.")] = 0.05,
    device: Annotated[str | None, typer.Option(help="Where the model is, such as cuda.")] = None,
    out: Out = Path("runs/optimize"),
    seed: Seed = 0,
) -> None:
    """Search inputs of your own model for what you want, and judge every one of them."""
    from xhat.core import claimed_folder

    wanted = _Wanted(target, value, tolerance, within, at_least, at_most, least=least, most=most)
    options: dict[str, Any] = {"confidence": confidence, "max_steps": max_steps, "seed": seed}
    options = {name: said for name, said in options.items() if said is not None}
    with claimed_folder(out):
        from xhat.cli.inputs import load_model
        from xhat.door.optimizing import choose, optimize
        from xhat.engine import Compute

        goal = wanted.goal()
        domain = domain_of(reference, labels, kind, bounds, fixed, seed, alpha)
        network, starts = load_model(model), samples_of(inputs, "the inputs", domain)
        limits = None if domain is not None or bounds is None else limits_of(bounds)
        if device is not None:
            options["compute"] = Compute(device=device)
        how = choose(method, starts, goal, domain, limits)
        with progress_bar() as update, answering() as asked:

            def report(progress: "Progress") -> None:
                update("candidates", progress.done, progress.total)

            if "on_progress" in how.options:
                options["on_progress"] = report
            found = optimize(
                network,
                starts,
                goal,
                domain=domain,
                method=how,
                constraints=[load_model(each) for each in constraint or ()],
                truth=None if truth is None else load_model(truth),
                limits=limits,
                alpha=alpha,
                on_training=update,
                **options,
            )
        page = _shown(replace(found, model=model), out)
    told = json.loads((out / "summary.json").read_text())
    console.print_json(json.dumps(told))
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
    value: Value = None,
    tolerance: Tolerance = 1e-3,
    within: Interval = None,
    at_least: AtLeastValue = None,
    at_most: AtMostValue = None,
    reference: Reference = None,
    labels: Labels = None,
    kind: Kind = None,
    truth: TruthName = None,
    alpha: Annotated[float, typer.Option(help="Share of real samples that may be flagged.")] = 0.05,
    out: Out = Path("runs/audit"),
    seed: Seed = 0,
) -> None:
    """Say of samples from any tool whether they can be believed."""
    from xhat.core import claimed_folder

    wanted = _Wanted(target, value, tolerance, within, at_least, at_most)
    with claimed_folder(out):
        from xhat.cli.inputs import load_model
        from xhat.domain.reading import as_starts, read_data
        from xhat.door.auditing import audit
        from xhat.judges import Outcome

        goal = wanted.goal() if wanted.said else None
        domain = domain_of(reference, labels, kind, None, None, seed, alpha)
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
                x0=starts,
                alpha=alpha,
                on_progress=update,
            )
        page = _shown(found, out)
    if found.verdicts is not None:
        for outcome, count in found.verdicts.counts().items():
            if count:
                console.print(f"{count:6d}  {outcome}: {Outcome(outcome).meaning}")
        if len(found) == 1:
            console.print(f"\n{found.verdicts[0].explain()}", markup=False)
    console.print(f"Open {page}", markup=False)


class _Wanted:
    """The options that say what is wanted; exactly one of them is given."""

    def __init__(
        self,
        target: str | None,
        value: float | None,
        tolerance: float,
        within: str | None,
        at_least: float | None,
        at_most: float | None,
        *,
        least: bool = False,
        most: bool = False,
    ) -> None:
        given = {
            "--target": target,
            "--value": value,
            "--within": within,
            "--at-least": at_least,
            "--at-most": at_most,
            "--least": least or None,
            "--most": most or None,
        }
        self.said = {name: said for name, said in given.items() if said is not None}
        self.tolerance = tolerance

    def goal(self) -> Any:
        """Return the goal, or the class as it was named.

        Raises:
            ValueError: none or several of them, or one that says nothing.
        """
        from xhat.objectives import goals

        if len(self.said) != 1:
            came = ", ".join(self.said) or "none"
            raise ValueError(
                f"give one of --target (classes), --value, --within, --at-least, --at-most, "
                f"--least or --most, but {came} came."
            )
        (name, said), *_ = self.said.items()
        if name == "--target":
            return _target(str(said))
        if name == "--value":
            return goals.Value(float(said), self.tolerance)  # pyright: ignore[reportArgumentType]
        if name == "--within":
            return goals.Within(*_two(str(said), "--within"))
        made = {"--at-least": goals.AtLeast, "--at-most": goals.AtMost}
        if name in made:
            return made[name](said)
        return goals.Least() if name == "--least" else goals.Most()


def domain_of(
    reference: Path | None,
    labels: str | None,
    kind: str | None,
    bounds: str | None,
    fixed: str | None,
    seed: int,
    alpha: float = 0.05,
) -> "Domain | None":
    """Return the domain that a command's options describe, or None.

    Raises:
        UnreadableFileError: files that cannot be read.
        ValueError: options that go with ``--reference`` without one.
    """
    from xhat.domain import Domain
    from xhat.domain.reading import read_data, read_labels
    from xhat.task import task, tasks

    if reference is not None and str(reference) in tasks():
        told = {"--labels": labels, "--kind": kind, "--bounds": bounds, "--fixed": fixed}
        for name, said in told.items():
            if said is not None:
                raise ValueError(f"{name} goes with real samples of your own; {reference} has its.")
        return task(str(reference)).domain(alpha)
    if reference is None:
        for name, said in {"--labels": labels, "--kind": kind, "--fixed": fixed}.items():
            if said is not None:
                raise ValueError(f"{name} goes with --reference, the real samples.")
        return None
    if reference.suffix == ".safetensors":
        return Domain.load(reference)
    of_file = labels is not None and Path(labels).suffix in (".npy", ".csv", ".parquet")
    data = read_data(reference, "the reference", None if of_file else labels)
    known = read_labels(labels) if of_file and labels is not None else data.labels
    if labels is not None and known is None:
        raise ValueError(
            f"--labels must be a column of a table, or a .npy, .csv or .parquet file, but is "
            f"{labels!r}."
        )
    return Domain(
        data.frame() if data.names else data.x,
        known,
        kind=kind,
        limits=None if bounds is None else limits_of(bounds),
        fixed=() if fixed is None else tuple(fixed.split(",")),
        name=reference.stem,
        seed=seed,
    )


def images_of(reference: Path, labels: str | None) -> "Domain":
    """Return the domain of images that a reference holds; what else it holds is refused."""
    kind = None if reference.suffix == ".safetensors" else "image"
    found = domain_of(reference, labels, kind, None, None, 0)
    assert found is not None  # noqa: S101 - there is a reference
    return found


def samples_of(path: Path, what: str, domain: "Domain | None") -> Any:
    """Return inputs of a model from a file, like the samples of a domain where there is one."""
    from xhat.domain.reading import read_data

    data = read_data(path, what)
    if data.names is None or domain is None or domain.names is None:
        import torch

        x = torch.from_numpy(data.x)
        return x.float() if x.is_floating_point() else x
    return domain.check_inputs(what, data.frame())


def limits_of(text: str) -> tuple[Any, Any]:
    """Return limits from ``low,high``, or from a file with a row of each.

    Raises:
        ValueError: neither.
    """
    from xhat.domain.reading import read_data

    if Path(text).suffix in (".npy", ".csv", ".parquet"):
        import torch

        rows = torch.from_numpy(read_data(text, "the bounds").x).float()
        if len(rows) != 2:
            raise ValueError(f"{text} must hold two rows, the lower and the upper ends.")
        return rows[0], rows[1]
    return _two(text, "--bounds")


def _target(text: str) -> Any:
    import torch

    from xhat.cli.inputs import read_targets

    words = text.split(",")
    if text.endswith(".npy") or all(word.strip().lstrip("-").isdigit() for word in words):
        found = read_targets(text)
        whole = found.dtype == torch.int64 and found.ndim == 1 and found.numel() == 1
        return int(found) if whole else found
    return words[0] if len(words) == 1 else words


def _two(text: str, name: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{name} must be low,high, such as 0,1, but is {text!r}.") from error
    return low, high


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
