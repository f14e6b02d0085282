"""Training by a recipe: from embedded data to weights and their card.

A recipe trains on its own split, is measured on the rotated test split, and leaves
``NAME.safetensors`` and ``NAME.json`` behind.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import atomic_folder_check, check_choice, check_positive, generator
from xhat.learning import (
    VAE,
    Card,
    Denoiser,
    EpochRecord,
    has_fast_bfloat16,
    predict,
    save_checkpoint,
    usable_device,
)
from xhat.surrogates import as_distributions, worst_inputs
from xhat.surrogates.adversarial import Norm
from xhat_zoo import digits
from xhat_zoo.digits.labelled import Labelled, read_labelled
from xhat_zoo.digits.recipes import Recipe
from xhat_zoo.digits.recipes import recipe as known_recipe

__all__ = ["Precision", "measure", "train"]

_ADVERSARIES = {"robust", "robust-linf", "trades"}
_BALLS: dict[Norm, tuple[float, ...]] = {"l2": (1.0, 1.5, 2.0), "linf": (0.1, 0.2)}
_NOISES = (0.1, 0.3, 1.0, 3.0)
Precision = Literal["auto", "float32", "bfloat16"]
Progress = Callable[[EpochRecord], None]


def train(
    task: str,
    recipe: str,
    *,
    out: str | Path,
    seed: int | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    targets: Tensor | Path | None = None,
    device: str = "cpu",
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Card:
    """Train one recipe, measure the result on the test split, and write weights and card.

    Args:
        task: ``"digits"``.
        recipe: a name in ``xhat_zoo.digits.recipes``: parts joined by ``+``, or a shipped model.
        out: the folder to write to; checked before the work begins.
        seed: of the training; None is the recipe's own, with which the shipped file was made.
        epochs: instead of the recipe's own number.
        limit: use this many samples only, for training and for measuring.
        targets: ``(n, 10)`` distributions for the images of the recipe's split, in its order,
            instead of their labels; or a ``labels.parquet`` of labels that were collected, where
            images without votes keep their label, and the card tells how many did. For surrogates
            only.
        device: where to train a surrogate, such as ``"cuda"``.
        precision: of the training: ``"float32"``, ``"bfloat16"``, or ``"auto"``, which is float32,
            but for surrogates bfloat16 where the device multiplies it faster. The card says which
            it was.
        progress: called with a record after each epoch.

    Returns:
        The card as written.

    Raises:
        ValueError: an unknown task or recipe, a number out of its range, or labels of other images.
        UnreadableFileError: a file of labels is missing or damaged.
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
    how = known_recipe(recipe)
    options = {"--seed": how.seed if seed is None else seed, "--epochs": epochs, "--limit": limit}
    for name in ("--epochs", "--limit"):
        if (value := options[name]) is not None:
            check_positive(name.strip("-"), value)
    atomic_folder_check(out)
    hyperparameters = how.hyperparameters | ({} if epochs is None else {"epochs": epochs})
    data = digits.split(how.split)
    labelled = _labelled(how, targets) if isinstance(targets, Path) else None
    wanted = _wanted(how, data, targets if labelled is None else labelled.p)[:limit]
    images = data.upright[:limit]
    images = images.to(_checked_device(device, how))
    seconds = 0.0

    def on_epoch(record: EpochRecord) -> None:
        nonlocal seconds
        seconds = record.seconds
        if progress is not None:
            progress(record)

    computed = {"autocast": True} if _halves(precision, device, how) else {}
    made = how.run(
        images,
        wanted,
        seed=options["--seed"],
        on_epoch=on_epoch,
        **hyperparameters,
        **computed,
    )
    command = f"xhat train {task} --recipe {recipe}" + "".join(
        f" {name} {value}" for name, value in options.items() if value is not None
    )
    card = Card(
        name=recipe,
        task=task,
        architecture=how.architecture,
        arguments=how.arguments,
        recipe=recipe,
        hyperparameters=hyperparameters | made.details | computed | _told(labelled, limit),
        seed=options["--seed"] or 0,
        split=how.split,
        split_size=len(images),
        metrics=measure(made.model.cpu(), how, limit=limit),
        seconds=round(seconds, 1),
        command=command,
    )
    return save_checkpoint(out, made.model, card)


