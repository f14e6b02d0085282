"""Rendered shapes: how often a judge's outcome is the true one, which the renderer computes.

    python benchmarks/rendered_truth.py                       # the judge of the task
    python benchmarks/rendered_truth.py --judge default       # that of a Domain of 4,000 images
    python benchmarks/rendered_truth.py --method retrieval    # also what this method finds

Rows of the other judge stay in the file as they are. The seed is one that nothing was chosen on.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, provenance, table, write

from xhat.domain import Domain
from xhat.judges import Outcome
from xhat_zoo.rendered import SHAPES, draw, surrogate
from xhat_zoo.rendered.agreement import Row, agree, confusion
from xhat_zoo.rendered.controls import material
from xhat_zoo.rendered.demo import save_verdicts_png
from xhat_zoo.rendered.task import rendered_domain

KNOWN = 4_000  # images of a domain whose judge is fitted


def domain_of(judge: str) -> Domain:
    """Return rendered shapes with one of the judges, fitted."""
    if judge == "task":
        return rendered_domain()
    data = draw(KNOWN, seed=1, stream="domain")
    return Domain(data.images, data.labels, classes=SHAPES, kind="image", limits=(0.0, 1.0))


def recorded(rows: list[Row]) -> dict[str, Any]:
    """Return what a file keeps."""
    n = sum(map(len, rows))
    return {
        "n": n,
        "right": sum(row.right for row in rows) / n,
        "undecided": sum(row.said.count(Outcome.UNDECIDED) for row in rows) / n,
        "overclaimed": sum(row.overclaimed for row in rows) / n,
        "kinds": {
            row.name: {
                "n": len(row),
                "right": row.right / len(row),
                "overclaimed": row.overclaimed / len(row),
                "true": {str(k): v for k, v in Counter(row.true).items()},
                "said": {str(k): v for k, v in Counter(row.said).items()},
            }
            for row in rows
        },
        "confusion": confusion(rows).tolist(),
    }


def tables(record: dict[str, Any]) -> str:
    """Return what the page shows."""
    text = ""
    for judge, of in record["judges"].items():
        lead = "\n" if text else ""
        text += (
            f"{lead}Judge: {judge}, ready in {of['seconds_to_fit']:.0f} s. Of {of['n']} verdicts "
            f"{of['right']:.3f} are the true outcome; {of['undecided']:.3f} are undecided, and "
            f"{of['overclaimed']:.3f} say genuine where the truth does not.\n\n"
        )
        text += table(
            ("kind", "n", "right", "genuine, and is not", "truth", "judge"),
            [
                (
                    name,
                    row["n"],
                    f"{row['right']:.2f}",
                    f"{row['overclaimed']:.2f}",
                    *(
                        ", ".join(f"{n} {o.replace('_', ' ')}" for o, n in row[who].items())
                        for who in ("true", "said")
                    ),
                )
                for name, row in of["kinds"].items()
            ],
        )
        counts = torch.tensor(of["confusion"])
        names = [str(o).replace("_", " ") for o in Outcome]
        some, other = counts.sum(dim=1).nonzero()[:, 0], counts.sum(dim=0).nonzero()[:, 0]
        text += "\n" + table(
            ("truth, down; judge, across", *(names[k] for k in other)),
            [(names[i], *(int(counts[i, k]) for k in other)) for i in some],
        )
    return text


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", default="task", choices=("task", "default"))
    parser.add_argument("--method", nargs="*", default=["plain", "proximal"])
    parser.add_argument("--n", type=int, default=60, help="images of a kind")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--picture", type=Path, help="also draw the first of every kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    domain = domain_of(options.judge)
    domain.judge()
    seconds = time.perf_counter() - start
    of = material(surrogate(), options.n, seed=options.seed)
    rows = agree(
        domain, of, methods=options.method, on_progress=lambda *told: print(*told, flush=True)
    )
    kept = RESULTS / "rendered_truth.json"
    record = json.loads(kept.read_text()) if kept.exists() else {"judges": {}}
    record["judges"][options.judge] = recorded(rows) | {"seconds_to_fit": seconds}
    record["provenance"] = provenance(options.seed, ("xhat", "torch"))
    write("rendered_truth", record, tables(record))
    if options.picture is not None:
        save_verdicts_png(options.picture, rows)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
