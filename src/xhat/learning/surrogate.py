"""A small classifier for samples of any shape, in their own units.

The shape says which network: a multilayer perceptron for a table ``(columns,)``, convolutions along
one axis for a signal ``(channels, length)``, ``SmallCNN`` for an image or field
``(channels, h, w)``. Around it stands the way from the units of the data to those of the network,

    u = (x - offset) / unit

which is kept with the weights, so that whoever loads them need not know it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xhat.learning.networks import MLP, SmallCNN

__all__ = ["SignalCNN", "Surrogate", "side_of", "squared"]

_PLACES = 8  # along a signal, that the last layers tell apart


class SignalCNN(nn.Module):
    """Three convolutions along a signal, then means of at most eight stretches of it.

    Args:
        classes: the number of outputs.
        channels: of the signal.
        length: of the signal.
        width: channels of the first convolution; the others have twice as many.

    Shape:
        ``(n, channels, length)`` → logits ``(n, classes)``.

    Example:
        >>> SignalCNN(classes=3, channels=2, length=50)(torch.zeros(4, 2, 50)).shape
        torch.Size([4, 3])
    """

    def __init__(
        self, classes: int = 2, channels: int = 1, length: int = 64, width: int = 32
    ) -> None:
        super().__init__()
        places = min(_PLACES, max(1, length // 4))
        self.features = nn.Sequential(
            nn.Conv1d(channels, width, 7, padding=3),
            nn.ReLU(),
            nn.Conv1d(width, 2 * width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv1d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(places),
        )
        self.head = nn.Sequential(
            nn.Linear(2 * width * places, 2 * width), nn.ReLU(), nn.Linear(2 * width, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.head(self.features(x).flatten(1))


class Surrogate(nn.Module):
    """A classifier of samples in their own units, by a network that fits their shape.

    Args:
        shape: of one sample: ``(columns,)``, ``(channels, length)`` or ``(channels, h, w)``.
        classes: the number of outputs.
        width: of the first layer; the cost grows with its square.

    Raises:
        ValueError: another number of axes.

    Shape:
        ``(n, *shape)`` → logits ``(n, classes)``.

    Example:
        >>> table = Surrogate((2,), classes=3).adjusted(torch.full((1, 2), 5.0), torch.ones(1, 2))
        >>> table(torch.rand(4, 2)).shape, table.units(torch.full((1, 2), 5.0)).tolist()
        (torch.Size([4, 3]), [[0.0, 0.0]])
    """

    offset: Tensor
    unit: Tensor

    def __init__(
        self, shape: tuple[int, ...] = (1, 8, 8), classes: int = 2, width: int = 32
    ) -> None:
        super().__init__()
        self.shape = shape = tuple(shape)
        own = (1, *shape) if len(shape) == 1 else (1,)
        self.register_buffer("offset", torch.zeros(own))
        self.register_buffer("unit", torch.ones(own))
        self.net = _network(shape, classes, width)

    def adjusted(self, offset: Tensor, unit: Tensor) -> "Surrogate":
        """Take what samples are shifted and divided by; return itself."""
        self.offset.copy_(offset)
        self.unit.copy_(unit)
        return self

    def units(self, x: Tensor) -> Tensor:
        """Return samples ``(n, *shape)`` as the network sees them."""
        return (x - self.offset) / self.unit

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``.

        Raises:
            ValueError: samples of another shape.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"this surrogate takes samples (n, {', '.join(map(str, self.shape))}), but "
                f"{tuple(x.shape)} came."
            )
        return self.net(self.units(x))


class _Squared(nn.Module):
    """The edges of an image continued, until it is square and of a side that networks take."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        return squared(x, self.side)


def side_of(h: int, w: int) -> int:
    """Return the side of the least square around ``h × w`` that is a multiple of 4, at least 8.

    Example:
        >>> side_of(8, 13)
        16
    """
    return max(8, -(-max(h, w) // 4) * 4)


def squared(x: Tensor, side: int) -> Tensor:
    """Return images ``(n, channels, h, w)`` with their edges continued to a square."""
    h, w = x.shape[-2:]
    if (h, w) == (side, side):
        return x
    top, left = (side - h) // 2, (side - w) // 2
    return F.pad(x, (left, side - w - left, top, side - h - top), mode="replicate")


def _network(shape: tuple[int, ...], classes: int, width: int) -> nn.Module:
    if len(shape) == 1:
        return MLP(classes=classes, inputs=shape[0], hidden=(2 * width, 2 * width))
    if len(shape) == 2:
        return SignalCNN(classes, *shape, width=width)
    if len(shape) != 3:
        raise ValueError(f"samples have one, two or three axes, but the shape is {shape}.")
    side = side_of(*shape[1:])
    return nn.Sequential(_Squared(side), SmallCNN(classes, shape[0], side, width))
