"""Finished cells on disk: each written whole or not at all, and never computed twice.

::

    OUT/study.json            what is being done: a study is only resumed with the same, or with
                              further arms
    OUT/cells/ARM-SEED.json   one finished cell each

A process that is killed loses the cells it was at, and no other.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studies.runner.experiment import Cell, Details, Experiment, Table
from xhat.core import UnreadableFileError, atomic_folder_check, atomic_write

__all__ = ["Cells"]


class Cells:
    """The cells of one study in one folder.

    Args:
        folder: made if it is missing.
        experiment: whose cells these are.
        quick: as of the context.

    Raises:
        PermissionError: the folder cannot be written to.
        ValueError: the folder holds cells of another study or of other settings.
    """

    def __init__(self, folder: str | Path, experiment: Experiment, *, quick: bool) -> None:
        self.folder, self.experiment = atomic_folder_check(folder), experiment
        self._compare(_plan(experiment, quick=quick))
        atomic_folder_check(self.folder / "cells")

    def path(self, arm: str, seed: int) -> Path:
        """Return where a cell is or will be."""
        return self.folder / "cells" / f"{arm.replace(' ', '-')}-{seed}.json"

    def has(self, arm: str, seed: int) -> bool:
        """Return whether a cell is finished."""
        return self.path(arm, seed).exists()

    def write(self, arm: str, seed: int, cell: Cell, **facts: Any) -> None:
        """Keep a finished cell.

        Raises:
            PermissionError: there is no space left, or the folder is closed.
        """
        record = {"arm": arm, "seed": seed, "metrics": dict(cell.metrics)} | facts
        record["details"] = dict(cell.details)
        path = self.path(arm, seed)
        try:
            with atomic_write(path) as temporary:
                temporary.write_text(json.dumps(record, allow_nan=False) + "\n")
        except OSError as error:
            raise PermissionError(
                f"{error} All finished cells are kept: then run the same command again."
            ) from error

    def read(self, arm: str, seed: int) -> dict[str, Any]:
        """Return a finished cell's record.

        Raises:
            UnreadableFileError: it is missing or damaged.
        """
        path = self.path(arm, seed)
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UnreadableFileError(
                f"the cell {path} cannot be read; remove it and run the same command again."
            ) from error

    def table(self, seeds: int) -> tuple[Table, Details]:
        """Return metrics and details of all arms for the first ``seeds`` seeds."""
        metrics: dict[str, dict[int, Any]] = {}
        details: dict[str, dict[int, Any]] = {}
        for arm in self.experiment.arms:
            for seed in range(seeds):
                record = self.read(arm.name, seed)
                metrics.setdefault(arm.name, {})[seed] = record["metrics"]
                details.setdefault(arm.name, {})[seed] = record["details"]
        return metrics, details

    def _compare(self, plan: dict[str, Any]) -> None:
        path = self.folder / "study.json"
        if not path.exists():
            self._write(path, plan)
            return
        try:
            there = json.loads(path.read_text())
        except ValueError as error:
            raise UnreadableFileError(f"{path} is not the plan of a study.") from error
        known = there.get("arms", {})
        arms = {name: told for name, told in plan["arms"].items() if name in known}
        differing = list(_differences(there, plan | {"arms": arms}))
        if differing:
            shown = "; ".join(differing[:5]) + ("; ..." if len(differing) > 5 else "")
            raise ValueError(
                f"{self.folder} holds a study with other settings: {shown}. Resume it with the "
                f"same settings, or choose another folder."
            )
        if len(arms) < len(plan["arms"]):
            self._write(path, plan)

    @staticmethod
    def _write(path: Path, plan: dict[str, Any]) -> None:
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(plan, indent=1) + "\n")


def _plan(experiment: Experiment, *, quick: bool) -> dict[str, Any]:
    plan = {
        "study": experiment.name,
        "quick": quick,
        "arms": {arm.name: dict(arm.settings) for arm in experiment.arms},
    }
    return json.loads(json.dumps(plan))  # tuples become lists, as they are when read again


def _differences(there: Any, now: Any, place: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(now, dict):
        for key in sorted(there.keys() | now.keys()):
            inner = f"{place}.{key}" if place else key
            if key not in now:
                yield f"{inner} is there, but not asked for now"
            elif key not in there:
                yield f"{inner} is asked for, but not there"
            else:
                yield from _differences(there[key], now[key], inner)
    elif there != now:
        yield f"{place} is {there!r} there and {now!r} now"
