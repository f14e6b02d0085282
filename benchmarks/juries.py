"""What the default jury of a domain sees: accuracy, log loss, calibration, seconds to fit.

    python benchmarks/juries.py --fashion FOLDER    # that has all test images of Fashion-MNIST
    python benchmarks/juries.py --as before         # with the library of another commit

Without ``--fashion`` the 1,000 images that the zoo brings are used. Rows of the other name stay in
the file as they are, so that two versions of the library stand side by side.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from record import RESULTS, provenance, table, write
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from torch import Tensor

from xhat.core import generator
from xhat.judges import Judge
from xhat.metrics import expected_calibration_error
from xhat_zoo.digits.mnist import load_fashion, read_idx

SEEDS = (0, 1, 2)
KNOWN, MOST = 0.7, 5_000  # share of the samples that the judge is fitted to, and at most
FIGURES = ("accuracy", "log_loss", "calibration_error", "none_of_noise", "seconds")


def waves(n: int = 1_500, length: int = 64) -> tuple[Tensor, Tensor]:
    """Return sines, squares and saw teeth ``(n, 1, length)`` of any phase, in noise."""
    draws = generator(0, "waves")
    labels = torch.arange(n) % 3
    phase, turns = torch.rand(n, 1, generator=draws), 2 + 2 * torch.rand(n, 1, generator=draws)
    t = (phase + turns * torch.linspace(0, 1, length)) % 1
    shapes = torch.stack(((2 * math.pi * t).sin(), (t < 0.5) * 2.0 - 1, 2 * t - 1))
    clean = shapes[labels, torch.arange(n)]
    return (clean + 0.5 * torch.randn(n, length, generator=draws))[:, None], labels


def clothes(folder: Path | None) -> tuple[Tensor, Tensor]:
    """Return images of Fashion-MNIST and their labels: all of its test part, if it is there."""
    if folder is None:
        return load_fashion()
    parts = (f"fashion-mnist/t10k-{part}-ubyte.xz" for part in ("images-idx3", "labels-idx1"))
    images, labels = (read_idx(folder, part) for part in parts)
    return images, labels


def data(fashion: Path | None) -> dict[str, tuple[Tensor, Tensor]]:
    """Return samples and labels by name; no sample twice."""
    images, kinds = clothes(fashion)
    digits = load_digits()
    found = {"signals": waves(), "8×8 digits": (digits.images[:, None] / 16, digits.target)}
    for name, load in (("iris", load_iris), ("wine", load_wine), ("cancer", load_breast_cancer)):
        found[name] = load(return_X_y=True)
    found["Fashion-MNIST"] = (images[:, None] / 255, kinds)
    return {name: _distinct(*both) for name, both in found.items()}


def measured(x: Tensor, labels: Tensor, seed: int) -> dict[str, float]:
    """Fit a judge to a part of the samples; return what its jury makes of the others."""
    order = torch.randperm(len(x), generator=generator(seed, "juries"))
    known, new = order.tensor_split([min(MOST, round(KNOWN * len(x)))])
    start = time.perf_counter()
    judge = Judge.fit(x[known], labels[known], seed=seed)
    seconds = time.perf_counter() - start
    jury = judge.jury
    assert jury is not None  # noqa: S101 - there are labels
    seen = jury.together(jury.probabilities(x[new]))
    noise = x[new] + 3 * x.std(dim=0) * torch.randn(x[new].shape, generator=generator(seed))
    none = jury.together(jury.probabilities(noise))[:, -1]
    return {
        "accuracy": float((seen.argmax(1) == labels[new]).float().mean()),
        "log_loss": float(-seen.gather(1, labels[new, None]).log().mean()),
        "calibration_error": expected_calibration_error(seen.log(), labels[new]),
        "none_of_noise": float((none > 0.5).float().mean()),
        "seconds": seconds,
    }


def _distinct(x: object, labels: object) -> tuple[Tensor, Tensor]:
    x, labels = torch.as_tensor(x).float(), torch.as_tensor(labels).long()
    _, place = torch.unique(x.flatten(1), dim=0, return_inverse=True)
    first = torch.full((len(x),), len(x)).scatter_reduce(0, place, torch.arange(len(x)), "amin")
    first = first[first < len(x)].sort().values
    return x[first], labels[first]


def _tables(record: dict) -> str:
    head = ("data", "samples", "library", *(name.replace("_", " ") for name in FIGURES))
    lines = [
        (data, row["samples"], name, *(f"{row[f][0]:.3f} ± {row[f][1]:.3f}" for f in FIGURES))
        for data in next(iter(record["rows"].values()))
        for name, rows in sorted(record["rows"].items(), reverse=True)
        if (row := rows.get(data)) is not None
    ]
    return (
        "# The default jury\n\nMean and standard deviation over seeds 0 to 2, on held-out "
        "samples; *none of noise*: the share of samples with noise of three standard deviations "
        "in which it sees no class.\n\n" + table(head, lines)
    )


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fashion", type=Path)
    parser.add_argument("--as", dest="name", default="after", choices=("before", "after"))
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    kept = RESULTS / "juries.json"
    record = json.loads(kept.read_text()) if kept.exists() else {"rows": {}}
    rows = record["rows"].setdefault(options.name, {})
    for name, (x, labels) in data(options.fashion).items():
        if options.only and name not in options.only:
            continue
        each = [measured(x, labels, seed) for seed in SEEDS]
        rows[name] = {"samples": len(x), "threads": torch.get_num_threads()}
        for figure in FIGURES:
            values = torch.tensor([one[figure] for one in each])
            rows[name][figure] = [float(values.mean()), float(values.std())]
        print(name, rows[name], flush=True)
    record["provenance"] = provenance(0, ("xhat", "torch", "scikit-learn"))
    write("juries", record, _tables(record))


if __name__ == "__main__":
    main()
