"""What a verdict costs: a digit beside 25,000 real ones, and the judge of 5,000 images of clothes.

Wall time depends on what else the machine does, so the processor's time stands beside it: on two
cores that nobody else uses, wall time is about half of it. The judge's parts are timed on their
own, on one thread.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from record import provenance, table, write
from verdict_data import fashion

from xhat import Domain
from xhat.judges import Jury
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge

N, REPEATS, IMAGES, THREADS = 1_000, 7, 5_000, 2


def main() -> None:
    """Measure and write ``verdict_cost.json`` and ``verdict_cost.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--without-fit", action="store_true", help="time the digits alone, and print"
    )
    options = parser.parse_args()
    judge, test = digits_judge(), digits.split("test")
    x, labels = test.images[:N], test.labels[:N]
    judge.judge(x, labels)  # what is made once
    calls = {str(k): timed(lambda: judge.judge(x, labels), REPEATS, k) for k in (1, THREADS)}
    looks: dict[str, Callable[[], object]] = {
        axis.names[0]: partial(axis.scores, x) for axis in judge.manifold
    }
    if judge.jury is not None:
        for name in judge.jury.names:
            looks[name] = partial(only(judge.jury, name).probabilities, x)
    parts = {name: timed(look, 3, 1)["processor_s"] for name, look in looks.items()}
    record: dict[str, Any] = {
        "provenance": provenance(0, ("torch", "numpy")),
        "n": N,
        "reference": len(judge.reference),
        "threads": calls,
        "parts_processor_s": parts,
    }
    limits = {"1 wall_s": "", "2 wall_s": "1 ms"}
    rows = [
        (
            f"a verdict, {k} thread{'s' * (k != '1')}: {kind[:-2].replace('_', ' ')}",
            milliseconds(call[kind]),
            limits.get(f"{k} {kind}", ""),
        )
        for k, call in calls.items()
        for kind in ("wall_s", "processor_s")
    ]
    if options.without_fit:
        print(table(("what", "measured", "asked"), rows))
        return
    record["domain"] = of_clothes()
    fit, load = record["domain"]["fit"], record["domain"]["load"]
    rows += [
        (f"the judge of {IMAGES:,} images: fit, wall", f"{fit['wall_s']:.0f} s", "90 s"),
        (f"the judge of {IMAGES:,} images: fit, processor", f"{fit['processor_s']:.0f} s", ""),
        ("the same from its file, wall", f"{load['wall_s']:.2f} s", "1 s"),
    ]
    shares = table(
        ("part of a verdict, alone on one thread", "processor"),
        [(name, milliseconds(spent)) for name, spent in parts.items()],
    )
    write("verdict_cost", record, table(("what", "measured", "asked"), rows) + "\n" + shares)


def timed(call: Callable[[], object], repeats: int, threads: int) -> dict[str, float]:
    """Return the medians of wall and processor time of a call."""
    torch.set_num_threads(threads)
    walls, spent = [], []
    for _ in range(repeats):
        began, before = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - began)
        spent.append(time.process_time() - before)
    return {"wall_s": statistics.median(walls), "processor_s": statistics.median(spent)}


def only(jury: Jury, name: str) -> Jury:
    """Return the jury with one member."""
    return Jury((jury.members[jury.names.index(name)],), (name,), jury.classes)


def of_clothes() -> dict[str, Any]:
    """Fit the judge of a domain, write it, and read it until it is ready to judge."""
    clothes = fashion()
    assert clothes.labels is not None  # noqa: S101 - they are labelled
    domain = Domain(clothes.x[:IMAGES], clothes.labels[:IMAGES], kind="image")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clothes.safetensors"
        fit = timed(domain.judge, 1, THREADS)
        domain.save(path)
        load = timed(lambda: Domain.load(path).judge(), 3, THREADS)
        return {"fit": fit, "load": load, "file_mib": path.stat().st_size / 2**20}


def milliseconds(seconds: float) -> str:
    """Return the time of one verdict."""
    return f"{1e3 * seconds / N:.2f} ms"


if __name__ == "__main__":
    main()
