"""A judge that sees no colours: images along the colour in which they vary most."""

from torch import Tensor, nn

from xhat.learning import SmallCNN, main_contrast

__all__ = ["ContrastCNN"]


class ContrastCNN(nn.Module):
    """A small convolutional network on one grey channel: the main contrast of a colour image.

    The channel is ``xhat.learning.main_contrast``.

    Args:
        classes: the number of outputs.
        size: height and width of the input, a multiple of 4.
        width: of the ``SmallCNN``.

    Shape:
        ``(n, 3, size, size)`` in [0, 1] → logits ``(n, classes)``.

    Example:
        >>> import torch
        >>> ContrastCNN()(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 7])
    """

    def __init__(self, classes: int = 7, size: int = 32, width: int = 8) -> None:
        super().__init__()
        self.network = SmallCNN(classes, channels=1, size=size, width=width)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.network(main_contrast(x))
