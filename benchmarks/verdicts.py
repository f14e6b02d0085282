"""What a verdict is worth on thirteen fields of data that nothing was tuned on.

    python benchmarks/verdicts.py [--only NAME ...] [--seeds 3] [--jobs 2]

Of every field a ``Domain`` is made as a user would, with nothing but samples and labels (rotated
MNIST and rendered shapes have the judges of their tasks), and its judge is asked about samples of
which the right verdict is known, made from real ones that were held out: ``Domain.self_test``. Sets
of 200 real samples, as they are and moved, say how often a shift is found. Three seeds draw which
samples are held out, and everything else.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from record import RESULTS, provenance, table, write
from scipy.stats import beta
from torch import Tensor
from verdict_data import DATA, Data

import xhat
from xhat.core import generator
from xhat.domain import Domain
from xhat_zoo.digits.domain import digits_domain
from xhat_zoo.rendered.judging import rendered_judge

N, SETS, OF_A_SET = 200, 20, 200
NAME = "verdicts"
ASKED = {  # by group of controls, called genuine at most
    "wrong class": 0.05,
    "attack": 0.05,
    "mixture": 0.10,
    "spoilt": 0.05,
    "foreign": 0.05,
}


def measured(name: str, seed: int) -> dict[str, Any]:
    """Return what the judge of one field says, held-out samples drawn by a seed."""
    data, began = DATA[name](), time.process_time()
    order = torch.randperm(len(data.x), generator=generator(seed, "verdicts", name))
    order = order[_first(data.x[order])]
    if data.known >= len(order):
        raise ValueError(f"{name} has {len(order)} samples, so {data.known} leave none held out.")
    known, held = order[: data.known], order[data.known :]
    labels = data.labels
    domain = _domain(name, data, known, seed)
    judge = domain.judge()
    fitted = time.process_time() - began
    test = domain.self_test(
        held=(data.x[held], None if labels is None else labels[held]),
        foreign=data.foreign or None,
        n=N,
        seed=seed,
    )
    more = {} if labels is None else {"labels": labels[held]}
    shifts = _shifts(judge, data, data.x[held], seed=seed, **more)
    return {"seed": seed, "fit": fitted, "test": test.to_dict(), "shift": shifts}


def _first(x: Tensor) -> Tensor:
    """Return the places of rows that no row before them equals."""
    _, place = torch.unique(x.flatten(1), dim=0, return_inverse=True)
    first = torch.full((int(place.max()) + 1,), len(x))
    return first.scatter_reduce(0, place, torch.arange(len(x)), "amin").sort().values


def _domain(name: str, data: Data, known: Tensor, seed: int) -> Domain:
    if name == "rotated MNIST":
        return digits_domain()
    if name == "rendered shapes":
        x, labels = data.x[known], data.labels[known]
        return Domain(x, labels, limits=(0.0, 1.0), judge=rendered_judge(), seed=seed)
    labels = None if data.labels is None else data.labels[known]
    kind = {2: "table", 3: "signal", 4: "image"}[data.x.ndim]
    kind = "field" if name == "Darcy fields" else kind
    return Domain(data.x[known], labels, kind=kind, seed=seed)


def _shifts(
    judge: xhat.Judge, data: Data, x: Tensor, labels: Tensor | None = None, *, seed: int
) -> dict[str, tuple[int, int]]:
    """Return how often a shift was found, of sets as they are and of moved ones."""
    found: dict[str, tuple[int, int]] = {}
    changes = {"none": lambda x: x, **data.shifts}
    for name, change in changes.items():
        draws, hits = generator(seed, "sets"), 0
        for _ in range(SETS):
            rows = torch.randperm(len(x), generator=draws)[:OF_A_SET]
            wanted = None if labels is None else labels[rows]
            shift = judge.judge(change(x[rows]), wanted).shift
            hits += shift is not None and shift.found
        found[name] = hits, SETS
    return found


def _upper(k: int, n: int) -> float:
    return float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0


def summed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of all seeds of one field together."""
    rows: dict[str, dict[str, Any]] = {}
    shifts: dict[str, list[int]] = {}
    for part in parts:
        for row in part["test"]["rows"]:
            mine = rows.setdefault(row["name"], row | {"counts": {}})
            for outcome, count in row["counts"].items():
                mine["counts"][outcome] = mine["counts"].get(outcome, 0) + count
        for name, (k, n) in part["shift"].items():
            old = shifts.setdefault(name, [0, 0])
            shifts[name] = [old[0] + k, old[1] + n]
    return {"rows": list(rows.values()), "shift": shifts}


