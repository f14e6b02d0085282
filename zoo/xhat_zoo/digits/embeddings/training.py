"""Training of an embedding of digits: from embedded data to weights and a card that measures them.

An embedding trains on the surrogates' split and is measured on the rotated test split; neighbours
are looked for in the calibration split. It leaves ``NAME.safetensors`` and ``NAME.json`` behind.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from xhat.core import atomic_folder_check, check_choice, check_positive
from xhat.learning import Card, EpochRecord, save_checkpoint
from xhat.metrics import intrinsic_dimension
from xhat_zoo import digits
from xhat_zoo.digits.embeddings import (
    classes_per_place,
    embedding,
    latent_box,
    train_embedding,
)
from xhat_zoo.digits.embeddings.flows import FlowAutoencoder

__all__ = ["box_of", "measure_embedding", "train_digits_embedding"]

_PART = 500
_FEW = 101  # different latents that the intrinsic dimension needs
_MEASURED = 2_000  # test images, and as many known ones
_SHARE = 0.999  # of real digits, that every side of the box holds


def train_digits_embedding(
    task: str,
    name: str,
    *,
    out: str | Path,
    latent: int | None = None,
    beta: float | None = None,
    seed: int = 1,
    epochs: int | None = None,
    limit: int | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> Card:
    """Train one kind of embedding, measure it on the test split, and write weights and card.

    Args:
        task: ``"digits"``.
        name: a key of ``xhat_zoo.digits.embeddings.EMBEDDINGS``.
        out: the folder to write to; checked before the work begins.
        latent: the number of latent values; None for the kind's own.
        beta: weight of the divergence, for ``beta-vae``; None for the kind's own.
        seed: of the training.
        epochs: instead of the kind's own number.
        limit: use this many samples only, for training and for measuring.
        progress: called with a record after each epoch.

    Returns:
        The card as written.

    Raises:
        ImportError: a flow without the extra ``flow``.
        ValueError: an unknown task or kind, or a number out of its range.
        PermissionError: ``out`` cannot be written to.
    """
    check_choice("task", task, ("digits",))
    kind = embedding(name)
    size, weight = kind.check(latent, beta)
    options = {"--latent": latent, "--beta": beta, "--epochs": epochs, "--limit": limit}
    for option in ("--epochs", "--limit"):
        if (value := options[option]) is not None:
            check_positive(option.strip("-"), value)
    atomic_folder_check(out)
    data, seconds = digits.split("surrogate_train"), 0.0
    images, labels = data.upright[:limit], data.labels[:limit]

    def on_epoch(record: EpochRecord) -> None:
        nonlocal seconds
        seconds = record.seconds
        if progress is not None:
            progress(record)

    schedule: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    if kind.prior_steps:  # as much shorter or longer as the rest
        share = (epochs or kind.schedule["epochs"]) / kind.schedule["epochs"]
        schedule["prior_steps"] = math.ceil(kind.prior_steps * share)
    model = train_embedding(
        name, images, labels, seed=seed, latent=size, beta=beta, on_epoch=on_epoch, **schedule
    )
    told = "".join(f" {k} {v}" for k, v in options.items() if v is not None)
    card = Card(
        name=name,
        task=task,
        architecture=kind.architecture,
        arguments=kind.arguments(images, size),
        recipe=name,
        hyperparameters=dict(kind.schedule) | schedule | {"latent": size, "beta": weight},
        seed=seed,
        split=data.name,
        split_size=len(images),
        metrics=measure_embedding(model, limit=limit),
        seconds=round(seconds, 1),
        command=f"xhat train {task} --embedding {name}{told} --seed {seed}",
    )
    return save_checkpoint(out, model, card)


def measure_embedding(model: nn.Module, *, limit: int | None = None) -> dict[str, float]:
    """Return what a card says of an embedding of digits, on the rotated test split.

    Args:
        model: has ``encode`` and perhaps ``decode``, in evaluation mode.
        limit: use the first samples only.

    Returns:
        ``box_low_K`` and ``box_high_K``, between which 99.9 % of digits lie in every dimension;
        ``knn_accuracy``, by the 5 nearest of other digits; ``distance_within`` and
        ``distance_between`` classes, means over pairs; ``classes_per_place``. With a decoder
        ``squared_error_per_image``; from 2 latent values on, ``dimension_low`` and
        ``dimension_high``, the least and greatest estimate of the intrinsic dimension, which a
        line has by definition; for a flow the ``nats_per_dimension`` of held-out latents, and those
        of a Gaussian that is fitted to the same known ones.

    Raises:
        TypeError: a model that cannot encode.
    """
    encode = getattr(model, "encode", None)
    if encode is None:
        raise TypeError(f"an embedding must have encode, but {type(model).__name__} has none.")
    test, known = digits.split("test"), digits.split("calibration")
    images, labels = test.images[:_MEASURED][:limit], test.labels[:_MEASURED][:limit]
    z = _by_parts(encode, images)
    there, others = known.images[:_MEASURED][:limit], known.labels[:_MEASURED][:limit]
    there = _by_parts(encode, there)
    low, high = latent_box(z, _SHARE)
    found: dict[str, float] = {"samples": len(images)}
    if (decode := getattr(model, "decode", None)) is not None:
        away = _by_parts(decode, z) - images
        found["squared_error_per_image"] = float(away.square().sum((1, 2, 3)).mean())
    found |= _neighbourhood(z, labels, there, others)
    found |= _dimension(there)
    if isinstance(model, FlowAutoencoder):
        found |= _likelihood(model, z, there)
    for k, (least, most) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        found |= {f"box_low_{k}": least, f"box_high_{k}": most}
    return found


def box_of(card: Card) -> tuple[Tensor, Tensor]:
    """Return the lower and upper ends of a card's latent box: ``Latent(..., limit=box_of(card))``.

    Raises:
        ValueError: the card is of no embedding.
    """
    sides = [[], []]
    for side, name in zip(sides, ("box_low", "box_high"), strict=True):
        while (key := f"{name}_{len(side)}") in card.metrics:
            side.append(card.metrics[key])
    low, high = (torch.tensor(side) for side in sides)
    if not len(low):
        raise ValueError(f"the card of {card.name} has no latent box; it is of no embedding.")
    return low, high


def _neighbourhood(z: Tensor, labels: Tensor, there: Tensor, known: Tensor) -> dict[str, float]:
    distance = torch.cdist(z, there)
    near = known[distance.topk(5, dim=1, largest=False).indices]
    voted = torch.nn.functional.one_hot(near, digits.CLASSES).sum(dim=1).argmax(dim=1)
    alike = labels[:, None] == known[None]
    return {
        "knn_accuracy": float((voted == labels).double().mean()),
        "distance_within": float(distance[alike].mean()),
        "distance_between": float(distance[~alike].mean()),
        "classes_per_place": classes_per_place(there, known, z),
    }


def _dimension(z: Tensor) -> dict[str, float]:
    if z.shape[1] == 1:
        return {"dimension_low": 1.0, "dimension_high": 1.0}
    if len(z.unique(dim=0)) < _FEW:
        return {}
    found = intrinsic_dimension(z)
    return {"dimension_low": found.low, "dimension_high": found.high}


def _likelihood(model: FlowAutoencoder, z: Tensor, there: Tensor) -> dict[str, float]:
    """Return nats per dimension of held-out latents by the flow and by a fitted Gaussian."""
    size = z.shape[1]
    spread = torch.cov(there.T).reshape(size, size) + 1e-6 * torch.eye(size)
    gaussian = MultivariateNormal(there.mean(0), spread)
    with torch.no_grad():
        by_flow = torch.cat([model.prior.log_prob(part) for part in z.split(_PART)])
        by_gaussian = gaussian.log_prob(z)
    return {
        "nats_per_dimension": -float(by_flow.mean()) / size,
        "gaussian_nats_per_dimension": -float(by_gaussian.mean()) / size,
    }


def _by_parts(function: Callable[[Tensor], Any], x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([function(part) for part in x.split(_PART)])
