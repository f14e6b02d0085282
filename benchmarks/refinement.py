"""Active refinement on the page "Your own simulator": what the rounds buy, over seeds.

Runs the code of docs/guides/simulator.md as it stands (the page is the only place where the door
closer is written), then repeats its refinement with other first runs and other starts, and beside
it a search without refinement whose first runs are as many as all of the other's calls, and which
may ask four times more to verify what it found. A third line is differential evolution on the truth
itself, the nearest thing to the optimum. Draws the picture of the page's refinement.
"""

import argparse
import contextlib
import doctest
import io
import json
import math
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from record import HERE, RESULTS, provenance, table, write
from scipy.optimize import differential_evolution
from scipy.stats import qmc

from xhat.door.refinement import Refinement, refine
from xhat.judges import Truth
from xhat.report import save_gaps_png

PAGE = HERE.parent / "docs" / "guides" / "simulator.md"
IMAGE = HERE.parent / "docs" / "images" / "refinement.png"
FIRST, BUDGET, ROUNDS, VERIFIED = 16, 16, 4, 4


def page() -> dict[str, Any]:
    """Return the names that the page's code defines, after running all of it."""
    names: dict[str, Any] = {"__name__": "simulator"}
    with contextlib.redirect_stdout(io.StringIO()):  # what the page shows is tested elsewhere
        for example in doctest.DocTestParser().get_examples(PAGE.read_text()):
            exec(compile(example.source, PAGE.name, "single"), names)  # noqa: S102 - our own page
    return names


def refined(
    names: dict[str, Any], seed: int, *, first: int, budget: int, rounds: int
) -> Refinement:
    """Refine as the page does, from other first runs and starts."""
    x = torch.tensor(qmc.Sobol(3, seed=seed).random(first), dtype=torch.float32)
    starts = torch.rand(8, 3, generator=torch.Generator().manual_seed(seed))
    return refine(
        names["fit"], names["problem_of"], starts, names["truth"], (x, names["door"](x)),
        budget=budget, rounds=rounds, constraints=names["in_time"], search=names["search"],
    )  # fmt: skip


def optimum(truth: Truth, seed: int) -> tuple[float, int]:
    """Return the least speed that differential evolution finds on the truth, and its calls."""

    def cost(x: Any) -> float:
        y = truth.f(torch.tensor(x)[None])[0]
        return (
            10.0 if bool(y.isnan().any()) else float(y[1].exp() + 20 * (y[0] - math.log(5)).relu())
        )

    found = differential_evolution(cost, [(0, 1)] * 3, seed=seed, maxiter=25, popsize=10, tol=1e-6)
    return float(found.fun), int(found.nfev)


def row(seed: int, names: dict[str, Any]) -> dict[str, Any]:
    """Return what one seed measured."""
    began = time.process_time()
    with_rounds = refined(names, seed, first=FIRST, budget=BUDGET, rounds=ROUNDS)
    without = refined(names, seed, first=FIRST + BUDGET, budget=VERIFIED, rounds=1)
    return {
        "seed": seed,
        "gaps": [one.gap for one in with_rounds.rounds],
        "best": math.nan if with_rounds.best is None else with_rounds.best.error,
        "without_gap": without.rounds[0].gap,
        "without_best": math.nan if without.best is None else without.best.error,
        "seconds": time.process_time() - began,
    }


def draw(found: Refinement, truth: Truth, path: Path) -> None:
    """Draw the page's refinement."""
    first, last = found.rounds[0].gap, found.rounds[-1].gap
    save_gaps_png(
        path,
        [one.gaps.tolist() for one in found.rounds],
        [(one.calls, one.best.error if one.best else math.nan) for one in found.rounds],
        gap_label="gap of ln seconds and ln speed (root mean square)",
        error_label="speed at the latch, rad/s",
        tolerance=truth.tolerance,
        title=f"A door closer, refined: the surrogate of the first round is off by {first:.1g} "
        f"where the search goes, that of the last by {last:.1g}",
        note=f"{FIRST} first runs, then {found.calls} in {len(found.rounds)} rounds. Left: a dot "
        "for each design that the truth was asked about, lines at the medians. "
        "Right: designs that shut within 5 s by the truth; the first round has "
        f"{'none' if found.rounds[0].best is None else 'one'}.",
    )


def main() -> None:
    """Measure, draw, and write ``refinement.json`` and ``refinement.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--image", type=Path, default=IMAGE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = page()
    draw(names["found"], names["truth"], options.image)
    rows = [row(seed, names) for seed in range(options.seeds)]
    best, calls = optimum(names["truth"], 0)
    record = {
        "provenance": provenance(0, ("xhat", "torch", "numpy", "scipy")),
        "rows": rows,
        "differential_evolution": {"best": best, "calls": calls},
    }
    cells = [
        [r["seed"], f"{r['gaps'][0]:.3f}", f"{r['gaps'][-1]:.4f}", worded(r["best"]),
         f"{r['without_gap']:.3f}", worded(r["without_best"])]
        for r in rows
    ]  # fmt: skip
    middle = [
        f"{median(r['gaps'][0] for r in rows):.3f}",
        f"{median(r['gaps'][-1] for r in rows):.4f}",
        "",
        f"{median(r['without_gap'] for r in rows):.3f}",
        "",
    ]
    head = [
        "seed",
        "gap, first round",
        "gap, last round",
        "best speed",
        "gap, all at once",
        "best speed",
    ]
    text = (
        f"# Active refinement\n\nThe door closer of docs/guides/simulator.md: {FIRST} first "
        f"runs and at most {BUDGET} in {ROUNDS} rounds, beside {FIRST + BUDGET} first runs and "
        f"{VERIFIED} that verify. Speeds in rad/s, by the truth, of designs that shut within 5 s. "
        f"Differential evolution on the truth finds {best:.4f} in {calls} calls.\n\n"
    )
    write(
        "refinement",
        json.loads(json.dumps(record)),
        text + table(head, [*cells, ["median", *middle]]),
    )


def worded(speed: float) -> str:
    """Return the speed of a design that fulfils everything, if there is one."""
    return "none" if math.isnan(speed) else f"{speed:.4f}"


if __name__ == "__main__":
    main()
