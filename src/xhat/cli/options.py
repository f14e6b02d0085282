"""Options that several commands have: what is real, and what is wanted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xhat.executors import Workers

__all__ = [
    "Address",
    "AtLeastValue",
    "AtMostValue",
    "Backend",
    "Beta",
    "Column",
    "Interval",
    "Kind",
    "Labels",
    "Reference",
    "Target",
    "Tolerance",
    "TruthName",
    "Value",
    "Values",
    "WantedLabels",
    "WorkerCount",
    "workers_of",
]

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
Values = Annotated[
    str | None,
    typer.Option(
        help="Their values, instead of classes: columns of --reference (a,b), or a file.",
        rich_help_panel="What is real",
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
Beta = Annotated[
    float | None,
    typer.Option(
        help="Share of real samples of other classes that may be called genuine. \\[default: 0.05]"
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="Class by number or name, classes (3,1,4), or .npy, also of distributions.",
        rich_help_panel="What is wanted",
    ),
]
WantedLabels = Annotated[
    str | None,
    typer.Option(
        help="Several labels at once: 1,0,any,1, one for each logit.",
        rich_help_panel="What is wanted",
    ),
]
Value = Annotated[
    str | None,
    typer.Option(
        help="This output, to --tolerance; of several outputs: 70,any,0.2.",
        rich_help_panel="What is wanted",
    ),
]
Tolerance = Annotated[
    str,
    typer.Option(
        help="For --value: how near is enough, for each output as well: 0.5,1,0.01.",
        rich_help_panel="What is wanted",
    ),
]
Interval = Annotated[
    str | None,
    typer.Option(
        help="An output between: low,high; of several: low:high,any,low:high.",
        rich_help_panel="What is wanted",
    ),
]
AtLeastValue = Annotated[
    str | None,
    typer.Option(
        help="An output of at least this; of several: 70,any.", rich_help_panel="What is wanted"
    ),
]
AtMostValue = Annotated[
    str | None,
    typer.Option(
        help="An output of at most this; of several: 70,any.", rich_help_panel="What is wanted"
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="Where to compute: processes, dask or ray. \\[default: this process]",
        rich_help_panel="Where to compute",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Of the cluster: tcp://host:8786 for dask, host:6379 or auto for ray. "
        "\\[default: one of this machine]",
        rich_help_panel="Where to compute",
    ),
]
WorkerCount = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="How many tasks at once. \\[default: all there are]",
        rich_help_panel="Where to compute",
    ),
]


def workers_of(backend: str | None, address: str | None, workers: int | None) -> "Workers | None":
    """Return where to compute, as three options say it.

    Raises:
        MissingExtraError: what the backend needs is not installed.
        ValueError: no such backend, or an address without one that has any.
    """
    if (backend, address, workers) == (None, None, None):
        return None
    from xhat.core import check_choice
    from xhat.executors import Dask, Ray, as_workers

    kind = check_choice("--backend", backend or "processes", ("processes", "dask", "ray"))
    if kind == "processes":
        if address is not None:
            raise ValueError("--address is that of a cluster: give --backend dask or ray with it.")
        return as_workers(-1 if workers is None else workers)
    return Dask(address, workers) if kind == "dask" else Ray(address, workers)


Column = Annotated[
    int | None,
    typer.Option(
        help="Which of several outputs is meant, from 0.", rich_help_panel="What is wanted"
    ),
]
