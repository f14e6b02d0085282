"""Consistency: a sample and the same sample, turned or with noise, should be answered alike.

Source: the idea of a consistency term: Sajjadi, Javanmardi, Tasdizen, "Regularization With
Stochastic Transformations and Perturbations for Deep Semi-Supervised Learning", NeurIPS 2016.
"""

from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_positive
from xhat.learning import random_rotation
from xhat.surrogates.training_terms import Batch, TrainingTerm, within

__all__ = ["Consistency", "NoiseConsistency", "RotationConsistency"]


class Consistency(TrainingTerm):
    """Adds ``weight * KL(f(x) || f(changed x))``; the first is not pulled towards the second.

    A subclass is a frozen dataclass with a ``weight`` that says how samples are changed.
    """

    weight: float

    @abstractmethod
    def changed(self, x: Tensor, draws: torch.Generator) -> Tensor:
        """Return samples that should be answered like ``x``."""

    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return the batch with the term added."""
        del progress
        with torch.no_grad():
            wanted = model(batch.x).log_softmax(1)
        given = model(within(self.changed(batch.x, draws), batch.limits)).log_softmax(1)
        apart = F.kl_div(given, wanted, reduction="batchmean", log_target=True)
        return batch.plus(self.weight * apart)


@dataclass(frozen=True)
class RotationConsistency(Consistency):
    """Asks for the same answer to an image that is turned.

    Attributes:
        angle: greatest rotation, in degrees.
        weight: of the term.
    """

    angle: float = 30.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_positive("angle", self.angle)
        check_positive("weight", self.weight)

    def changed(self, x: Tensor, draws: torch.Generator) -> Tensor:
        """Return every image turned by its own angle."""
        return random_rotation(x, self.angle, draws)


@dataclass(frozen=True)
class NoiseConsistency(Consistency):
    """Asks for the same answer to a sample with a little normal noise on every value.

    Attributes:
        deviation: of the noise, in the unit of ``x``.
        weight: of the term.
    """

    deviation: float = 0.1
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_positive("deviation", self.deviation)
        check_positive("weight", self.weight)

    def changed(self, x: Tensor, draws: torch.Generator) -> Tensor:
        """Return every sample with noise of its own."""
        return x + self.deviation * torch.randn(x.shape, generator=draws).to(x)
