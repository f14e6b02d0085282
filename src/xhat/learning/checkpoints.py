"""Trained weights and the card that says where they come from, always as a pair.

``NAME.safetensors`` holds the weights, ``NAME.json`` the card. The card names the SHA-256 of the
weights, so a damaged, truncated or foreign file is noticed when it is loaded, and never used.
"""

import dataclasses
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from xhat.core import UnreadableFileError, atomic_write, sha256_of
from xhat.learning.architectures import architectures, build

__all__ = [
    "Card",
    "count_parameters",
    "hardware",
    "load_checkpoint",
    "save_checkpoint",
    "versions",
]


@dataclass(frozen=True)
class Card:
    """Where a checkpoint comes from and what it was measured to do.

    Attributes:
        name: of the checkpoint; its files are ``NAME.safetensors`` and ``NAME.json``.
        task: whose data it was trained on.
        architecture: a name in ``architectures()``.
        arguments: of that architecture.
        recipe: the name of the training recipe.
        hyperparameters: of the recipe.
        seed: of the training.
        split: the name of the data split.
        split_size: how many samples of it were used.
        metrics: what was measured on the test split, and on how many samples.
        seconds: how long the training took.
        command: what makes the checkpoint again.
        parameters: how many numbers are trained; filled in by ``save_checkpoint``.
        sha256: of the weights' file; filled in by ``save_checkpoint``.
        versions: of Python and the libraries.
        hardware: what the training ran on.
    """

    name: str
    task: str
    architecture: str
    arguments: dict[str, Any]
    recipe: str
    hyperparameters: dict[str, Any]
    seed: int
    split: str
    split_size: int
    metrics: dict[str, float]
    seconds: float
    command: str
    parameters: int = 0
    sha256: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=lambda: versions())
    hardware: dict[str, Any] = dataclasses.field(default_factory=lambda: hardware())


def save_checkpoint(folder: str | Path, model: nn.Module, card: Card) -> Card:
    """Write weights and card, and return the card as written.

    Both files appear under their names only when both are complete.

    Args:
        folder: made if it is missing.
        model: an instance of ``card.architecture``.
        card: its ``parameters`` and ``sha256`` are replaced by what is true of ``model``.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    folder = Path(folder)
    tensors = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    with (
        atomic_write(folder / f"{card.name}.json") as card_file,
        atomic_write(folder / f"{card.name}.safetensors") as weights_file,
    ):
        weights_file.write_bytes(save(tensors))
        card = dataclasses.replace(
            card, parameters=count_parameters(model), sha256=sha256_of(weights_file)
        )
        text = json.dumps(dataclasses.asdict(card), indent=2)
        card_file.write_text(text + "\n")
    return Card(**json.loads(text))


def load_checkpoint(folder: str | Path, name: str) -> tuple[nn.Module, Card]:
    """Return the model, frozen and in evaluation mode, and its card.

    Raises:
        UnreadableFileError: a file of the pair is missing, truncated, or not what the card says.
    """
    folder = Path(folder)
    card = _read_card(folder / f"{name}.json")
    weights = folder / f"{name}.safetensors"
    found = sha256_of(weights)
    if found != card.sha256:
        raise UnreadableFileError(
            f"{weights} is truncated or was changed: its SHA-256 is {found[:12]}…, "
            f"but its card says {card.sha256[:12]}…; restore it or train it again "
            f"({card.command})."
        )
    try:
        model = build(card.architecture, seed=0, **card.arguments)
    except TypeError as error:
        raise UnreadableFileError(
            f"the card of {weights} does not fit the architecture {card.architecture}: {error}."
        ) from error
    try:
        model.load_state_dict(load(weights.read_bytes()))
    except (SafetensorError, RuntimeError) as error:
        raise UnreadableFileError(
            f"{weights} does not hold the weights of the {card.architecture} on its card."
        ) from error
    return model.eval().requires_grad_(False), card


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers the model's parameters hold.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    return sum(parameter.numel() for parameter in model.parameters())


def versions() -> dict[str, str]:
    """Return the versions of Python, torch and numpy."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
    }


def hardware() -> dict[str, Any]:
    """Return the processor's name and the number of threads that torch uses."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return {"processor": name, "threads": torch.get_num_threads()}


def _read_card(path: Path) -> Card:
    try:
        fields = json.loads(path.read_text())
        card = Card(**fields)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError) as error:
        raise UnreadableFileError(f"{path} is not a checkpoint's card.") from error
    if card.architecture not in (known := architectures()):
        raise UnreadableFileError(
            f"{path} names the unknown architecture {card.architecture!r}; "
            f"known are {', '.join(known)}."
        )
    return card
