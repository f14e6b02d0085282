"""Seconds of an epoch beside the textbook loop, and how soon a classifier reads 99 of 100 digits.

    python benchmarks/training.py [--repeats 3] [--epochs 15]

The textbook loop is what tutorials show: a ``DataLoader`` over a ``TensorDataset``, float32, Adam,
``loss.backward()``. Network, images, batch size, augmentation and number of threads are the same
for all; orders alternate between repetitions. bfloat16 is timed only where the processor multiplies
it faster than float32; elsewhere it is emulated, and never chosen.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from record import provenance, table, write
from torch.utils.data import DataLoader, TensorDataset

from xhat.core import generator
from xhat.learning import Jitter, build, fit, has_fast_bfloat16
from xhat_zoo import digits
from xhat_zoo.digits.training import train

SEED, BATCH, RATE = 0, 128, 6e-3
ROTATION = Jitter(angle=45.0)


def textbook() -> None:
    """One epoch as tutorials write it."""
    data = digits.split("surrogate_train")
    model, draws = build("SmallCNN", seed=SEED), generator(SEED)
    loader = DataLoader(TensorDataset(data.upright, data.labels), BATCH, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ROTATION(x, draws)), y)
        loss.backward()
        optimizer.step()
        total += loss.item()


def ours(*, autocast: bool = False) -> None:
    """One epoch of ``fit``."""
    data = digits.split("surrogate_train")
    fit(
        build("SmallCNN", seed=SEED),
        data.upright,
        data.labels,
        lambda model, x, y, _: F.cross_entropy(model(x), y),
        epochs=1,
        batch_size=BATCH,
        learning_rate=RATE,
        seed=SEED,
        augment=ROTATION,
        average=0.998,
        autocast=autocast,
    )


def seconds_of(run: Callable[[], None]) -> float:
    """Return how long one call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    """Time, train once, and write ``training.json`` and ``training.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    arguments = parser.parse_args()
    runs: dict[str, Callable[[], None]] = {"textbook loop, float32": textbook, "fit, float32": ours}
    if has_fast_bfloat16():
        runs["fit, bfloat16"] = lambda: ours(autocast=True)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(arguments.repeats):
        order = list(runs) if repeat % 2 == 0 else list(reversed(runs))
        for name in order:
            times[name].append(seconds_of(runs[name]))
            print(f"{name}: {times[name][-1]:.2f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        card = train("digits", "quick", out=folder, epochs=arguments.epochs)
    base = statistics.median(times["textbook loop, float32"])
    text = table(
        ("an epoch of 30,000 images", "median s", "all", "of the textbook's"),
        [
            (
                name,
                f"{statistics.median(found):.2f}",
                ", ".join(f"{t:.2f}" for t in found),
                f"{statistics.median(found) / base:.2f}",
            )
            for name, found in times.items()
        ],
    )
    text += (
        f"\n`xhat train digits --recipe quick --epochs {arguments.epochs}`: "
        f"{100 * card.metrics['accuracy']:.2f} % of the rotated test digits after "
        f"{card.seconds:.0f} s.\n"
    )
    record = {
        "provenance": provenance(SEED, ("torch", "numpy")),
        "threads": torch.get_num_threads(),
        "seconds": times,
        "reached": {
            "epochs": arguments.epochs,
            "seconds": card.seconds,
            "accuracy": card.metrics["accuracy"],
        },
    }
    write("training", record, text)


if __name__ == "__main__":
    main()
