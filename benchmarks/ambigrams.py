"""Ambigrams of all pairs of digits: how many do held-out judges accept in both readings?

    python benchmarks/ambigrams.py [--seeds 3]

Seeds begin at 1000: settings were chosen on others. Every image counts for its pair and, turned,
for the pair in the other order. What is left out in turn: the prior on the turned reading, the
choice among restarts, the beginning at real digits that cover each other.
"""

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

from record import provenance, table, write

from xhat.study.demos.ambigrams import all_pairs, count_readings
from xhat.study.judging import digits_judge
from xhat.study.methods import Ambigram

FIRST_SEED = 1000
WHOLE = Ambigram()
ARMS = {
    "all of it": WHOLE,
    "no prior on the turned reading": replace(WHOLE, of_turned=False),
    "one restart": replace(WHOLE, restarts=1, halvings=0),
    "from noise, one restart": replace(
        WHOLE, restarts=1, halvings=0, covering=False, noise=1.2, levels=2 * WHOLE.levels
    ),
}
COUNTS = (
    "genuine in both readings",
    "genuine upright",
    "seen in both readings",
    "seen upright",
)


def row(name: str, seed: int) -> dict[str, Any]:
    """Search with one arm and one seed, and count."""
    began = time.process_time()
    found = ARMS[name].search(*all_pairs(), seed=seed)
    seconds = time.process_time() - began
    counts = count_readings(found, digits_judge().judge(*found.readings()))
    return {"arm": name, "seed": seed, "seconds": seconds, **counts}


def main() -> None:
    """Measure, and write ``ambigrams.json`` and ``ambigrams.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arm", action="append", choices=tuple(ARMS))
    arguments = parser.parse_args()
    digits_judge()  # once, and not part of the time
    rows = []
    for name in arguments.arm or ARMS:
        for seed in range(FIRST_SEED, FIRST_SEED + arguments.seeds):
            rows.append(row(name, seed))
            print(rows[-1], flush=True)
    lines = []
    for name in dict.fromkeys(each["arm"] for each in rows):
        of = [each for each in rows if each["arm"] == name]
        cells = [", ".join(str(each[key]) for each in of) for key in COUNTS]
        lines.append((name, *cells, f"{statistics.mean(each['seconds'] for each in of):.0f}"))
    text = table(("of 100 pairs, by seed", *COUNTS, "CPU s"), lines)
    record = {
        "provenance": provenance(FIRST_SEED, ("torch", "numpy")),
        "settings": WHOLE.describe(),
        "rows": rows,
    }
    write("ambigrams", record, text)


if __name__ == "__main__":
    main()
