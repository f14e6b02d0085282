"""The noun: how one model is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from xhat.learning import EpochRecord

__all__ = ["Made", "Recipe", "Run"]


@dataclass(frozen=True)
class Made:
    """A trained model, and what its card should say beyond the recipe's own numbers."""

    model: nn.Module
    details: dict[str, Any]


class Run(Protocol):
    """What trains a model from upright images and targets."""

    def __call__(
        self,
        images: Tensor,
        targets: Tensor,
        *,
        seed: int,
        on_epoch: Callable[[EpochRecord], None] | None,
        **hyperparameters: Any,
    ) -> Made:
        """Train."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    Attributes:
        name: of the recipe, and of the checkpoint that it makes.
        kind: ``"surrogate"``, ``"vae"``, ``"denoiser"``, ``"judge"`` or ``"autoencoder"``: what is
            measured.
        caption: what it is, in one line.
        run: trains it.
        split: the name of the split that it is trained on.
        architecture: a name in ``xhat.learning.architectures()``.
        arguments: of that architecture, as the recipe builds it for digits.
        hyperparameters: everything else that ``run`` needs.
        seed: of the training, where none is given; shipped weights were made with it.
    """

    name: str
    kind: str
    caption: str
    run: Run
    split: str
    architecture: str
    arguments: dict[str, Any]
    hyperparameters: dict[str, Any]
    seed: int
