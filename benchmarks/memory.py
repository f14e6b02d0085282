"""Peak memory of a search of 10,000 and of 100,000 candidates, each in a process of its own.

The engine works through candidates chunk by chunk, so that its peak may grow by no more than the
arrays that hold the inputs and the results:

    peak(100,000) <= 1.3 * peak(10,000) + arrays(100,000)

This parent imports no torch: a child's recorded peak starts from its parent's.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from record import RESULTS, provenance, table, write

FEW, MANY, STEPS, GROWTH = 10_000, 100_000, 3, 1.3
MIB = 2**20


def search(n: int, seed: int, threads: int) -> dict[str, float]:
    """Search ``n`` candidates in this process; return its peak and the size of the arrays, MiB."""
    import torch

    from xhat.attacks import pgd
    from xhat.core import generator
    from xhat_zoo import digits

    torch.set_num_threads(threads)
    model = digits.surrogate("plain").eval()
    random = generator(seed, "memory")
    x0 = torch.rand(n, 1, 28, 28, generator=random)
    target = torch.randint(0, 10, (n,), generator=random)
    before = _peak()
    result = pgd(model, x0, target, steps=STEPS)
    held = [value for value in vars(result).values() if isinstance(value, torch.Tensor)]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in (x0, target, *held)}
    arrays = sum(storage.nbytes() for storage in storages.values())
    return {"n": n, "peak": _peak(), "before": before, "arrays": arrays / MIB}


def measured(n: int, seed: int, threads: int) -> dict[str, float]:
    """Run ``search`` in a fresh process."""
    call = [sys.executable, __file__, "--child", str(n), "--seed", str(seed)]
    call += ["--threads", str(threads)]
    return json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)


def _peak() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure, check and write ``memory.json`` and ``memory.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--child", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        print(json.dumps(search(options.child, options.seed, options.threads)))
        return

    runs = {
        n: [measured(n, options.seed, options.threads) for _ in range(options.repetitions)]
        for n in (FEW, MANY)
    }
    few, many = (max(runs[n], key=lambda run: run["peak"]) for n in (FEW, MANY))
    limit = GROWTH * few["peak"] + many["arrays"]
    holds = many["peak"] <= limit
    record: dict[str, Any] = {
        "provenance": provenance(options.seed, ("xhat", "torch", "numpy")),
        "setting": {"steps": STEPS, "threads": options.threads, "unit": "MiB"},
        "runs": {str(n): found for n, found in runs.items()},
        "limit": limit,
        "holds": holds,
    }
    head = ("candidates", "peak MiB", "of these inputs and results", "before the search", "limit")
    body = [
        (f"{run['n']:,}", *(f"{run[k]:.0f}" for k in ("peak", "arrays", "before")), bound)
        for run, bound in ((few, ""), (many, f"{limit:.0f}"))
    ]
    setting = (
        f"Peak memory of `pgd` on the shipped classifier ({STEPS} steps, the default chunk), the "
        f"largest of {options.repetitions} runs; the limit is {GROWTH} × the first peak plus the "
        f"arrays of the second: {'kept' if holds else '**broken**'}."
    )
    write("memory", record, f"{setting}\n\n{table(head, body)}", options.out)
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
