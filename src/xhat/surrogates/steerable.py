"""Convolutions that turn with the image, by e2cnn: equivariance in every layer.

Averaging a model over a group (``Invariant``) costs ``order`` evaluations. A steerable network
costs one: its filters are built so that a turned image gives turned feature maps, and a pooling
over the group then forgets the turn. Under quarter turns that is exact to rounding; under other
rotations as good as filters on a pixel grid allow.

Needs the extra ``steerable``: ``pip install 'xhat[steerable]'``. What is searched, saved and shared
is the plain torch network that ``exported`` returns; it needs e2cnn no longer. Where a symmetric
start must stay symmetric to the last bit, wrap that in ``Invariant``.

Source: Weiler, Cesa, "General E(2)-Equivariant Steerable CNNs", NeurIPS 2019, and its library.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_count, extra

__all__ = ["SteerableCNN", "exported", "steerable_cnn"]

_LAST = 4  # times as many fields in the last layer, where no space is left


def steerable_cnn(
    group_order: int,
    classes: int,
    channels: int = 1,
    size: int = 28,
    *,
    width: int = 6,
    seed: int = 0,
) -> "SteerableCNN":
    """Build a small classifier that cannot tell an image from the same image turned.

    A half turn makes a 6 of a 9: an invariant classifier cannot know which of the two it sees.

    Args:
        group_order: of the rotations in the layers, from 1; a multiple of 4 for quarter turns.
        classes: the number of outputs.
        channels: of the input.
        size: height and width of the input, a multiple of 4 from 12.
        width: fields in each layer; a field has one channel for each rotation.
        seed: of the initial weights.

    Returns:
        A network in training mode, to be trained as any other and then ``exported``.

    Raises:
        ImportError: the extra ``steerable`` is not installed.
        ValueError: a number is no whole number from 1, or the size no multiple of 4 from 12.

    Example:
        >>> model = steerable_cnn(4, classes=10)
        >>> exported(model)(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SteerableCNN(group_order, classes, channels, size, width)


def exported(model: "SteerableCNN") -> nn.Sequential:
    """Return the same function as a plain torch network, in evaluation mode.

    Train before: the weights of the plain network are free, and training would undo the symmetry.

    Args:
        model: a trained ``SteerableCNN``, which stays as it was.

    Returns:
        ``(n, channels, size, size)`` → logits ``(n, classes)``.

    Raises:
        TypeError: another kind of model.
    """
    if not isinstance(model, SteerableCNN):
        raise TypeError(
            f"exported takes what steerable_cnn returns, not {type(model).__name__}; other "
            f"networks are plain already."
        )
    was = model.training
    # Evaluation mode builds the filters, which would hold a graph; plain layers draw weights.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            twin = copy.deepcopy(model.train())
        finally:
            model.train(was)
        trunk = twin.trunk.export()
    plain = nn.Sequential(*trunk.children(), *twin.head.children())
    return plain.requires_grad_(True).eval()


class SteerableCNN(nn.Module):
    """Three steerable convolutions, pooled over space and group; made by ``steerable_cnn``.

    Shape:
        ``(n, channels, size, size)`` in [0, 1] → logits ``(n, classes)``.
    """

    def __init__(
        self, group_order: int, classes: int, channels: int, size: int, width: int
    ) -> None:
        super().__init__()
        numbers = {"group_order": group_order, "classes": classes, "channels": channels}
        for name, value in {**numbers, "size": size, "width": width}.items():
            check_count(name, value)
        if size % 4 or size < 12:
            raise ValueError(
                f"size must be a multiple of 4 from 12, but is {size}; pad the images."
            )
        self.shape = (channels, size, size)
        with _quiet():
            self.trunk = _trunk(group_order, channels, size, width)
        self.head = nn.Sequential(
            nn.Flatten(),
            # The rotations of each field lie side by side. At a symmetric image all are equal, and
            # their maximum would hand its gradient to one: the mean keeps the gradient symmetric.
            nn.AvgPool1d(group_order),
            nn.Linear(_LAST * width, 64),
            nn.ReLU(),
            nn.Linear(64, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"the network takes images of shape {self.shape}, but {tuple(x.shape[1:])} came; "
                f"resize them, or build another by steerable_cnn."
            )
        images = _e2cnn()[0].GeometricTensor(x, self.trunk.in_type)
        return self.head(self.trunk(images).tensor)


def _trunk(group_order: int, channels: int, size: int, width: int) -> Any:
    e2, gspaces = _e2cnn()
    plane = gspaces.Rot2dOnR2(group_order)
    images = e2.FieldType(plane, channels * [plane.trivial_repr])
    few, many = (e2.FieldType(plane, k * width * [plane.regular_repr]) for k in (1, _LAST))
    layers = (
        e2.R2Conv(images, few, kernel_size=5, padding=2),
        e2.ReLU(few),
        # 2 x 2 means: strides would favour one corner of an even size, and so break the symmetry
        e2.PointwiseAdaptiveAvgPool(few, size // 2),
        e2.R2Conv(few, few, kernel_size=5, padding=2),
        e2.ReLU(few),
        e2.PointwiseAdaptiveAvgPool(few, size // 4),
        e2.R2Conv(few, many, kernel_size=size // 4),  # sees all, so 1 x 1 is left
        e2.ReLU(many),
    )
    return e2.SequentialModule(*layers)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():  # e2cnn 0.2.3 is written for older versions of torch
        warnings.filterwarnings("ignore", "indexing with dtype torch.uint8")
        yield


def _e2cnn() -> tuple[Any, Any]:
    with extra("steerable", "steerable networks need"):
        from e2cnn import gspaces
        from e2cnn import nn as layers
    return layers, gspaces
