"""Robust accuracy of trained surrogates by AutoAttack, beside the library's own attack.

    python benchmarks/robustness.py [--n 1000] [MODEL:DATA:NORM:RADIUS ...]

DATA is ``upright`` or ``rotated``. AutoAttack (standard version: APGD-CE, targeted APGD-DLR,
targeted FAB, 5,000 queries of Square) runs on the first ``n`` test images, in parts of 100 that are
kept in ``benchmarks/results/robustness`` as they are finished, so that a stopped run goes on.
Published figures for Linf 0.3 on upright MNIST, clean → robust: Madry 98.53 → 88.50, TRADES
99.48 → 92.81, Gowal 99.26 → 96.34 (RobustBench; AutoAttack on 10,000 images).
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from record import HERE, RESULTS, provenance, table, write
from torch import nn

from xhat.learning import load_checkpoint, predict
from xhat.metrics.density import binomial_interval
from xhat.surrogates.robustness import autoattack_accuracy, robust_accuracy
from xhat_zoo import digits

SEED = 0
PART = 100
JOBS = (
    "robust-linf:upright:linf:0.3",
    "plain:rotated:l2:1.0",
    "robust:rotated:l2:1.0",
    "robust:rotated:l2:1.5",
)


def surrogate(name: str) -> nn.Module:
    """Return a surrogate that the package ships, or one of ``benchmarks/weights``."""
    if name in digits.SURROGATES:
        return digits.surrogate(name)
    return load_checkpoint(HERE / "weights", name)[0]


def run_part(job: str, first: int, count: int) -> dict[str, Any]:
    """Attack one part of the test images; every image's outcome is kept."""
    name, data, norm, radius = job.split(":")
    model, test = surrogate(name), digits.split("test")
    images = test.upright if data == "upright" else test.images
    x, labels = images[first : first + count], test.labels[first : first + count]
    began = time.perf_counter()
    theirs = autoattack_accuracy(model, x, labels, float(radius), norm, seed=SEED)
    seconds = time.perf_counter() - began
    ours = robust_accuracy(model, x, labels, [float(radius)], norm, steps=100)[float(radius)]
    right = predict(model, x).argmax(1) == labels
    return {
        "clean": right.int().tolist(),
        "own": ours.survived.int().tolist(),
        "autoattack": theirs.survived.int().tolist(),
        "evaluator": theirs.evaluator,
        "remarks": list(theirs.remarks),
        "seconds": round(seconds, 1),
    }


def finished(job: str, n: int, folder: Path) -> list[dict[str, Any]]:
    """Return all parts of a job, those that were finished before from their files."""
    parts = []
    for first in range(0, n, PART):
        count = min(PART, n - first)
        path = folder / f"{job.replace(':', '-')}-{first}-{count}.json"
        if not path.exists():
            text = json.dumps(run_part(job, first, count))
            path.with_suffix(".tmp").write_text(text + "\n")
            path.with_suffix(".tmp").replace(path)
        parts.append(json.loads(path.read_text()))
        robust = sum(sum(part["autoattack"]) for part in parts)
        print(f"{job}: {first + count} images, {robust} robust", flush=True)
    return parts


def row(job: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the shares over all parts, AutoAttack's with its exact 95 % interval."""
    name, data, norm, radius = job.split(":")
    flat = {key: [v for part in parts for v in part[key]] for key in ("clean", "own", "autoattack")}
    share, low, high = binomial_interval(sum(flat["autoattack"]), len(flat["autoattack"]), 0.95)
    return {
        "model": name,
        "data": data,
        "norm": norm,
        "radius": float(radius),
        "n": len(flat["clean"]),
        "clean": sum(flat["clean"]) / len(flat["clean"]),
        "own_pgd": sum(flat["own"]) / len(flat["own"]),
        "autoattack": share,
        "interval": [low, high],
        "seconds": sum(part["seconds"] for part in parts),
    }


def main() -> None:
    """Attack, and write ``robustness.json`` and ``robustness.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", nargs="*", default=list(JOBS))
    parser.add_argument("--n", type=int, default=1000)
    arguments = parser.parse_args()
    folder = RESULTS / "robustness"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row(job, finished(job, arguments.n, folder)) for job in arguments.jobs]
    text = table(
        ("model", "digits", "ball", "n", "clean", "own PGD, 100 steps", "AutoAttack", "95 %"),
        [
            (
                r["model"],
                r["data"],
                f"{r['norm'].capitalize()} {r['radius']:g}",
                r["n"],
                f"{100 * r['clean']:.1f}",
                f"{100 * r['own_pgd']:.1f}",
                f"{100 * r['autoattack']:.1f}",
                "{:.1f}–{:.1f}".format(*(100 * end for end in r["interval"])),
            )
            for r in rows
        ],
    )
    record = {"provenance": provenance(SEED, ("torch", "numpy", "pyautoattack")), "rows": rows}
    record["provenance"]["threads"] = torch.get_num_threads()
    write("robustness", record, text)


if __name__ == "__main__":
    main()
