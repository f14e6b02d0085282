"""A plain network for smooth functions of a few numbers."""

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Perceptron"]


class Perceptron(nn.Module):
    """A multilayer perceptron with smooth activations, so that its gradients are smooth as well.

    Its last layer begins at zero: what is trained to correct a formula begins as the formula.

    Args:
        inputs: how many numbers come in; they should be of the order of 1.
        outputs: how many go out.
        hidden: the widths of the hidden layers.

    Example:
        >>> Perceptron(3, 2)(torch.ones(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, inputs: int = 2, outputs: int = 1, hidden: tuple[int, ...] = (64, 64)
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, *hidden)):
            layers += [nn.Linear(before, after), nn.SiLU()]
        last = nn.Linear((inputs, *hidden)[-1], outputs)
        with torch.no_grad():
            last.weight.zero_()
            last.bias.zero_()
        self.layers = nn.Sequential(*layers, last)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, outputs)`` of ``(n, inputs)``."""
        return self.layers(x)
