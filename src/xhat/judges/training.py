"""Training of held-out classifiers: judges that share nothing with what the search used.

A judge has another architecture, another seed, another part of the data and another augmentation
than the surrogate; and one output more, for "none of the classes". What it sees in training is
slanted, moved, sheared, scaled, faint, blurred, noisy and partly covered, so that it reads a
digit for its strokes and not for a texture that a search can add. Labels are smoothed a little,
so that its confidence keeps a meaning.

Source: label smoothing: Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", NeurIPS
2019; random erasing: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.core import check_fraction
from xhat.judges.negatives import Negatives
from xhat.learning import EpochRecord, build, fit, random_affine

__all__ = ["JudgeLoss", "disturb", "train_judge"]


def train_judge(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    architecture: str,
    classes: int = 10,
    none_share: float = 0.3,
    smoothing: float = 0.05,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train a classifier with ``classes + 1`` outputs, the last of which says "none of them".

    Args:
        images: ``(n, 1, size, size)`` in [0, 1], upright.
        labels: ``(n,)`` int64, 0 to ``classes - 1``.
        seed: of weights, order, augmentation and negatives.
        architecture: a name in ``xhat.learning.NETWORKS``.
        classes: the number of real classes.
        none_share: which share of what the judge sees shows no class, in (0, 1).
        smoothing: of the labels.
        on_epoch: called with a record after each epoch.
        **schedule: passed to ``xhat.learning.fit``: ``epochs``, ``batch_size``,
            ``learning_rate`` and its optional numbers.

    Returns:
        The judge, giving logits ``(n, classes + 1)``, in evaluation mode.
    """
    loss = JudgeLoss(Negatives(images, labels), classes, none_share, smoothing)
    model = build(architecture, seed=seed, classes=classes + 1)
    fit(model, images, labels, loss, seed=seed, on_epoch=on_epoch, **schedule)
    return model


@dataclass(frozen=True)
class JudgeLoss:
    """Cross-entropy on disturbed digits and on images that show none.

    Attributes:
        negatives: makes the images that show no class.
        classes: the number of real classes; the label of the rest.
        none_share: of a batch, in (0, 1).
        smoothing: of the labels.
    """

    negatives: Negatives
    classes: int
    none_share: float
    smoothing: float

    def __post_init__(self) -> None:
        check_fraction("none_share", self.none_share)

    def __call__(
        self, model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the mean over the batch and its negatives."""
        extra = max(1, round(len(x) * self.none_share / (1 - self.none_share)))
        moved = random_affine(x, generator, angle=48, shift=2, scale=0.12, shear=0.15)
        shown = torch.cat((moved, self.negatives.draw(extra, generator)))
        wanted = torch.cat((y, y.new_full((extra,), self.classes)))
        return F.cross_entropy(
            model(disturb(shown, generator)), wanted, label_smoothing=self.smoothing
        )


def disturb(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images made fainter, blurred, partly covered and noisy, each at random, in [0, 1].

    What shows a digit still does: a covered square is at most 6 pixels wide.

    Args:
        x: ``(n, 1, h, w)`` in [0, 1].
        generator: the source of randomness.
    """
    n, _, h, w = x.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low

    def sometimes(share: float) -> Tensor:
        return (uniform(0, 1) < share).float()

    x = x * (1 - sometimes(0.5) * uniform(0, 0.4))
    blurred = F.avg_pool2d(x, 3, stride=1, padding=1)
    x = torch.lerp(x, blurred, sometimes(0.3) * uniform(0, 0.8))
    coarse = torch.randn(n, 1, 7, 7, generator=generator)
    waves = F.interpolate(coarse, (h, w), mode="bilinear", align_corners=False)
    fine = torch.randn(x.shape, generator=generator)
    x = x + sometimes(0.3) * uniform(0, 0.2) * waves + sometimes(0.5) * uniform(0, 0.25) * fine
    return (x * (1 - sometimes(0.3) * _squares(n, h, w, generator))).clamp(0, 1)


def _squares(n: int, h: int, w: int, generator: torch.Generator) -> Tensor:
    side = torch.randint(3, 7, (n, 1, 1, 1), generator=generator)
    top = torch.randint(0, h - 6, (n, 1, 1, 1), generator=generator)
    left = torch.randint(0, w - 6, (n, 1, 1, 1), generator=generator)
    rows, columns = torch.arange(h)[:, None], torch.arange(w)[None, :]
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return inside.float()
