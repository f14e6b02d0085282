"""The classifiers of rendered shapes: a surrogate, and two that judge.

The surrogate ``plain`` is textbook in every respect. The judges have more images, a further class
for what is no shape (``xhat.judges.lessons``), and seeds and architectures of their own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import atomic_folder_check, check_choice, check_count, generator
from xhat.judges.lessons import Lesson
from xhat.learning import Card, EpochRecord, load_checkpoint, save_checkpoint
from xhat.surrogates import train_classifier
from xhat_zoo.rendered.renderer import SHAPES
from xhat_zoo.rendered.samples import draw

__all__ = ["JUDGES", "RECIPES", "WEIGHTS", "card", "load", "surrogate", "train"]

WEIGHTS = Path(__file__).parent / "weights"
_LONG = {"epochs": 16, "batch_size": 128, "weight_decay": 0.01, "average": 0.998}
RECIPES: dict[str, dict[str, Any]] = {
    "plain": _LONG | {"images": 3_000, "none": 0, "epochs": 30, "learning_rate": 5e-3},
    "judge-residual": _LONG | {"images": 10_000, "none": 3_000, "learning_rate": 5e-3},
    "judge-contrast": _LONG | {"images": 10_000, "none": 3_000, "learning_rate": 3e-3},
}
"""How each network is trained; ``none`` is the number of images of no class."""
JUDGES = tuple(name for name in RECIPES if RECIPES[name]["none"])

_NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("ResidualNet", {"channels": 3, "width": 8}),
    "judge-residual": ("ResidualNet", {"channels": 3, "width": 8}),
    "judge-contrast": ("ContrastCNN", {"width": 8}),
}
_SEEDS = {"plain": 1, "judge-residual": 2, "judge-contrast": 3}
_TESTED = 5_000


def load(name: str) -> nn.Module:
    """Return a shipped network, frozen and in evaluation mode; a key of ``RECIPES``.

    Raises:
        ValueError: there is none of that name.
        UnreadableFileError: its files are missing or damaged.
    """
    return load_checkpoint(WEIGHTS, check_choice("network", name, RECIPES))[0]


def surrogate() -> nn.Module:
    """Return the shipped surrogate, ``(n, 3, 32, 32)`` to logits ``(n, 6)``.

    Example:
        >>> some = draw(200, seed=4)
        >>> bool((surrogate()(some.images).argmax(dim=1) == some.labels).float().mean() > 0.9)
        True
    """
    return load("plain")


def card(name: str) -> Card:
    """Return where a shipped network comes from; a key of ``RECIPES``."""
    return load_checkpoint(WEIGHTS, check_choice("network", name, RECIPES))[1]


def train(
    name: str = "plain",
    *,
    out: str | Path,
    seed: int | None = None,
    epochs: int | None = None,
    images: int | None = None,
    progress: Callable[[EpochRecord], None] | None = None,
) -> Card:
    """Train a network, measure it on fresh images, and write weights and card.

    Args:
        name: of the recipe, a key of ``RECIPES``.
        out: the folder to write to; checked before the work begins.
        seed: of images and training; None for that of the shipped files.
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
    seed = _SEEDS[name] if seed is None else seed
    words = ""
    for option, word, value in (("epochs", "--epochs", epochs), ("images", "--limit", images)):
        if value is not None:
            options[option] = check_count(option, value)
            words += f" {word} {value}"
    atomic_folder_check(out)
    seconds = 0.0

    def on_epoch(record: EpochRecord) -> None:
        nonlocal seconds
        seconds = record.seconds
        if progress is not None:
            progress(record)

    outputs = len(SHAPES) + bool(options["none"])
    architecture, arguments = _NETWORKS[name]
    arguments = arguments | {"classes": outputs}
    model = train_classifier(
        *_lesson(options["images"], options["none"], seed),
        seed=seed,
        architecture=architecture,
        arguments=arguments,
        classes=outputs,
        jitter=None,
        on_epoch=on_epoch,
        **{k: v for k, v in options.items() if k not in ("images", "none")},
    )
    return save_checkpoint(
        out,
        model,
        Card(
            name=name,
            task="rendered",
            architecture=architecture,
            arguments=arguments,
            recipe=name,
            hyperparameters=options,
            seed=seed,
            split="drawn",
            split_size=options["images"],
            metrics=_measured(model, seed),
            seconds=round(seconds, 1),
            command=f"xhat train rendered --recipe {name} --seed {seed}{words}",
        ),
    )


def _lesson(images: int, none: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return images to train on, those of no class among them, and their labels."""
    data = draw(images, seed=seed, stream="training")
    if not none:
        return data.images, data.labels
    scale = data.images.mean(dim=0), data.images.std(dim=0)
    lesson = Lesson(data.images, data.labels, len(SHAPES), scale)
    x, labels = lesson.with_none(none, generator(seed, "rendered", "none"))
    return x.clamp(0, 1), labels


def _measured(model: nn.Module, seed: int) -> dict[str, float]:
    test = draw(_TESTED, seed=seed, stream="tested")
    with torch.no_grad():
        said = torch.cat([model(part).argmax(dim=1) for part in test.images.split(500)])
    right = (said == test.labels).double()
    each = {
        f"accuracy, {name}": float(right[test.labels == k].mean()) for k, name in enumerate(SHAPES)
    }
    return {"samples": _TESTED, "accuracy": float(right.mean()), **each}
