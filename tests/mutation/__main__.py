"""``python -m tests.mutation``: are there tests for what the engine does?

Samples mutants of the rooms ``engine``, ``spaces``, ``constraints`` and ``judges``, and runs for
each the tests that are about its file. A mutant that no test notices survives: either a test is
missing, or the fault does not matter, and ``reasons.py`` says why.
"""

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.optimize
import scipy.stats
import torch
from rich.console import Console
from rich.progress import track

from tests.mutation.operators import Mutant, mutant, sites
from tests.mutation.reasons import REASONS
from tests.mutation.stages import ROOMS, stages_of

ROOT = Path(__file__).resolve().parents[2]
PRELOADED = (joblib, np, pq, scipy.optimize, scipy.stats)  # once, for all processes that are forked
LIMIT = 90  # processor seconds for the tests of one mutant: beyond it, it hangs, and is noticed
RESULT = "mutants"
QUIET = ("-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-o", "addopts=")


def sampled(n: int, seed: int) -> list[Mutant]:
    """``n`` mutants, drawn evenly from all of these rooms.

    Every file draws for itself, so that editing one leaves the mutants of the others what they
    were.
    """
    source = ROOT / "src" / "xhat"
    files = sorted(file for room in ROOMS for file in (source / room).glob("*.py"))
    texts = {str(file.relative_to(source)): file.read_text() for file in files}
    drawn: list[tuple[float, str, int]] = []
    for path, text in texts.items():
        draw = random.Random(f"{seed}/{path}")  # noqa: S311 - no secret
        drawn += [(draw.random(), path, number) for number in range(sites(text))]
    chosen = sorted((path, number) for _, path, number in sorted(drawn)[:n])
    return [mutant(path, texts[path], number) for path, number in chosen]


class House:
    """A copy of the sources, in which one file at a time is wrong."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "src"
        shutil.copytree(ROOT / "src", self.source, copy_function=_linked)

    def noticed(self, mutant: Mutant, tests: Sequence[str]) -> tuple[str, float]:
        """Whether tests notice a mutant: what became of it, and the processor seconds spent."""
        file = self.source / "xhat" / mutant.path
        whole = file.read_text()
        file.write_text(mutant.source)
        try:
            return self.tried(tests)
        finally:
            file.write_text(whole)

    def tried(self, tests: Sequence[str]) -> tuple[str, float]:
        """Run tests in a process of their own."""
        begun = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = os.fork()
        if child == 0:
            os._exit(_run(self.source, tests))
        status = _ended(child, 6 * LIMIT)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
        if status is None or os.WIFSIGNALED(status):
            return "killed: it hangs or dies", spent
        code = os.WEXITSTATUS(status)
        return ("survived" if code == 0 else "killed"), spent


def _linked(source: str, target: str) -> None:
    if source.endswith(".py"):
        shutil.copy2(source, target)
    else:
        Path(target).symlink_to(source)


def _ended(child: int, seconds: float) -> int | None:
    """Wait for a process, and end it after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.05)
    os.killpg(child, 9)
    os.waitpid(child, 0)
    return None


def _run(source: Path, tests: Sequence[str]) -> int:
    """Run pytest on the copy, silently; in the child."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 5))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.environ["PYTHONPATH"] = str(source)  # for the processes that tests begin
    sys.path.insert(0, str(source))
    for name in [name for name in sys.modules if name.split(".")[0] == "xhat"]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    try:
        return int(pytest.main([*QUIET, *tests]))
    except BaseException:  # noqa: BLE001 - a mutant may raise anything
        return 1


def judged(house: House, mutant: Mutant) -> tuple[str, float]:
    """Try the tests of the file, then the laws that concern it."""
    seconds = 0.0
    for tests in stages_of(mutant.path):
        outcome, spent = house.noticed(mutant, tests)
        seconds += spent
        if outcome != "survived":
            return outcome, seconds
    return "survived", seconds


def records(house: House, chosen: Sequence[Mutant]) -> Iterator[dict[str, Any]]:
    """What became of every mutant."""
    for each in track(chosen, "mutants", console=Console(stderr=True)):
        outcome, seconds = judged(house, each)
        told: dict[str, Any] = {
            "path": each.path,
            "line": each.line,
            "kind": each.kind,
            "before": each.before,
            "after": each.after,
            "outcome": outcome,
            "seconds": round(seconds, 1),
        }
        if outcome == "survived":
            told["why"] = REASONS.get(each.name, "")
        yield told


def written(found: list[dict[str, Any]], seed: int, folder: Path) -> None:
    """Write ``mutants.json`` and ``mutants.md``."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from record import provenance, table, write

    left = [each for each in found if each["outcome"] == "survived"]
    of_room = Counter(each["path"].split("/")[0] for each in found)
    survived = Counter(each["path"].split("/")[0] for each in left)
    rows = [(room, f"{of_room[room]}", f"{of_room[room] - survived[room]}") for room in ROOMS]
    rows.append(("all", f"{len(found)}", f"{len(found) - len(left)}"))
    seconds = sum(each["seconds"] for each in found)
    record = {
        "provenance": provenance(seed, ("xhat", "torch", "pytest")),
        "processor seconds": round(seconds),
        "survivors": left,
        "mutants": found,
    }
    said = f"{len(found)} mutants of the engine, {len(left)} survive; why: in the JSON file.\n\n"
    write(RESULT, record, said + table(("room", "mutants", "noticed"), rows), folder)


def main() -> None:
    """Sample, try, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--n", type=int, default=300, help="mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="only those that survived last time")
    parser.add_argument("--file", default="", help="only mutants of files with this in their path")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.chdir(ROOT)
    before: dict[str, dict[str, Any]] = {}
    chosen = [m for m in sampled(options.n, options.seed) if options.file in m.path]
    if options.again:
        kept = json.loads((options.out / f"{RESULT}.json").read_text())["mutants"]
        before = {f"{m['path']}: {m['before']} -> {m['after']}": m for m in kept}
        dead = {name for name, each in before.items() if each["outcome"] != "survived"}
        chosen = [each for each in chosen if each.name not in dead]
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        for path in {each.path.split("/")[0]: each.path for each in chosen}.values():
            if house.tried(stages_of(path)[0])[0] != "survived":
                raise SystemExit(f"the tests of {path} fail without a mutant; mend them first.")
        found = list(records(house, chosen))
    names = {f"{m['path']}: {m['before']} -> {m['after']}" for m in found}
    found = [*(each for name, each in before.items() if name not in names), *found]
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for each in found:
        if each["outcome"] == "survived" and not each["why"]:
            console.print(f"{each['path']}:{each['line']}  {each['before']}\n    {each['after']}")
    if not options.file:
        written(found, options.seed, options.out)


if __name__ == "__main__":
    main()
