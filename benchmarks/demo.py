"""What README shows of the demo: its table, its grid, its time.

    python benchmarks/demo.py

runs what ``make demo`` runs, into ``runs/demo``, and writes ``results/demo.json`` and ``demo.md``,
``docs/images/grid.png``, and what stands between two comments of README.md. Distances are over
those of the nearest real sample, start by start; time is of the processor, summed over its cores.
"""

import shutil
import time
from pathlib import Path

from record import provenance, table, write
from torch import Tensor

from xhat_zoo.digits import demo

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- from here on: python benchmarks/demo.py -->\n", "<!-- up to here -->\n"
SHOWN = ("genuine", "adversarial", "off_manifold", "out_of_distribution")


def moved(found: demo.Steering) -> Tensor:
    """Return how far every result lies from its start, ``(n,)``."""
    return (found.result.x - found.result.x0).flatten(1).norm(dim=1)


def told(found: demo.Demo) -> str:
    """Return the table, in Markdown."""
    far = moved(next(of for of in found.found if of.method.name == "nearest"))
    rows = []
    for of in found.found:
        numbers, over = of.numbers(), (moved(of) / far)[of.crossing & (far > 0)]
        shares = [f"{100 * numbers['verdicts'][name] / numbers['n']:.0f} %" for name in SHOWN]
        sure, near = f"{numbers['judge_confidence']:.2f}", f"{float(over.median()):.2f}"
        rows.append((f"`{of.method.name}`", of.method.caption, *shares, sure, near))
    head = (
        "method", "what it is", *(name.replace("_", " ") for name in SHOWN),
        "judges' mean confidence", "moved / nearest",
    )  # fmt: skip
    return table(head, rows).replace("| --- | ---: |", "| --- | --- |", 1)


def main() -> None:
    """Run the demo, and write what is shown of it."""
    began, spent = time.perf_counter(), time.process_time()
    found = demo.run()
    demo.write(found, ROOT / "runs" / "demo", command="python benchmarks/demo.py")
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    n = int(found.found[0].crossing.sum())
    text = (
        f"Rotated MNIST, {len(found.pairs) // 100} starts of every digit, {n} pairs of different "
        f"digits a method, judged by networks\nand distances that the search never saw (`make "
        f"demo`, {spent:.0f} s of processor time):\n\n{told(found)}"
    )
    shutil.copy(ROOT / "runs" / "demo" / "grid.png", ROOT / "docs" / "images" / "grid.png")
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")
    record = {"provenance": provenance(found.seed, ("torch", "numpy")), "wall": seconds}
    write("demo", record | {"processor": spent} | found.summary(), text)


if __name__ == "__main__":
    main()
