"""What there is, and where judging went."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from xhat.cli.app import ANYTHING, app
from xhat.cli.names import KNOWN_METHODS, PARTS, RECIPES
from xhat.cli.shell import console

__all__ = ["info", "judge_command"]


@app.command(name="judge", hidden=True, context_settings=ANYTHING)
def judge_command() -> None:
    """Say where judging went."""
    raise ValueError(
        "`xhat judge` is `xhat audit --inputs x.npy --target 3 --reference train.npz` now, with "
        "--reference digits for the judge of digits; `xhat judge --self-test` is `xhat self-test`."
    )


@app.command(epilog="Example: xhat info --devices")
def info(
    devices: Annotated[
        bool, typer.Option("--devices", help="Also ask torch for threads and devices; slower.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Also write info.json there.")] = None,
) -> None:
    """Say which versions, tasks, methods, recipes and devices there are."""
    from xhat.task import tasks

    lines = {
        "xhat": version("xhat"),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "scipy")},
        "cores": str(os.cpu_count()),
        **(_devices() if devices else {}),
        "tasks": ", ".join(tasks()) or "none; the examples come with: pip install xhat-zoo",
        "methods": ", ".join(KNOWN_METHODS),
        "recipes": f"{', '.join(PARTS)}; joined by +, for any labelled samples",
        "shipped": f"{', '.join(RECIPES[len(PARTS) :])}; of digits",
    }
    if out is not None:
        from xhat.core import atomic_write, claimed_folder

        with claimed_folder(out), atomic_write(out / "info.json") as temporary:
            temporary.write_text(json.dumps(lines, indent=1) + "\n")
    for name, value in lines.items():
        console.print(f"{name:9} {value}")


def _devices() -> dict[str, str]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "threads": str(torch.get_num_threads()),
        "devices": ", ".join(["cpu", *gpus]),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
