"""Ambigrams of all pairs of digits: how many do held-out judges accept in both readings?

    python benchmarks/ambigrams.py [--seeds 3] [--jobs 1]

Settings were chosen on seed 11, by the counts of the judges there; these are others. Every
image counts for its pair and, turned, for the pair in the other order. What is left out in turn:
the searches that begin anew, the prior on the turned reading, the choice among searches, the
beginning at real digits that cover each other.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import Any

import torch
from joblib import Parallel, delayed
from record import RESULTS, provenance, table, write

from xhat_zoo.digits.ambigrams import (
    Ambigram,
    Ambigrams,
    all_pairs,
    count_readings,
    digits_overlaps,
)
from xhat_zoo.digits.judging import digits_judge

FIRST_SEED = 0
WHOLE = Ambigram()
ONE = replace(WHOLE, restarts=1, halvings=0, renewals=0)
ARMS = {
    "12 searches of every pair, the surest two searched anew": WHOLE,
    "6, likewise": replace(WHOLE, restarts=6),
    "12, none anew": replace(WHOLE, renewals=0),
    "12, none anew, no prior on the turned reading": replace(WHOLE, renewals=0, of_turned=False),
    "1": ONE,
    "1, from noise instead of two real digits": replace(ONE, covering=False, noise=1.2, levels=28),
}
COUNTS = (
    "genuine in both readings",
    "genuine upright",
    "seen in both readings",
    "seen upright",
)


def searched(name: str, seed: int) -> tuple[str, int, float, Ambigrams]:
    """Search with one arm and one seed; the time is of the processor."""
    torch.set_num_threads(1)
    digits_overlaps()  # once for all, and not part of the time
    began = time.process_time()
    found = ARMS[name].search(*all_pairs(), seed=seed)
    return name, seed, time.process_time() - began, found


def known() -> list[dict[str, Any]]:
    """Return what an earlier run of the same settings has measured."""
    file = RESULTS / "ambigrams.json"
    record = json.loads(file.read_text()) if file.exists() else {}
    return record["rows"] if record.get("settings") == WHOLE.describe() else []


def summary(rows: list[dict[str, Any]]) -> str:
    """Return the table, a line for every arm."""
    lines = []
    for name in ARMS:
        of = sorted((each for each in rows if each["arm"] == name), key=lambda each: each["seed"])
        if of:
            cells = [", ".join(str(each[key]) for each in of) for key in COUNTS]
            lines.append((name, *cells, f"{statistics.mean(each['seconds'] for each in of):.0f}"))
    return table(("of 100 pairs, by seed", *COUNTS, "CPU s"), lines)


def main() -> None:
    """Measure, and write ``ambigrams.json`` and ``ambigrams.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--arm", action="append", choices=tuple(ARMS), help="others are kept")
    arguments = parser.parse_args()
    source = provenance(FIRST_SEED, ("torch", "numpy"))
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    arms = arguments.arm or list(ARMS)
    jobs = (delayed(searched)(name, seed) for name in arms for seed in seeds)
    rows = [each for each in known() if each["arm"] not in arms]
    for name, seed, seconds, found in Parallel(arguments.jobs, return_as="generator")(jobs):
        counts = count_readings(found, digits_judge().judge(*found.readings()))
        rows.append({"arm": name, "seed": seed, "seconds": round(seconds, 1), **counts})
        record = {"provenance": source, "settings": WHOLE.describe(), "rows": rows}
        write("ambigrams", record, summary(rows))


if __name__ == "__main__":
    main()
