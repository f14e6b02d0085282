"""What the engine's promises cost: projections in spaces that are boxes, and restoration.

Processor seconds on one thread, medians. The first table times 20 steps of 200 candidates with 784
features in a ball, in a box and in what is a box by another name; the second four candidates of a
latent space with bounds on every decoded feature, kept by multipliers and restored.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, provenance, table, write
from torch import nn

from xhat.constraints import Bounds, L1Ball, L2Ball, LinfBall
from xhat.core import generator
from xhat.engine import AugmentedLagrangian, Problem, solve
from xhat.objectives import CrossEntropy
from xhat.spaces import Box, Latent, Masked, Space


class Subclass(Box):
    """A box by another name."""


def medians(runs: dict[str, Callable[[], Any]], repetitions: int) -> dict[str, float]:
    """Return the median processor time of each, all of them timed in turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repetitions):
        for name, run in runs.items():
            started = time.process_time()
            run()
            times[name].append(time.process_time() - started)
    return {name: statistics.median(taken) for name, taken in times.items()}


def boxes(seed: int, repetitions: int) -> dict[str, dict[str, float]]:
    """Time the same search in three spaces, in turn, with three balls."""
    random = generator(seed, "boxes")
    x0, free = torch.rand(200, 784, generator=random), torch.rand(784, generator=random) > 0.3
    net = nn.Sequential(nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10)).eval()
    spaces: dict[str, Space] = {
        "Box": Box(),
        "Masked(Box)": Masked(Box(), free, x0),
        "subclass of Box": Subclass(),
    }
    found: dict[str, dict[str, float]] = {}
    for ball, radius in ((LinfBall, 0.1), (L2Ball, 1.0), (L1Ball, 5.0)):
        runs = {
            name: lambda space=space, ball=ball, radius=radius: solve(
                Problem(CrossEntropy(net, 1), space, ball(x0, radius)), x0, max_steps=20
            )
            for name, space in spaces.items()
        }
        found[ball.__name__] = medians(runs, repetitions)
    return found


def restorations(sizes: tuple[int, ...], seeds: int) -> list[dict[str, Any]]:
    """Search four candidates under bounds that a decoder breaks."""
    found = []
    for size in sizes:
        for seed in range(seeds):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                encoder = nn.Linear(size, 8).eval()
                decoder = nn.Sequential(nn.Linear(8, size), nn.Sigmoid()).eval()
                net, x0 = nn.Linear(size, 3).eval(), torch.rand(4, size)
            problem = Problem(CrossEntropy(net, 1), Latent(encoder, decoder), Bounds(0.01, 0.95))
            started = time.process_time()
            result = solve(problem, x0, max_steps=5, stepper=AugmentedLagrangian(rounds=2))
            taken = time.process_time() - started
            feasible = int(result.feasible.sum())
            found.append({"features": size, "seed": seed, "seconds": taken, "feasible": feasible})
    return found


def main() -> None:
    """Measure and write ``promises.json`` and ``promises.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    timed = boxes(options.seed, options.repetitions)
    restored = restorations((100, 300, 784, 2000), 4)
    first = table(
        ("ball", *next(iter(timed.values()))),
        [
            (ball, *(f"{value:.3f} ({value / times['Box']:.2f} ×)" for value in times.values()))
            for ball, times in timed.items()
        ],
    )
    sizes = sorted({run["features"] for run in restored})
    of = {size: [run for run in restored if run["features"] == size] for size in sizes}
    second = table(
        ("features", "median s", "largest s", "feasible of 16"),
        [
            (
                f"{size:,}",
                f"{statistics.median(run['seconds'] for run in runs):.2f}",
                f"{max(run['seconds'] for run in runs):.2f}",
                sum(run["feasible"] for run in runs),
            )
            for size, runs in of.items()
        ],
    )
    record = {
        "provenance": provenance(options.seed, ("xhat", "torch", "numpy")),
        "boxes": timed,
        "restorations": restored,
    }
    write("promises", record, f"{first}\n{second}")


if __name__ == "__main__":
    main()
