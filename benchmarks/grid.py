"""The grid at scale: how genuine, how close, how varied and how costly a method's results are.

    python benchmarks/grid.py [--starts 100] [--method retrieval]

Every start is searched for every target; 100 starts of each digit make 10,000 pairs. Shares are of
pairs of different digits. Fréchet distance, coverage and density are taken for each target in
features of the judge ``judge-residual``, against ``judge_train``, beside what as many real samples
of that split score; ``ratio`` is the distance moved over that to the nearest real sample of the
target. Time is of the processor, summed over its cores.
"""

import argparse
import statistics
import time
from typing import Any

import torch
from record import provenance, table, write

from xhat.methods import Options, known_methods, method
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.references import digits_references
from xhat_zoo.digits.steering import searched_through, steer

SEED, DRAWS, BOOTSTRAP = 0, 2, 2  # intervals are not shown, so resamples are few


def row(name: str, starts: int) -> dict[str, Any]:
    """Search by one method, and return what is said of it."""
    how, judge = method(name), digits_judge()
    if name == "retrieval":
        digits_references()  # once for all candidates, and not part of their time
    pairs, began = digits.pairs(starts), time.process_time()
    found = steer(how, searched_through(name), pairs, judge, options=Options(seed=SEED))
    seconds = time.process_time() - began
    off, by_pair = found.numbers(), found.table()
    of = found.measured(seed=SEED, draws=DRAWS, bootstrap=BOOTSTRAP)
    off_diagonal = ~torch.eye(digits.CLASSES, dtype=torch.bool)
    targets = [of.row(label) for label in range(digits.CLASSES)]

    def mean(measure: str, what: str) -> float:
        return statistics.mean(getattr(each[measure], what) for each in targets)

    return {
        "method": name,
        "pairs": len(pairs),
        "genuine": off["genuine"],
        "verdicts": off["verdicts"],
        "least genuine of a pair of classes": float(by_pair[off_diagonal].min()),
        "frechet": mean("frechet", "value"),
        "frechet, real": mean("frechet", "floor"),
        "coverage": mean("coverage", "value"),
        "coverage, real": mean("coverage", "floor"),
        "density": mean("density", "value"),
        "density, real": mean("density", "floor"),
        "ratio": mean("ratio", "value"),
        "moved": off["moved"],
        "moved on the diagonal": found.numbers(~found.crossing)["moved"],
        "milliseconds": 1e3 * seconds / len(pairs),
    }


def main() -> None:
    """Measure, and write ``grid.json`` and ``grid.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--method", action="append", choices=tuple(known_methods()))
    arguments = parser.parse_args()
    rows = []
    for name in arguments.method or ["retrieval"]:
        rows.append(row(name, arguments.starts))
        print(rows[-1], flush=True)
    text = table(
        (
            "method", "pairs", "genuine", "least of a pair of classes", "Fréchet (real)",
            "coverage (real)", "density (real)", "moved / nearest real", "moved, diagonal",
            "CPU ms a candidate, judged",
        ),
        [
            (
                each["method"],
                f"{each['pairs']:,}",
                f"{100 * each['genuine']:.1f} %",
                f"{100 * each['least genuine of a pair of classes']:.0f} %",
                f"{each['frechet']:.3f} ({each['frechet, real']:.3f})",
                f"{each['coverage']:.2f} ({each['coverage, real']:.2f})",
                f"{each['density']:.2f} ({each['density, real']:.2f})",
                f"{each['ratio']:.2f}",
                f"{each['moved on the diagonal']:.3f}",
                f"{each['milliseconds']:.0f}",
            )
            for each in rows
        ],
    )  # fmt: skip
    write("grid", {"provenance": provenance(SEED, ("torch", "numpy")), "rows": rows}, text)


if __name__ == "__main__":
    main()
