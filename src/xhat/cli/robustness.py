"""``xhat robustness``: how much change a classifier withstands."""

from pathlib import Path
from typing import Annotated

import typer

from xhat.cli.app import Out, Seed, app
from xhat.cli.shell import console, errors, progress_bar

__all__ = ["robustness_command"]


@app.command(
    name="robustness",
    epilog="Example: xhat robustness --model nets:f --inputs test.npz --norm linf --norm l2",
)
def robustness_command(
    model: Annotated[
        str, typer.Option(help="As package.module:attribute, or weights.safetensors of xhat train.")
    ],
    inputs: Annotated[
        Path, typer.Option(help="Inputs: .npy, .npz, .csv, .parquet or a folder of PNG.")
    ],
    labels: Annotated[
        str | None,
        typer.Option(help="Right classes: a column of --inputs, or a file. \\[default: its own]"),
    ] = None,
    norm: Annotated[
        list[str] | None,
        typer.Option(help="linf, l2, l1 or l0. Repeatable. \\[default: linf and l2]"),
    ] = None,
    radii: Annotated[
        str | None, typer.Option(help="Such as 0.1,0.2,0.3. \\[default: by the minimum norms]")
    ] = None,
    attack: Annotated[str, typer.Option(help="Budget: quick, standard or thorough.")] = "standard",
    bounds: Annotated[
        str | None,
        typer.Option(help="Limits: low,high for all features, or a file with two rows."),
    ] = None,
    n: Annotated[int | None, typer.Option(help="The first so many inputs only.")] = None,
    device: Annotated[str | None, typer.Option(help="Where the model is, such as cuda.")] = None,
    precision: Annotated[
        str, typer.Option(help="float32, float64 or bfloat16, of the search.")
    ] = "float32",
    out: Out = Path("runs/robustness"),
    seed: Seed = 0,
) -> None:
    """Attack your own classifier: robust accuracy over radii, and the smallest changes."""
    from xhat.core import MissingExtraError, check_count, claimed_folder

    if n is not None:
        check_count("--n", n)
    wanted = None if radii is None else _numbers(radii)
    with claimed_folder(out):
        from xhat.cli.inputs import load_model
        from xhat.cli.wanted import limits_of
        from xhat.door.withstanding import robustness
        from xhat.engine import Compute

        x, right = _labelled(inputs, labels)
        network = load_model(model)
        compute = Compute(device=device, precision=precision, seed=seed)  # type: ignore[arg-type]
        with progress_bar() as update:
            found = robustness(
                network,
                x[:n],
                right[:n],
                norms=norm or ("linf", "l2"),
                radii=wanted,
                attack=attack,
                limits=None if bounds is None else limits_of(bounds),
                compute=compute,
                on_progress=update,
            )
        try:
            page = found.report(out)
        except MissingExtraError as missing:
            errors.print(f"There is no page: {missing}", markup=False)
            page = found.write(out)
    head = ("norm", "radius", "robust accuracy", "95 % interval")
    console.print(_table(head, found.table()))
    console.print(_table(("norm", "10 %", "half", "90 % misread within"), found.norms()))
    for warning in found.warnings:
        errors.print(f"Doubtful: {warning}.", markup=False)
    console.print(f"Open {page}", markup=False)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--radii must be numbers such as 0.1,0.2, but are {text!r}.") from error


def _labelled(inputs: Path, labels: str | None):
    """Return inputs and their classes from files."""
    import torch

    from xhat.domain.reading import read_data, read_labels

    of_file = labels is not None and Path(labels).suffix in (".npy", ".csv", ".parquet")
    data = read_data(inputs, "the inputs", None if of_file else labels)
    right = read_labels(labels) if of_file and labels is not None else data.labels
    if right is None:
        raise ValueError(
            f"--inputs {inputs} holds no labels; give --labels, a file or a column of it."
        )
    if right.dtype.kind not in "iu":
        words = sorted(set(right.tolist()))
        if right.dtype.kind == "f" and all(float(word).is_integer() for word in words):
            right = right.astype("int64")
        else:  # classes are numbered in the order of their names, as a domain does
            right = torch.tensor([words.index(word) for word in right.tolist()]).numpy()
    x = torch.from_numpy(data.x)
    return x.float(), torch.from_numpy(right).long()


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> object:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for k, heading in enumerate(head):
        table.add_column(heading, justify="left" if k == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table
