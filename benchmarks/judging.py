"""Time and peak memory of judging 10,000 candidates against the full reference.

The judge is built first and timed apart: that happens once a process.
"""

import argparse
import resource
import statistics
import time

import torch
from record import provenance, table, write

from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge

N, REPEATS = 10_000, 3


def main() -> None:
    """Measure and write ``judging.json`` and ``judging.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    began = time.perf_counter()
    judge = digits_judge()
    building = time.perf_counter() - began
    test, seconds = digits.split("test"), []
    for _ in range(REPEATS):
        began = time.perf_counter()
        judge.judge(test.images[:N], test.labels[:N])
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    record = {
        "provenance": provenance(0, ("torch", "numpy")),
        "threads": threads,
        "reference": len(judge.reference),
        "building_s": building,
        "seconds": seconds,
        "median_s": statistics.median(seconds),
        "peak_gib": peak,
    }
    text = table(
        ("what", "measured", "asked"),
        [
            (f"{N:,} candidates, median of {REPEATS}", f"{record['median_s']:.1f} s", "30 s"),
            ("peak memory of the process", f"{peak:.2f} GiB", "2 GB"),
            ("building the judge, once", f"{building:.1f} s", ""),
        ],
    )
    write("judging", record, text)


if __name__ == "__main__":
    main()
