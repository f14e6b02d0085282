"""Training of the shipped models: one recipe per name, from embedded data to weights and card.

``train`` is all that ``xhat train`` does. A recipe trains on its own split, is measured on the
rotated test split, and leaves ``NAME.safetensors`` and ``NAME.json`` behind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import atomic_folder_check, check_choice, check_positive
from xhat.judges.kernel_training import train_kernel_judge
from xhat.judges.training import train_autoencoder, train_judge
from xhat.learning import VAE, Card, EpochRecord, Jitter, predict, save_checkpoint
from xhat.surrogates import train_adversarial, train_classifier, train_vae
from xhat.surrogates.adversarial import Norm, worst_inputs
from xhat.tasks import digits

__all__ = ["RECIPES", "Recipe", "measure", "train"]

_BALLS: dict[Norm, tuple[float, ...]] = {"l2": (1.0, 1.5, 2.0), "linf": (0.1, 0.2)}
Progress = Callable[[EpochRecord], None]


@dataclass(frozen=True)
class Recipe:
    """How one shipped model is made.

    Attributes:
        name: of the recipe, and of the checkpoint that it makes.
        kind: ``"classifier"``, ``"robust"``, ``"vae"``, ``"judge"`` or ``"autoencoder"``: what
            is measured.
        run: ``(images, labels, *, seed, on_epoch, **hyperparameters) -> model``.
        split: the name of the split that it is trained on.
        architecture: a name in ``xhat.learning.NETWORKS``.
        arguments: of that architecture, as the recipe builds it for digits.
        hyperparameters: everything else that ``run`` needs.
        seed: with which the shipped weights were made.
    """

    name: str
    kind: str
    run: Callable[..., nn.Module]
    split: str
    architecture: str
    arguments: dict[str, Any]
    hyperparameters: dict[str, Any]
    seed: int


def train(
    task: str,
    recipe: str,
    *,
    out: str | Path,
    seed: int | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Card:
    """Train one recipe, measure the result on the test split, and write weights and card.

    Args:
        task: ``"digits"``.
        recipe: a name in ``RECIPES``.
        out: the folder to write to; checked before the work begins.
        seed: of the training; None is the recipe's own, with which the shipped file was made.
        epochs: instead of the recipe's own number.
        limit: use this many samples only, for training and for measuring.
        progress: called with a record after each epoch.

    Returns:
        The card as written.

    Raises:
        ValueError: an unknown task or recipe, or a number out of its range.
        PermissionError: ``out`` cannot be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     card = train("digits", "plain", out=folder, epochs=1, limit=100)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['plain.json', 'plain.safetensors']
        >>> card.command
        'xhat train digits --recipe plain --seed 1 --epochs 1 --limit 100'
    """
    check_choice("task", task, ("digits",))
    how = RECIPES[check_choice("recipe", recipe, RECIPES)]
    options = {"--seed": how.seed if seed is None else seed, "--epochs": epochs, "--limit": limit}
    for name in ("--epochs", "--limit"):
        if (value := options[name]) is not None:
            check_positive(name.strip("-"), value)
    atomic_folder_check(out)
    hyperparameters = how.hyperparameters | ({} if epochs is None else {"epochs": epochs})
    data = digits.split(how.split)
    images, labels = data.upright[:limit], data.labels[:limit]
    seconds = 0.0

    def on_epoch(record: EpochRecord) -> None:
        nonlocal seconds
        seconds = record.seconds
        if progress is not None:
            progress(record)

    model = how.run(images, labels, seed=options["--seed"], on_epoch=on_epoch, **hyperparameters)
    command = f"xhat train {task} --recipe {recipe}" + "".join(
        f" {name} {value}" for name, value in options.items() if value is not None
    )
    card = Card(
        name=recipe,
        task=task,
        architecture=how.architecture,
        arguments=how.arguments,
        recipe=recipe,
        hyperparameters=hyperparameters,
        seed=options["--seed"] or 0,
        split=how.split,
        split_size=len(images),
        metrics=measure(model, how.kind, limit=limit),
        seconds=round(seconds, 1),
        command=command,
    )
    return save_checkpoint(out, model, card)


def measure(model: nn.Module, kind: str, *, limit: int | None = None) -> dict[str, float]:
    """Return what is known of a model of ``kind`` on the rotated test split.

    Args:
        model: in evaluation mode.
        kind: see ``Recipe``.
        limit: use the first samples only.

    Returns:
        For classifiers ``accuracy``, ``nll`` (nats) and ``samples``; for robust ones also
        ``robust_accuracy_NORM_EPS`` on ``robust_samples``; for judges also ``none_on_fashion`` and
        ``none_on_digits``, the share of images for which "none of the digits" is likeliest; for
        a VAE the squared reconstruction error per image and moments of its latents.
    """
    test = digits.split("test")
    images, labels = test.images[:limit], test.labels[:limit]
    if isinstance(model, VAE):
        return _measure_vae(model, images)
    logits = predict(model, images)
    found = {
        "samples": len(labels),
        "accuracy": _share(logits.argmax(1) == labels),
        "nll": float(F.cross_entropy(logits, labels)),
    }
    if kind == "robust":
        found |= _measure_robust(model, images[:1000], labels[:1000])
    if kind == "judge":
        clothes = predict(model, digits.fashion()[:limit]).argmax(1)
        found["none_on_fashion"] = _share(clothes == digits.NONE_OF_THE_DIGITS)
        found["none_on_digits"] = _share(logits.argmax(1) == digits.NONE_OF_THE_DIGITS)
    return found


def _measure_robust(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    found: dict[str, float] = {"robust_samples": len(labels)}
    for norm, radii in _BALLS.items():
        for eps in radii:
            worst = worst_inputs(model, images, labels, eps=eps, norm=norm, steps=40)
            right = predict(model, worst).argmax(1) == labels
            found[f"robust_accuracy_{norm}_{eps}"] = _share(right)
    return found


def _measure_vae(model: VAE, images: Tensor) -> dict[str, float]:
    with torch.no_grad():
        means = predict(model.encoder, images)[:, : model.latent]
        rebuilt = torch.cat([model.decode(part) for part in means.split(500)])
    return {
        "samples": len(images),
        "squared_error_per_image": float((rebuilt - images).square().sum((1, 2, 3)).mean()),
        "latent_mean_norm": float(means.mean(0).norm()),
        "latent_norm": float(means.norm(dim=1).mean()),
    }


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())


def _run_vae(images: Tensor, labels: Tensor, **options: Any) -> nn.Module:
    del labels
    return train_vae(images, **options)


def _judge(name: str, architecture: str, seed: int, fold: int, **options: Any) -> Recipe:
    arguments = options.pop("arguments", {})
    return Recipe(
        name,
        "judge",
        train_judge,
        "judge_train",
        architecture,
        {"classes": digits.CLASSES + 1} | arguments,
        {"architecture": architecture, "arguments": arguments, "fold": fold} | options,
        seed,
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "plain",
            "classifier",
            train_classifier,
            "surrogate_train",
            "SmallCNN",
            {},
            {
                "epochs": 50,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "weight_decay": 0.05,
                "average": 0.998,
                "jitter": Jitter(angle=45.0, shift=1.0, scale=0.08, shear=0.08),
            },
            seed=1,
        ),
        Recipe(
            "robust",
            "robust",
            train_adversarial,
            "surrogate_train",
            "SmallCNN",
            {},
            {
                "epochs": 14,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.01,
                "average": 0.998,
                "eps": 2.0,
                "norm": "l2",
                "steps": 5,
                "ramp": 0.4,
                "jitter": Jitter(angle=45.0),
            },
            seed=2,
        ),
        Recipe(
            "vae",
            "vae",
            _run_vae,
            "surrogate_train",
            "VAE",
            {"latent": 16, "channels": 1, "size": 28},
            {
                "epochs": 30,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.0,
                "average": 0.998,
                "latent": 16,
                "beta": 1.0,
                "jitter": Jitter(angle=45.0),
            },
            seed=3,
        ),
        _judge(
            "judge-residual",
            "ResidualNet",
            seed=11,
            fold=0,
            epochs=20,
            batch_size=128,
            learning_rate=3e-3,
            weight_decay=0.05,
            average=0.998,
        ),
        _judge(
            "judge-mlp",
            "MLP",
            seed=12,
            fold=1,
            epochs=50,
            batch_size=256,
            learning_rate=3e-3,
            weight_decay=0.05,
            average=0.998,
        ),
        _judge(
            "judge-cnn",
            "WideCNN",
            seed=13,
            fold=2,
            radius=1.5,  # L2: moved against itself, so that small changes do not turn it
            epochs=8,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.02,
            average=0.998,
        ),
        _judge(
            "judge-turns",
            "TurnInvariantCNN",
            seed=14,
            fold=3,
            arguments={"alike": [[6, 9]]},  # a half turn makes the one of the other
            epochs=10,
            batch_size=128,
            learning_rate=3e-3,
            weight_decay=0.02,
            average=0.998,
        ),
        Recipe(
            "judge-kernel",
            "judge",
            train_kernel_judge,
            "judge_train",
            "KernelClassifier",
            {"classes": digits.CLASSES + 1, "inputs": 784, "dimensions": 32, "known": 18_000},
            {
                "fold": 4,
                "dimensions": 32,
                "digits": 14_000,
                "others": 4_000,
                "epochs": 20,
                "batch_size": 250,
                "learning_rate": 3e-3,
                "weight_decay": 0.0,
            },
            seed=15,
        ),
        Recipe(
            "judge-autoencoder",
            "autoencoder",
            train_autoencoder,
            "judge_train",
            "VAE",
            {"latent": 24, "channels": 1, "size": 28},
            {
                "latent": 24,
                "beta": 0.5,
                "epochs": 12,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.0,
                "average": 0.998,
            },
            seed=16,
        ),
    )
}
