"""Every method on image data that nothing here was tuned on: clothes, and 8 x 8 digits.

    python benchmarks/own_images.py [--searches 100] [--seed 0]

A small network is trained as a user would train it, a ``Domain`` is made from the same samples, and
every method searches from held-out images to random other classes. The judge is the default one of
the domain, fitted to samples that no search saw. Its word is not a person's: how often it is wrong
on these very data is measured beside it, on held-out real images of the right and of a wrong class.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from record import provenance, table, write
from sklearn.datasets import load_digits
from torch import Tensor, nn

import xhat
from xhat.core import generator
from xhat.domain import PARTS
from xhat_zoo.digits.mnist import load_fashion

SHOWN = 8  # searches in the picture
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def data() -> dict[str, tuple[Tensor, Tensor]]:
    """Return images in [0, 1] and labels by name."""
    small = load_digits()
    clothes, labels = load_fashion()
    return {
        "digits 8x8": (
            torch.tensor(small.images / 16).float()[:, None],
            torch.tensor(small.target),
        ),
        "clothes 28x28": (clothes[:, None].float() / 255, labels),
    }


def classifier(x: Tensor, y: Tensor, seed: int) -> nn.Module:
    """Return a small convolutional network, trained as in any tutorial."""
    torch.manual_seed(seed)
    side = x.shape[-1]
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    steps = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(15):
        for rows in torch.randperm(len(x)).split(64):
            steps.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            steps.step()
    return net.eval()


def one(name: str, x: Tensor, y: Tensor, searches: int, seed: int) -> dict[str, Any]:
    """Return what every method does on one data set, and the pictures of some searches."""
    draws = generator(seed, name)
    order = torch.randperm(len(x), generator=draws)
    test, train = order[:200], order[200:]
    net = classifier(x[train], y[train], seed)
    domain = xhat.Domain(x[train].numpy(), y[train].numpy(), name=name, seed=seed)
    seconds = {}
    began = time.process_time()
    judge = domain.judge()
    seconds["judge"] = time.process_time() - began
    for part in PARTS:
        began = time.process_time()
        domain.network(part)
        seconds[part] = time.process_time() - began
    held, right = x[test], y[test]
    away = torch.randint(1, 10, right.shape, generator=draws)
    wrong = (right + away) % 10
    word = {
        "real, right class": judge.judge(held, right).counts()["genuine"] / len(held),
        "real, wrong class": judge.judge(held, wrong).counts()["genuine"] / len(held),
    }
    x0, target = held[:searches], wrong[:searches]
    mine = domain.halves[0]
    known, of_class = domain.x[mine].flatten(1), domain.labels[mine]
    away = torch.cdist(x0.flatten(1), known)
    away[target[:, None] != of_class] = torch.inf
    nearest = away.amin(dim=1)
    rows, pictures = [], [x0[:SHOWN]]
    for method in xhat.known_methods():
        began = time.process_time()
        found = xhat.optimize(net, x0, target, domain=domain, method=method)
        spent = time.process_time() - began
        counts = found.verdicts.counts()
        moved = (found.x - x0).flatten(1).norm(dim=1)
        rows.append({
            "method": method,
            "reached": float(found.reached.float().mean()),
            **{str(outcome): counts[outcome] / len(x0) for outcome in counts},
            "moved over nearest real": float((moved / nearest).median()),
            "ms": 1000 * spent / len(x0),
        })  # fmt: skip
        pictures.append(found.x[:SHOWN])
    accuracy = float((net(held).argmax(dim=1) == right).float().mean())
    return {
        "n": len(x), "accuracy": accuracy, "seconds": seconds, "judge": word, "rows": rows,
        "pictures": torch.stack(pictures),
    }  # fmt: skip


def draw(pictures: np.ndarray, path: Path) -> None:
    """Draw the starts ``(rows, n, h, w)``, and below them what each method made of them."""
    names = ("start", *xhat.known_methods())
    figure, axes = plt.subplots(*pictures.shape[:2], figsize=(8.0, 9.6), squeeze=False)
    for name, row, places in zip(names, pictures, axes, strict=True):
        for tile, place in zip(row, places, strict=True):
            place.imshow(tile, cmap="gray", vmin=0, vmax=1)
            place.set_xticks([])
            place.set_yticks([])
        places[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.subplots_adjust(
        left=0.16, right=0.995, top=0.995, bottom=0.005, wspace=0.04, hspace=0.04
    )
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    """Search, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    record: dict[str, Any] = {
        "provenance": provenance(options.seed, ("xhat", "torch", "scikit-learn"))
    }
    text = ""
    for name, (x, y) in data().items():
        found = one(name, x, y, options.searches, options.seed)
        tiles = found["pictures"][:, :, 0].clamp(0, 1).numpy()
        draw(tiles, IMAGES / f"own-images-{name.split()[0]}.png")
        del found["pictures"]
        record[name] = found
        trained = ", ".join(f"{part} {s:.0f} s" for part, s in found["seconds"].items())
        right, wrong = (100 * share for share in found["judge"].values())
        text += (
            f"\n**{name}**: {found['n']} images; the network that is searched reads "
            f"{100 * found['accuracy']:.1f} % of 200 held-out ones. Trained once, in processor "
            f"seconds: {trained}. Of the held-out images the judge calls {right:.0f} % genuine, "
            f"and {wrong:.0f} % where a wrong class is asked for.\n\n"
        )
        columns = ("reached", "genuine", "adversarial", "off_manifold", "out_of_distribution")
        head = ("method", "reached", "genuine", "adversarial", "off manifold", "out of d.",
                "moved / nearest real", "ms")  # fmt: skip
        text += table(
            head,
            [
                (
                    row["method"],
                    *(f"{row[name]:.2f}" for name in columns),
                    f"{row['moved over nearest real']:.2f}",
                    f"{row['ms']:.0f}",
                )
                for row in found["rows"]
            ],
        )
    write("own_images", record, text.lstrip())


if __name__ == "__main__":
    main()
