"""Machine labels: what an ensemble of annotators, each a small network, would answer.

Where no people have said how close a 4 is to a 9, networks can stand in, and must be named for what
they are: *machine labels*, never human ones. Every image is read by annotators that were trained on
other images (cross-fitting), each of which looks at several slightly changed views, as different
people with different glances would. Their mean answer is a distribution: nearly one-hot for most
images, split where the image is.

Source: Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles", NeurIPS 2017; what such targets are for: Peterson, Battleday, Griffiths,
Russakovsky, "Human Uncertainty Makes Classification More Robust", ICCV 2019; smoothing by hand
compared: Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", NeurIPS 2019.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_count, generator
from xhat.learning import Jitter, predict
from xhat.surrogates.classifier import train_classifier

__all__ = ["machine_labels"]

_GLANCE = Jitter(angle=12.0, shift=2.0, scale=0.1, shear=0.15)
_SCHEDULE = {"epochs": 6, "batch_size": 64, "learning_rate": 3e-3, "weight_decay": 0.05}


def machine_labels(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    readers: int = 3,
    folds: int = 4,
    views: int = 4,
    architecture: str = "SmallCNN",
    classes: int = 10,
    on_fold: Callable[[int, int], None] | None = None,
    **schedule: Any,
) -> Tensor:
    """Return the mean answer of annotators that did not see the image, for every image.

    Args:
        images: ``(n, channels, h, w)`` in [0, 1].
        labels: ``(n,)`` int64.
        seed: of the annotators and of what they look at.
        readers: how many annotators read an image.
        folds: each reader's parts of the data; one is read by an annotator that learnt the others.
        views: how many changed copies of an image each annotator looks at.
        architecture: of the annotators, a name in ``xhat.learning.architectures()``.
        classes: how many there are.
        on_fold: called with how many annotators are trained, and of how many.
        **schedule: instead of the default schedule's numbers.

    Returns:
        ``(n, classes)`` distributions, float32.

    Example:
        >>> images, labels = torch.rand(100, 1, 28, 28), torch.arange(100) % 10
        >>> p = machine_labels(images, labels, seed=0, readers=1, epochs=1)
        >>> p.shape, torch.allclose(p.sum(1), torch.ones(100))
        (torch.Size([100, 10]), True)
    """
    check_count("readers", readers)
    if check_count("folds", folds) < 2:
        raise ValueError("folds must be 2 or more, so that no annotator reads what it learnt.")
    total = torch.zeros(len(labels), classes)
    for k in range(readers * folds):
        order = torch.randperm(len(labels), generator=generator(seed, "folds", k // folds))
        read = order % folds == k % folds
        annotator = train_classifier(
            images[~read],
            labels[~read],
            seed=seed + k,
            architecture=architecture,
            classes=classes,
            jitter=_GLANCE,
            **(_SCHEDULE | schedule),
        )
        draws = generator(seed, "glances", k)
        for _ in range(views):
            total[read] += predict(annotator, _GLANCE(images[read], draws)).softmax(1)
        if on_fold is not None:
            on_fold(k + 1, readers * folds)
    return total / total.sum(1, keepdim=True)
