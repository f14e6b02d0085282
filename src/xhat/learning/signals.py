"""Networks along signals, of another make than the surrogate's ``SignalCNN``.

A judge should not share the blind spots of the surrogate that it judges. One sees a signal at
several scales at once and where in the signal something is; the other sees how things follow each
other over long stretches, and not where. Neither keeps batch statistics.
"""

import torch
from torch import Tensor, nn

__all__ = ["ResidualSignal", "ScalesSignal"]

_PLACES = 8  # along a signal, that ScalesSignal tells apart
_DILATIONS = (1, 2, 4, 8)


class ScalesSignal(nn.Module):
    """Convolutions of three widths side by side, twice; average pooling in eight places.

    Source: Ismail Fawaz et al., "InceptionTime: Finding AlexNet for Time Series Classification",
    Data Mining and Knowledge Discovery 2020.

    Args:
        classes: the number of outputs.
        channels: of the signal.
        length: of the signal.
        width: channels of each convolution.

    Shape:
        ``(n, channels, length)`` → logits ``(n, classes)``.

    Example:
        >>> ScalesSignal(classes=3, channels=2, length=50)(torch.zeros(4, 2, 50)).shape
        torch.Size([4, 3])
    """

    def __init__(
        self, classes: int = 2, channels: int = 1, length: int = 64, width: int = 8
    ) -> None:
        super().__init__()
        places = min(_PLACES, -(-length // 2))
        self.features = nn.Sequential(
            _Scales(channels, width),
            nn.AvgPool1d(2, ceil_mode=True),
            _Scales(3 * width, width),
            nn.AdaptiveAvgPool1d(places),
        )
        self.head = nn.Sequential(
            nn.Linear(3 * width * places, 6 * width), nn.ELU(), nn.Linear(6 * width, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.head(self.features(x).flatten(1))


class ResidualSignal(nn.Module):
    """Dilated residual blocks, group normalisation, GELU; mean and maximum over the signal.

    Source: Bai, Kolter, Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent
    Networks for Sequence Modeling", 2018 (dilated residual blocks).

    Args:
        classes: the number of outputs.
        channels: of the signal.
        width: channels inside, a multiple of 8.

    Shape:
        ``(n, channels, length)`` → logits ``(n, classes)``, any length.

    Example:
        >>> ResidualSignal(classes=3)(torch.zeros(4, 1, 50)).shape
        torch.Size([4, 3])
    """

    def __init__(self, classes: int = 2, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        blocks = [_Dilated(width, dilation) for dilation in _DILATIONS]
        self.features = nn.Sequential(nn.Conv1d(channels, width, 5, padding=2), *blocks)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        seen = self.features(x)
        return self.head(torch.cat((seen.mean(dim=2), seen.amax(dim=2)), dim=1))


class _Scales(nn.Module):
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.sides = nn.ModuleList(
            nn.Conv1d(before, width, size, padding=size // 2) for size in (3, 9, 21)
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.elu(torch.cat([side(x) for side in self.sides], dim=1))


class _Dilated(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.GELU(),
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)
