"""The surrogate: a small classifier of rendered shapes, textbook in every respect."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xhat.core import atomic_folder_check, check_choice, check_count
from xhat.learning import Card, EpochRecord, load_checkpoint, save_checkpoint
from xhat.surrogates import train_classifier
from xhat_zoo.rendered.renderer import SHAPES
from xhat_zoo.rendered.samples import draw

__all__ = ["RECIPES", "WEIGHTS", "card", "surrogate", "train_surrogate"]

WEIGHTS = Path(__file__).parent / "weights"
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {
        "images": 3_000,
        "epochs": 30,
        "batch_size": 128,
        "learning_rate": 5e-3,
        "weight_decay": 0.01,
        "average": 0.998,
    }
}
_ARCHITECTURE, _ARGUMENTS = "ResidualNet", {"channels": 3, "width": 8, "classes": len(SHAPES)}
_TESTED = 5_000


def surrogate() -> nn.Module:
    """Return the shipped classifier, frozen and in evaluation mode.

    Raises:
        UnreadableFileError: its files are missing or damaged.

    Example:
        >>> some = draw(200, seed=4)
        >>> bool((surrogate()(some.images).argmax(dim=1) == some.labels).float().mean() > 0.9)
        True
    """
    return load_checkpoint(WEIGHTS, "plain")[0]


def card() -> Card:
    """Return where the shipped classifier comes from."""
    return load_checkpoint(WEIGHTS, "plain")[1]


def train_surrogate(
    name: str = "plain",
    *,
    out: str | Path,
    seed: int = 1,
    epochs: int | None = None,
    images: int | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> Card:
    """Train the classifier, measure it on fresh images, and write weights and card.

    Args:
        name: of the recipe, a key of ``RECIPES``.
        out: the folder to write to; checked before the work begins.
        seed: of images and training; the shipped files were made with 1.
        epochs: instead of the recipe's own number.
        images: to train on, instead of the recipe's own number.
        progress: called with a record after each epoch.

    Returns:
        The card as written.

    Raises:
        ValueError: an unknown recipe, or a number out of its range.
        PermissionError: ``out`` cannot be written to.
    """
    options = dict(RECIPES[check_choice("recipe", name, RECIPES)])
    given = {"epochs": epochs, "images": images}
    for option, value in given.items():
        if value is not None:
            options[option] = check_count(option, value)
    atomic_folder_check(out)
    seconds = 0.0

    def on_epoch(record: EpochRecord) -> None:
        nonlocal seconds
        seconds = record.seconds
        if progress is not None:
            progress(record)

    data = draw(options["images"], seed=seed, stream="surrogate")
    model = train_classifier(
        data.images,
        data.labels,
        seed=seed,
        architecture=_ARCHITECTURE,
        arguments=_ARGUMENTS,
        classes=len(SHAPES),
        jitter=None,
        on_epoch=on_epoch,
        **{k: v for k, v in options.items() if k != "images"},
    )
    words = {"epochs": "--epochs", "images": "--limit"}
    told = "".join(f" {words[k]} {v}" for k, v in given.items() if v is not None)
    return save_checkpoint(
        out,
        model,
        Card(
            name=name,
            task="rendered",
            architecture=_ARCHITECTURE,
            arguments=_ARGUMENTS,
            recipe=name,
            hyperparameters=options,
            seed=seed,
            split="drawn",
            split_size=options["images"],
            metrics=_measured(model, seed),
            seconds=round(seconds, 1),
            command=f"xhat train rendered --recipe {name} --seed {seed}{told}",
        ),
    )


def _measured(model: nn.Module, seed: int) -> dict[str, float]:
    test = draw(_TESTED, seed=seed, stream="surrogate, tested")
    with torch.no_grad():
        said = torch.cat([model(part).argmax(dim=1) for part in test.images.split(500)])
    right = (said == test.labels).double()
    each = {
        f"accuracy, {name}": float(right[test.labels == k].mean()) for k, name in enumerate(SHAPES)
    }
    return {"samples": _TESTED, "accuracy": float(right.mean()), **each}