def _share(rows: list[dict[str, Any]], group: str, outcomes: tuple[str, ...]) -> tuple[int, int]:
    mine = [row["counts"] for row in rows if row["group"] == group]
    return (
        sum(counts.get(outcome, 0) for counts in mine for outcome in outcomes),
        sum(sum(counts.values()) for counts in mine),
    )


def tables(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return everything as tables: what is promised, and every control."""
    head = ["field", "real: genuine", "undecided", "else", "wrong class", "up to"]
    head += ["attacks", "mixtures", "spoilt", "foreign", "shift found", "false alarm", "fit, s"]
    lines, details = [], ""
    for name, parts in results.items():
        whole = summed(parts)
        rows = whole["rows"]
        good, n = _share(rows, "real", ("genuine",))
        unsure, _ = _share(rows, "real", ("undecided",))
        cells: list[str] = [name, *(f"{v / n:.3f}" for v in (good, unsure, n - good - unsure))]
        for group in ASKED:
            k, n = _share(rows, group, ("genuine",))
            cells.append(f"{k / n:.3f}" if n else "")
            if group == "wrong class":
                cells.append(f"{_upper(k, n):.3f}" if n else "")
        shift = whole["shift"]
        moved = [v for key, v in shift.items() if key != "none"]
        cells.append(", ".join(f"{k / n:.2f}" for k, n in moved))
        cells.append(f"{shift['none'][0] / shift['none'][1]:.2f}")
        cells.append(f"{sorted(part['fit'] for part in parts)[len(parts) // 2]:.0f}")
        lines.append(cells)
        details += f"\n### {name}\n\n" + _details(rows)
    told = (
        f"Shares of up to {N} samples of each control and seed that are called genuine (`else`: "
        f"real ones that are called neither genuine nor undecided); the upper end of the 95 % "
        f"interval for those of a wrong class. A shift is looked for in sets of {OF_A_SET}. "
        f"Processor seconds of fitting, one thread.\n\n"
    )
    return told + table(head, lines) + details


def _details(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        n = sum(row["counts"].values())
        right = sum(row["counts"].get(outcome, 0) for outcome in row["right"])
        said = sorted(row["counts"].items(), key=lambda pair: -pair[1])
        words = ", ".join(f"{count} {o.replace('_', ' ')}" for o, count in said)
        genuine = row["counts"].get("genuine", 0) / n
        lines.append([row["name"], n, f"{genuine:.3f}", f"{right / n:.2f}", words])
    return table(["control", "n", "genuine", "right name", "outcomes"], lines)


def main() -> None:
    """Measure what is asked for, keep what was measured before, and write both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(DATA), default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one:
        sys.stdout.write(json.dumps(measured(options.one[0], int(options.one[1]))))
        return
    place = RESULTS / f"{NAME}.json"
    results: dict[str, list[dict[str, Any]]] = {}
    if place.exists():
        results = json.loads(place.read_text())["results"]
    todo = [(name, seed) for name in options.only for seed in range(options.seeds)]

    def one(job: tuple[str, int]) -> tuple[str, dict[str, Any]]:
        name, seed = job
        call = [sys.executable, __file__, "--one", name, str(seed)]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}, seed {seed}: {done.stderr[-2000:]}")
        return name, json.loads(done.stdout[done.stdout.index('{"seed"') :])

    with ThreadPoolExecutor(options.jobs) as pool:
        for name, part in pool.map(one, todo):
            others = [old for old in results.get(name, []) if old["seed"] != part["seed"]]
            results[name] = sorted((*others, part), key=lambda each: each["seed"])
            ordered = {key: results[key] for key in DATA if key in results}
            packages = ("xhat", "torch", "scikit-learn")
            record = {"provenance": provenance(0, packages), "results": ordered}
            write(NAME, record, tables(ordered))


if __name__ == "__main__":
    main()
