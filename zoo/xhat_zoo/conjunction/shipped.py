"""The surrogate that is shipped: two small networks, each with its card."""

import dataclasses
import time
from pathlib import Path

from xhat.core import check_choice
from xhat.learning import Card, load_checkpoint, save_checkpoint
from xhat_zoo.conjunction.approximation import Surrogate
from xhat_zoo.conjunction.perceptron import Perceptron
from xhat_zoo.conjunction.training import HELD_OUT, Recipe, errors, rows, train

__all__ = ["PARTS", "WEIGHTS", "card", "surrogate", "train_shipped"]

WEIGHTS = Path(__file__).parent / "weights"
PARTS = ("shift", "disc")
SEED = 7
_TEST = (2000, 10)  # encounters, manoeuvres of each
COMMAND = "python benchmarks/conjunction.py --train"


def surrogate() -> Surrogate:
    """Return the shipped surrogate, frozen, float32; ``.double()`` for searches.

    Raises:
        UnreadableFileError: its files are missing or damaged.

    Example:
        >>> from xhat_zoo.conjunction import describe, simulate, truth
        >>> some = simulate(3, seed=5)
        >>> import torch
        >>> x = torch.tensor([[0.0, 0.01, 0.0, 3000.0]]).repeat(3, 1)
        >>> gap = surrogate().double()(x, describe(some)) - truth(some, x)
        >>> bool((gap.abs() < 0.1).all())
        True
    """
    parts = [load_checkpoint(WEIGHTS, name)[0] for name in PARTS]
    for name, part in zip(PARTS, parts, strict=True):
        if not isinstance(part, Perceptron):
            raise TypeError(f"the checkpoint {name} holds a {type(part).__name__}.")
    return Surrogate(*parts).eval().requires_grad_(False)  # pyright: ignore[reportArgumentType]


def card(name: str) -> Card:
    """Return the card of one of the two networks, ``PARTS``."""
    return load_checkpoint(WEIGHTS, check_choice("name", name, PARTS))[1]


def train_shipped(
    folder: str | Path = WEIGHTS, *, recipe: Recipe | None = None
) -> dict[str, float]:
    """Train the shipped surrogate again, measure it on held-out encounters, and save both parts.

    Returns:
        What was measured, as it stands on the cards.
    """
    recipe = recipe or Recipe()
    began = time.process_time()
    model = train(recipe, seed=SEED)
    seconds = time.process_time() - began
    found = errors(model, rows(*_TEST, seed=HELD_OUT)).abs()
    metrics = {
        "held-out manoeuvres, log10 Pc in -7..-3": float(len(found)),
        **{f"|error|, quantile {q:g}": float(found.quantile(q)) for q in (0.5, 0.9, 0.99, 0.999)},
    }
    for name in PARTS:
        part = getattr(model, name)
        save_checkpoint(
            folder,
            part,
            Card(
                name=name,
                task="conjunction",
                architecture="Perceptron",
                arguments={
                    "inputs": part.layers[0].in_features,
                    "outputs": part.layers[-1].out_features,
                    "hidden": [layer.out_features for layer in part.layers[:-1:2]],
                },
                recipe="conjunction",
                hyperparameters=dataclasses.asdict(recipe),
                seed=SEED,
                split="simulated",
                split_size=recipe.encounters * recipe.manoeuvres,
                metrics=metrics,
                seconds=round(seconds, 1),
                command=COMMAND,
            ),
        )
    return metrics