def measure(model: nn.Module, recipe: Recipe, *, limit: int | None = None) -> dict[str, float]:
    """Return what a card says of a model, on the rotated test split.

    Args:
        model: in evaluation mode.
        recipe: which made it.
        limit: use the first samples only.

    Returns:
        For classifiers ``accuracy``, ``nll`` (nats) and ``samples``; for surrogates also
        ``accuracy_upright``, before the images were rotated, and, if an adversary trained them,
        ``robust_accuracy_NORM_EPS`` on ``robust_samples``; for judges also ``none_on_fashion`` and
        ``none_on_digits``, the share of images for which "none of the digits" is likeliest; for
        a VAE the squared reconstruction error per image and moments of its latents; for a denoiser
        the mean squared error of a pixel at several noises, the class known and unknown.
    """
    test = digits.split("test")
    images, labels = test.images[:limit], test.labels[:limit]
    if isinstance(model, VAE):
        return _measure_vae(model, images)
    if isinstance(model, Denoiser):
        return _measure_denoiser(model, images, labels)
    logits = predict(model, images)
    found = {
        "samples": len(labels),
        "accuracy": _share(logits.argmax(1) == labels),
        "nll": float(F.cross_entropy(logits, labels)),
    }
    if recipe.kind == "surrogate":
        upright = predict(model, test.upright[:limit]).argmax(1)
        found["accuracy_upright"] = _share(upright == labels)
    if recipe.kind == "surrogate" and _ADVERSARIES & set(recipe.name.split("+")):
        found |= _measure_robust(model, images[:1000], labels[:1000])
    if recipe.kind == "judge":
        clothes = predict(model, digits.fashion()[:limit]).argmax(1)
        found["none_on_fashion"] = _share(clothes == digits.NONE_OF_THE_DIGITS)
        found["none_on_digits"] = _share(logits.argmax(1) == digits.NONE_OF_THE_DIGITS)
    return found


def _labelled(how: Recipe, path: Path) -> Labelled:
    _check_takes_targets(how)
    return read_labelled(path, how.split)


def _told(labelled: Labelled | None, limit: int | None) -> dict[str, Any]:
    """Return what the card tells of collected labels: how many, whose, and of which file."""
    if labelled is None:
        return {}
    return {"labels": labelled.counts(limit) | {"sha256": labelled.checksum}}


def _check_takes_targets(how: Recipe) -> None:
    if how.kind != "surrogate":
        raise ValueError(f"targets are for surrogates, but {how.name} is a recipe of another kind.")


def _wanted(how: Recipe, data: digits.Split, targets: Tensor | Path | None) -> Tensor:
    if not isinstance(targets, Tensor):
        return data.labels
    _check_takes_targets(how)
    if len(targets) != len(data):
        raise ValueError(
            f"targets must have one row for each of the {len(data)} images of the split "
            f"{how.split}, but have {len(targets)}."
        )
    return as_distributions(targets, digits.CLASSES)


def _checked_device(device: str, how: Recipe) -> torch.device:
    usable = usable_device(device)
    if how.kind != "surrogate" and device != "cpu":
        raise ValueError(f"{how.name} is trained on the cpu; a device is for surrogates.")
    return usable


def _halves(precision: Precision, device: str, how: Recipe) -> bool:
    check_choice("precision", precision, ("auto", "float32", "bfloat16"))
    if precision == "auto":
        return how.kind == "surrogate" and has_fast_bfloat16(device)
    return precision == "bfloat16"


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


@torch.no_grad()
def _measure_denoiser(model: Denoiser, images: Tensor, labels: Tensor) -> dict[str, float]:
    found: dict[str, float] = {"samples": len(images)}
    for sigma in _NOISES:
        noise = torch.randn(images.shape, generator=generator(digits.SEED, "noise", str(sigma)))
        noisy = images + sigma * noise
        for name, told in (("known", labels), ("unknown", torch.full_like(labels, model.classes))):
            parts = zip(noisy.split(500), told.split(500), strict=True)
            level = torch.tensor([sigma])
            rebuilt = torch.cat([model(part, level, label) for part, label in parts])
            error = (rebuilt - images).square().mean()
            found[f"squared_error_at_{sigma}_{name}"] = float(error)
    return found


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())
