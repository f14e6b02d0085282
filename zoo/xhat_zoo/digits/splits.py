"""Rotated MNIST: from one handwritten digit to another, upright or slanted.

Every image is rotated about its centre by its own uniform angle in ±45°. Not by a full turn,
since that would make a 6 and a 9 the same input with two labels. Angles, splits and pairs are
fixed by ``SEED``.

Splits (the first three are disjoint parts of MNIST's 60,000 training images):

====================  ======  =================================================
``surrogate_train``   30,000  what the search's models are trained on
``judge_train``       25,000  what the judges are trained on
``calibration``        5,000  what thresholds are set on; trains nothing
``test``              10,000  MNIST's test images: measures, starts of searches
====================  ======  =================================================
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_choice, generator
from xhat.learning import rotate
from xhat_zoo.digits.mnist import load_fashion, load_mnist

__all__ = ["CLASSES", "LIMIT", "SEED", "SPLITS", "Pairs", "Split", "fashion", "pairs", "split"]

CLASSES = 10
LIMIT = 45.0  # degrees
SEED = 20_240
SPLITS = {
    "surrogate_train": 30_000,
    "judge_train": 25_000,
    "calibration": 5_000,
    "test": 10_000,
}


@dataclass(frozen=True)
class Split:
    """One part of the data; its tensors are shared, do not write to them.

    Attributes:
        name: a key of ``SPLITS``.
        images: ``(n, 1, 28, 28)`` float32 in [0, 1], rotated.
        labels: ``(n,)`` int64, 0 to 9.
        angles: ``(n,)`` float32, degrees counter-clockwise, by which ``images`` were rotated.
        index: ``(n,)`` int64, places in MNIST's training images (for ``test``, in its test images).
    """

    name: str
    images: Tensor
    labels: Tensor
    angles: Tensor
    index: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def upright(self) -> Tensor:
        """The images before they were rotated, ``(n, 1, 28, 28)``; training rotates them afresh."""
        return self.upright_of(torch.arange(len(self)))

    def upright_of(self, rows: Tensor) -> Tensor:
        """Return some images before they were rotated, ``(len(rows), 1, 28, 28)``."""
        return _pixels(_source(self.name)[0][self.index[rows]])


@dataclass(frozen=True)
class Pairs:
    """Searches to run: which start, and which digit it should become.

    Attributes:
        index: ``(m,)`` int64, the start's place in the test split.
        start_label: ``(m,)`` int64, its digit.
        target: ``(m,)`` int64, the wanted digit; equal to ``start_label`` on the diagonal.
    """

    index: Tensor
    start_label: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.index)

    @property
    def starts(self) -> Tensor:
        """The start images, ``(m, 1, 28, 28)``."""
        return split("test").images[self.index]


@functools.cache
def split(name: str) -> Split:
    """Return one split, always the same.

    Args:
        name: a key of ``SPLITS``.

    Raises:
        ValueError: there is no such split.
        UnreadableFileError: an embedded data file is missing or damaged.

    Example:
        >>> test = split("test")
        >>> test.images.shape, float(test.angles.abs().max()) <= LIMIT
        (torch.Size([10000, 1, 28, 28]), True)
    """
    check_choice("split", name, SPLITS)
    images, labels = _source(name)
    index = torch.arange(len(labels)) if name == "test" else _training_index(name)
    angles = (torch.rand(len(index), generator=generator(SEED, name, "angles")) * 2 - 1) * LIMIT
    parts = zip(index.split(1000), angles.split(1000), strict=True)
    rotated = torch.cat([rotate(_pixels(images[rows]), turn) for rows, turn in parts])
    return Split(name, rotated.clamp_(0, 1), labels[index], angles, index)


def pairs(starts_per_class: int) -> Pairs:
    """Return ``starts_per_class`` starts of every digit, each with all ten targets.

    Ordered by the start's number, its digit, the target; the pairs for ``k`` starts are the
    first of the pairs for ``k + 1``.

    Example:
        >>> two = pairs(2)
        >>> len(two), two.start_label[:11].tolist(), two.target[:3].tolist()
        (200, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 2])
    """
    labels = split("test").labels
    most = int(labels.bincount().min())
    if isinstance(starts_per_class, bool) or not isinstance(starts_per_class, int):
        raise TypeError(
            f"the starts per class must be an integer, not {type(starts_per_class).__name__}."
        )
    if not 1 <= starts_per_class <= most:
        raise ValueError(
            f"the starts per class must lie between 1 and {most}, but is {starts_per_class}."
        )
    columns = []
    for digit in range(CLASSES):
        places = (labels == digit).nonzero()[:, 0]
        order = torch.randperm(len(places), generator=generator(SEED, "pairs", digit))
        columns.append(places[order[:starts_per_class]])
    starts = torch.stack(columns, 1)  # (starts_per_class, digit)
    index = starts[:, :, None].expand(-1, -1, CLASSES).reshape(-1)
    target = torch.arange(CLASSES).repeat(starts.numel())
    return Pairs(index, labels[index], target)


def fashion() -> Tensor:
    """Return 1,000 images of clothes, ``(1000, 1, 28, 28)`` in [0, 1]: out of distribution."""
    return _pixels(load_fashion()[0])


def _source(name: str) -> tuple[Tensor, Tensor]:
    return load_mnist("test" if name == "test" else "train")


def _training_index(name: str) -> Tensor:
    order = torch.randperm(60_000, generator=generator(SEED, "splits"))
    first = 0
    for other, size in SPLITS.items():
        if other == name:
            return order[first : first + size]
        first += size
    raise ValueError(f"{name} is not a split of the training images.")


def _pixels(images: Tensor) -> Tensor:
    return images[:, None].float() / 255
