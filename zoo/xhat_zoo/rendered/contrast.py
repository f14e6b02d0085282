"""A judge that sees no colours: images along the colour in which they vary most."""

import torch
from torch import Tensor, nn

from xhat.learning import SmallCNN

__all__ = ["ContrastCNN"]

_TURNS = 8  # of the power iteration


class ContrastCNN(nn.Module):
    """A small convolutional network on one grey channel: the main contrast of a colour image.

    The channel is the first principal component of the pixels' colours, with variance 1; the
    rarer side is light.

    Args:
        classes: the number of outputs.
        size: height and width of the input, a multiple of 4.
        width: of the ``SmallCNN``.

    Shape:
        ``(n, 3, size, size)`` in [0, 1] → logits ``(n, classes)``.

    Example:
        >>> ContrastCNN()(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 7])
    """

    def __init__(self, classes: int = 7, size: int = 32, width: int = 8) -> None:
        super().__init__()
        self.network = SmallCNN(classes, channels=1, size=size, width=width)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        centred = (x - x.mean(dim=(2, 3), keepdim=True)).flatten(2)
        spread = centred @ centred.mT
        way = x.new_tensor((1.0, 0.8, 0.6)).expand(len(x), 3)[:, :, None]
        for _ in range(_TURNS):
            way = spread @ way
            way = way / way.norm(dim=1, keepdim=True).clamp_min(1e-9)
        seen = (centred * way).sum(dim=1)
        seen = seen / seen.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
        skewed = seen.pow(3).mean(dim=1, keepdim=True)
        seen = torch.where(skewed < 0, -seen, seen)
        return self.network(seen.reshape(-1, 1, *x.shape[2:]))
