"""What embeddings of digits are worth: a table of their cards, and a picture of what they decode.

    for kind in autoencoder beta-vae metric line flow; do
        xhat train digits --embedding $kind --out runs/embeddings
    done
    python benchmarks/embeddings.py [--weights runs/embeddings]

Every number is from the cards, but for the time: half a minute of training on 2,560 images tells
how many minutes of one core the whole takes (wall time on the cards says what else ran then). The
weights are not kept here; the commands make them again.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from record import HERE, provenance, table, write
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from xhat.core import generator
from xhat.learning import Card, load_checkpoint
from xhat_zoo import digits
from xhat_zoo.digits.embeddings import EMBEDDINGS, embedding, train_embedding
from xhat_zoo.digits.embeddings.flows import FlowAutoencoder

SEED, TIMED, ROW = 0, 2_560, 14
PICTURE = HERE.parent / "docs" / "images" / "embeddings.png"


def minutes(name: str, images: int) -> float:
    """Return the processor minutes of a training at its default length on so many images."""
    data, kind = digits.split("surrogate_train"), embedding(name)
    x, labels = data.upright[:TIMED], data.labels[:TIMED]
    told: dict[str, Any] = {"prior_steps": 20} if kind.prior_steps else {}

    def seconds(**schedule: Any) -> float:
        began = time.process_time()
        train_embedding(name, x, labels, seed=SEED, epochs=1, **schedule)
        return time.process_time() - began

    epoch = seconds(**told)
    prior = 0.0
    if kind.prior_steps:
        step = (seconds(prior_steps=80) - epoch) / 60
        prior, epoch = kind.prior_steps * step, epoch - 20 * step
    return (kind.schedule["epochs"] * epoch * images / TIMED + prior) / 60


def row(card: Card) -> dict[str, Any]:
    """Return what the table says of an embedding."""
    of = card.metrics
    sides = [of[f"box_high_{k}"] - of[f"box_low_{k}"] for k in range(_size(of))]
    return {
        "name": card.name,
        "latent": len(sides),
        "parameters": card.parameters,
        "epochs": card.hyperparameters["epochs"],
        "images": card.split_size,
        "error": of.get("squared_error_per_image"),
        "side": [min(sides), sorted(sides)[len(sides) // 2], max(sides)],
        "dimension": [of.get("dimension_low"), of.get("dimension_high")],
        "neighbours": of["knn_accuracy"],
        "within over between": of["distance_within"] / of["distance_between"],
        "classes per place": of["classes_per_place"],
        "nats": of.get("nats_per_dimension"),
        "gaussian nats": of.get("gaussian_nats_per_dimension"),
        "minutes": minutes(card.name, card.split_size),
        "command": card.command,
        "sha256": card.sha256,
    }


def _size(of: dict[str, float]) -> int:
    return sum(name.startswith("box_low_") for name in of)


def words(rows: list[dict[str, Any]]) -> str:
    """Return the table in Markdown."""
    head = (
        "embedding", "latent values", "squared error of a rebuilt image",
        "side of the box: least, median, largest", "intrinsic dimension",
        "nearest neighbours of the right class", "distance within / between classes",
        "classes per place", "nats a dimension, less is better: flow (Gaussian)", "parameters",
        "minutes of one core",
    )  # fmt: skip
    lines = []
    for of in rows:
        low, high = of["dimension"]
        dimension = "1" if of["latent"] == 1 else "–" if low is None else f"{low:.1f} to {high:.1f}"
        nats = "–" if of["nats"] is None else f"{of['nats']:.2f} ({of['gaussian nats']:.2f})"
        lines.append(
            (
                of["name"],
                of["latent"],
                "–" if of["error"] is None else f"{of['error']:.1f}",
                ", ".join(f"{side:.1f}" for side in of["side"]),
                dimension,
                f"{100 * of['neighbours']:.1f} %",
                f"{of['within over between']:.2f}",
                f"{of['classes per place']:.2f}",
                nats,
                f"{of['parameters']:,}",
                f"{of['minutes']:.0f}",
            )
        )
    return table(head, lines)


@torch.no_grad()
def strips(models: dict[str, nn.Module]) -> dict[str, Tensor]:
    """Return rows of images: real digits, the same rebuilt, the line, and draws of priors."""
    test = digits.split("test")
    first = [int((test.labels == k).nonzero()[j]) for k in range(10) for j in (0, 1)][:ROW]
    real = test.images[first]
    found = {"real, unseen": real}
    decoding = {name: model for name, model in models.items() if hasattr(model, "decode")}
    for name, model in decoding.items():
        found[f"{name}, rebuilt"] = model.decode(model.encode(real))
    if "line" in models:
        line = models["line"]
        found["along the line, middles of bins"] = line.decode(torch.arange(10.0)[:, None] + 0.5)
        for k in (3, 4):
            ends = torch.linspace(k + 0.5, k + 1.5, ROW)[:, None]
            found[f"the line from {k} to {k + 1}"] = line.decode(ends)
    flow, draws = models.get("flow"), generator(SEED, "drawn")
    if isinstance(flow, FlowAutoencoder):
        found["drawn from the flow"] = flow.decode(flow.prior.sample(ROW, draws))
        known = flow.encode(digits.split("calibration").images[:2_000])
        gaussian = MultivariateNormal(known.mean(0), torch.cov(known.T))
        noise = torch.randn(ROW, known.shape[1], generator=draws)
        found["drawn from a Gaussian of its latents"] = flow.decode(
            gaussian.mean + noise @ gaussian.scale_tril.T
        )
    if "beta-vae" in models:
        noise = torch.randn(ROW, models["beta-vae"].latent, generator=draws)
        found["drawn from the prior of beta-vae"] = models["beta-vae"].decode(noise)
    return found


def draw(found: dict[str, Tensor], path: Path) -> None:
    """Write the rows as one picture."""
    figure, axes = plt.subplots(len(found), 1, figsize=(9.5, 0.56 * len(found)))
    for axis, (said, images) in zip(axes, found.items(), strict=True):
        axis.imshow(torch.cat(list(images[:, 0]), dim=1), cmap="gray_r", vmin=0, vmax=1)
        axis.set_axis_off()
        axis.set_xlim(0, 28 * ROW)
        axis.text(-6, 14, said, ha="right", va="center", fontsize=8)
    figure.subplots_adjust(left=0.26, right=0.995, top=0.995, bottom=0.005, hspace=0.06)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Read the cards, write ``embeddings.json``, ``embeddings.md`` and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=HERE.parent / "runs" / "embeddings")
    arguments = parser.parse_args()
    known = [name for name in EMBEDDINGS if (arguments.weights / f"{name}.json").exists()]
    if not known:
        raise SystemExit(f"there are no embeddings in {arguments.weights}; train some, as above.")
    models: dict[str, nn.Module] = {}
    rows: list[dict[str, Any]] = []
    for name in known:
        models[name], card = load_checkpoint(arguments.weights, name)
        rows.append(row(card))
    draw(strips(models), PICTURE)
    record = {"provenance": provenance(SEED, ("torch", "numpy")), "rows": rows}
    write("embeddings", record, words(rows))


if __name__ == "__main__":
    main()
