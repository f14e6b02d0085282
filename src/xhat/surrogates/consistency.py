"""Consistency under rotation: an image and the same image turned should be answered alike.

Source: the idea of a consistency term: Sajjadi, Javanmardi, Tasdizen, "Regularization With
Stochastic Transformations and Perturbations for Deep Semi-Supervised Learning", NeurIPS 2016.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from xhat.core import check_positive
from xhat.learning import random_rotation
from xhat.surrogates.signals import Batch, Signal

__all__ = ["RotationConsistency"]


@dataclass(frozen=True)
class RotationConsistency(Signal):
    """Adds ``weight * KL(f(x) || f(turned x))``; the first is not pulled towards the second.

    Attributes:
        angle: greatest rotation, in degrees.
        weight: of the term.
    """

    angle: float = 30.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_positive("angle", self.angle)
        check_positive("weight", self.weight)

    def __call__(
        self, model: nn.Module, batch: Batch, draws: torch.Generator, progress: float
    ) -> Batch:
        """Return the batch with the term added."""
        del progress
        with torch.no_grad():
            wanted = model(batch.x).log_softmax(1)
        turned = random_rotation(batch.x, self.angle, draws).clamp(0, 1)
        given = model(turned).log_softmax(1)
        apart = F.kl_div(given, wanted, reduction="batchmean", log_target=True)
        return batch.plus(self.weight * apart)
