"""Training of the judge without layers: a projection in which digits lie near their own kind.

The known samples are digits of four folds and images that show none; the projection is learned
so that the digits of the fifth fold, slanted and disturbed afresh every time, are most probable
by their known neighbours. So nothing is ever compared with itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import generator
from xhat.learning import EpochRecord, KernelClassifier, build, fit, random_affine
from xhat_zoo.digits.morphs import Morphs, signed_distance
from xhat_zoo.digits.negatives import Negatives
from xhat_zoo.digits.recipes.judges import JudgeLoss, held_out

__all__ = ["train_kernel_judge"]


def train_kernel_judge(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    fold: int = 0,
    classes: int = 10,
    dimensions: int = 32,
    digits: int = 14_000,
    others: int = 4_000,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train a ``KernelClassifier`` with ``classes + 1`` outputs, the last for "none of them".

    Args:
        images: ``(n, 1, size, size)`` in [0, 1], upright.
        labels: ``(n,)`` int64.
        seed: of the known samples, their angles, the order and the augmentation.
        fold: which fifth of the images the projection is learned on; the rest are known samples.
        classes: the number of real classes.
        dimensions: of the projection.
        digits: how many known samples show a digit, at most.
        others: how many known samples show none.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``.

    Returns:
        The judge, giving logits ``(n, classes + 1)``, in evaluation mode.
    """
    out, draws = held_out(len(labels), fold), generator(seed, "known samples")
    rest, rest_labels = images[~out], labels[~out]
    negatives = Negatives(rest, rest_labels)
    again = torch.arange(digits) % len(rest)  # of few images several angles are known
    some, some_labels = rest[again], rest_labels[again]
    known = torch.cat((random_affine(some, draws, angle=45), negatives.draw(others, draws)))
    kinds = torch.cat((some_labels, some_labels.new_full((others,), classes)))
    model = build(
        "KernelClassifier",
        seed=seed,
        classes=classes + 1,
        inputs=images[0].numel(),
        dimensions=dimensions,
        known=len(known),
    )
    if not isinstance(model, KernelClassifier):
        raise TypeError("the registry's KernelClassifier is not one.")
    _begin_at_principal_components(model, known[: len(some)])
    morphs = Morphs(signed_distance(some[:2000]), some_labels[:2000])
    shown = JudgeLoss(negatives, morphs, classes, 0.3, 0.06, 0.0, 0.0)
    loss = _NearnessLoss(shown, known, kinds)
    fit(model, images[out], labels[out], loss, seed=seed, on_epoch=on_epoch, **schedule)
    model.remember(known, kinds)
    return model


@dataclass(frozen=True)
class _NearnessLoss:
    """Cross-entropy of the kernel's classes, the known samples projected afresh."""

    shown: JudgeLoss
    known: Tensor
    kinds: Tensor

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        if not isinstance(model, KernelClassifier):
            raise TypeError(f"the model must be a KernelClassifier, not {type(model).__name__}.")
        seen, wanted = self.shown.batch(x, y, generator)
        some = torch.randperm(len(self.known), generator=generator)[:6000]
        places = model.project(self.known[some])
        return F.cross_entropy(
            model.nearness(model.project(seen), places, self.kinds[some]), wanted
        )


@torch.no_grad()
def _begin_at_principal_components(model: KernelClassifier, x: Tensor) -> None:
    """Begin where Euclidean neighbours are good already, with a kernel of a useful width."""
    flat = x.flatten(1)
    flat = flat - flat.mean(dim=0)
    vectors = torch.linalg.eigh(flat.T @ flat / len(flat)).eigenvectors
    model.projection.copy_(vectors[:, -model.projection.shape[1] :])
