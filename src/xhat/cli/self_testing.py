"""``xhat self-test``: how far verdicts can be trusted, on anybody's data or a task's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xhat.cli.app import Out, Seed, app
from xhat.cli.names import DEFAULT_TASK, HALVES
from xhat.cli.options import Beta, Kind, Labels, Reference, Values
from xhat.cli.shell import console, errors, progress_bar
from xhat.cli.wanted import domain_of, samples_of

if TYPE_CHECKING:
    from xhat.domain import Domain, SelfTest

__all__ = ["self_test_command"]

_SAMPLES = 200
_TASKS, _REAL = "A task's own controls", "What is real"


@app.command(name="self-test", epilog="Example: xhat self-test --reference train.npz --n 100")
def self_test_command(
    task: Annotated[
        str | None,
        typer.Argument(help=f"A task, instead of --reference. \\[default: {DEFAULT_TASK}]"),
    ] = None,
    reference: Reference = None,
    labels: Labels = None,
    values: Values = None,
    kind: Kind = None,
    foreign: Annotated[
        list[Path] | None,
        typer.Option(
            help="Data from elsewhere, like the inputs. Repeatable.", rich_help_panel=_REAL
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="To be attacked, too, as package.module:attribute.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Share of real samples that may be flagged.")] = 0.05,
    beta: Beta = None,
    n: Annotated[
        int | None,
        typer.Option(help=f"Samples of each control. \\[default: {_SAMPLES}; of a task 300]"),
    ] = None,
    half: Annotated[
        str | None,
        typer.Option(
            help=f"{' or '.join(HALVES)}. \\[default: {HALVES[-1]}]", rich_help_panel=_TASKS
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Other judges' weights.", rich_help_panel=_TASKS)
    ] = None,
    out: Out = Path("runs/selftest"),
    seed: Seed = 0,
) -> None:
    """Judge samples whose right verdict is known: how far can verdicts be trusted?"""
    from xhat.core import claimed_folder

    own = {"--labels": labels, "--values": values, "--kind": kind}
    own |= {"--foreign": foreign or None, "--model": model}
    tasks = {"TASK": task, "--half": half, "--weights": weights}
    given = {name for name, said in (tasks if reference is not None else own).items() if said}
    if given:
        other = "a task's own controls, not with --reference" if reference else "--reference"
        raise ValueError(f"{', '.join(sorted(given))} goes with {other}.")
    with claimed_folder(out):
        if reference is None:
            told = {"alpha": alpha, "beta": beta, "n": n, "half": half}
            told |= {"weights": weights, "seed": seed}
            _of_task(task or DEFAULT_TASK, out, told)
            return
        from xhat.cli.inputs import load_model

        domain = domain_of(reference, labels, kind, None, None, seed, alpha, values)
        assert domain is not None  # noqa: S101 - there is a reference
        elsewhere = {
            path.stem: samples_of(path, "the foreign data", domain) for path in foreign or ()
        }
        with progress_bar() as update:
            found = domain.self_test(
                foreign=elsewhere or None,
                model=None if model is None else load_model(model),
                alpha=alpha,
                beta=beta,
                seed=seed,
                on_progress=update,
                n=_SAMPLES if n is None else n,
            )
        page = _written(domain, found, out)
    console.print(_table(found))
    console.print(f"{found.line[0].upper()}{found.line[1:]}.", markup=False)
    for remark in filter(None, (found.doubt, *found.remarks)):
        console.print(f"- {remark}", markup=False)
    if not domain.given:
        kept = out / "domain.safetensors"
        console.print(f"Verdicts that show this: xhat audit --reference {kept} …", markup=False)
    console.print(f"Open {page}", markup=False)


def _of_task(name: str, out: Path, options: dict[str, Any]) -> None:
    """Let a task test its judge by its own controls."""
    from xhat.task import task as find

    found = find(name)
    said = {option: value for option, value in options.items() if value is not None}
    with progress_bar() as update:
        shown = found.self_test(
            out,
            on_progress=lambda stage: update(stage.name, stage.done, stage.total),
            options=said,
        )
    console.print(shown.said)
    console.print(f"Open {shown.page}", markup=False)


def _written(domain: "Domain", found: "SelfTest", out: Path) -> Path:
    """Write page and numbers, and the domain with its judge, so that verdicts know of the test."""
    import json

    from xhat.core import MissingExtraError, atomic_write

    if not domain.given:
        domain.save(out / "domain.safetensors")
    try:
        from xhat.report import write_self_test

        return write_self_test(found, out, about=repr(domain))
    except MissingExtraError as missing:
        errors.print(f"There is no page: {missing}", markup=False)
        with atomic_write(out / "selftest.json") as temporary:
            temporary.write_text(json.dumps(found.to_dict(), indent=1) + "\n")
        return out / "selftest.json"


def _table(found: "SelfTest") -> Any:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for k, heading in enumerate(found.columns):
        left = k in (0, len(found.columns) - 1)
        table.add_column(heading, no_wrap=k == 0, justify="left" if left else "right")
    for row in found.table():
        table.add_row(*row)
    return table
