"""Running a study: cells in parallel processes, finished ones skipped, then the answer."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import xhat
from studies.runner.cells import Cells
from studies.runner.experiment import Claim, Context, Details, Experiment, Table
from studies.runner.paired import answer, interval, together
from xhat.core import atomic_folder_check, check_count
from xhat.executors import Workers, as_workers, each
from xhat.learning.checkpoints import hardware, versions
from xhat.report import Estimate

__all__ = ["Finished", "difference", "run_study"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Finished:
    """All cells of a study, and what they say.

    Attributes:
        experiment: what was asked.
        seeds: how many; 0 to ``seeds - 1``.
        quick: whether as little as possible was done; then the answer means nothing.
        table: the metrics.
        details: whatever else the cells kept.
        seconds: of all cells together, on one core each.
        cells: where the cells are.
    """

    experiment: Experiment
    seeds: int
    quick: bool
    table: Table
    details: Details
    seconds: float
    cells: Cells

    def of(self, arm: str, metric: str) -> Estimate:
        """Return a metric's mean over seeds with its interval."""
        return interval([self.table[arm][seed][metric] for seed in range(self.seeds)])

    def claims(self) -> list[tuple[Claim, Estimate, str]]:
        """Return every claim with the difference that was found, and what that says."""
        found = []
        for claim in self.experiment.claims:
            gap = interval(difference(self.table, claim, self.seeds))
            found.append((claim, gap, answer(gap, claim.margin)))
        return found

    @property
    def answer(self) -> str:
        """The answer to the study's question."""
        return together([said for _, _, said in self.claims()])


def difference(table: Table, claim: Claim, seeds: int) -> list[float]:
    """Return by how much the claim's arm is ahead, one difference a seed."""
    ahead = [table[claim.arm][seed][claim.metric] for seed in range(seeds)]
    if claim.baseline is not None:
        behind = table[claim.baseline]
        ahead = [value - behind[seed][claim.metric] for seed, value in enumerate(ahead)]
    return [-value for value in ahead] if claim.lower else ahead


def run_study(
    experiment: Experiment,
    out: str | Path,
    *,
    seeds: int = 5,
    quick: bool = False,
    workers: Workers | int | None = None,
    cache: str | Path = "runs/surrogates",
    on_progress: Progress | None = None,
) -> Finished:
    """Run the cells that are not finished yet, and return all.

    Args:
        experiment: what to do.
        out: where finished cells are kept.
        seeds: how many; a study may be continued with more.
        quick: do as little as shows that everything works.
        workers: where cells are run: a number of processes, or a cluster whose machines share the
            folders; None for here, one after the other.
        cache: where trained surrogates are kept, for other cells and studies to use.
        on_progress: called with the study's name, how many cells are done, and of how many.

    Raises:
        ValueError: the folder holds cells of other settings.
        PermissionError: a cell cannot be written.
    """
    check_count("seeds", seeds)
    cells = Cells(out, experiment, quick=quick)
    todo = [(arm.name, seed) for seed in range(seeds) for arm in experiment.arms]
    open_ones = [(arm, seed) for arm, seed in todo if not cells.has(arm, seed)]
    done = len(todo) - len(open_ones)
    tell = on_progress or (lambda *_: None)
    tell(experiment.name, done, len(todo))
    commit, context = _commit(), Context(quick, atomic_folder_check(cache))
    there = as_workers(workers)
    threads = max(1, torch.get_num_threads() // there.count)
    run = partial(_run_cell, cells, context, commit, threads)
    named = ((f"the cell {arm}, seed {seed}", (arm, seed)) for arm, seed in open_ones)
    for _ in each(there, run, named):
        done += 1
        tell(experiment.name, done, len(todo))
    seconds = sum(cells.read(arm, seed)["seconds"] for arm, seed in todo)
    return Finished(experiment, seeds, quick, *cells.table(seeds), seconds, cells)


def _run_cell(
    cells: Cells, context: Context, commit: str, threads: int, cell_of: tuple[str, int]
) -> None:
    arm, seed = cell_of
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)  # of this worker process
    began = time.perf_counter()
    with _uncut():
        cell = cells.experiment.arm(arm).run(seed, context)
    facts: dict[str, Any] = {
        "seconds": round(time.perf_counter() - began, 1),
        "commit": commit,
        "versions": {"xhat": xhat.__version__, **versions()},
        "hardware": hardware(),
    }
    cells.write(arm, seed, cell, **facts)


class _Cut(BaseException):
    """An interrupt that no search takes for a wish for what it has so far."""


@contextmanager
def _uncut() -> Iterator[None]:
    """Let Ctrl-C end a cell: searches that it cut short must not become a finished cell.

    Processes of a study's own hear of Ctrl-C in a terminal as well as their parent does.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # whoever handles it says what it means
        return

    def cut(*_: Any) -> None:
        raise _Cut

    signal.signal(signal.SIGINT, cut)
    try:
        yield
    except _Cut:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _commit() -> str:
    """Return the commit that the source is at, if it lies in a repository.

    It is dirty where anything but results differs from it: writing results is no change of source.
    """
    try:
        commit, changed = (_told(*words) for words in (_NAMED, _CHANGED))
    except OSError:
        return "unknown"
    return commit + ("-dirty" if changed else "") if commit else "unknown"


_NAMED = ("describe", "--always")
_CHANGED = (
    "status",
    "--porcelain",
    "--untracked-files=no",
    "--",
    ":/",
    ":(top,exclude)*/results/*",
)


def _told(*words: str) -> str:
    call = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(call, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
