"""A network that is a signed distance: smooth, so that its gradient is a normal everywhere.

Source: Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with
Periodic Activation Functions" (NeurIPS 2020), whose layers and initial weights these are, with a
lower first frequency; the loss that trains it is in ``xhat_zoo.shapes.distances``.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from xhat.core import check_count, check_positive, check_tensor

__all__ = ["DistanceField"]


class DistanceField(nn.Module):
    """A multilayer perceptron with sine layers, from points ``(n, 3)`` to distances ``(n,)``.

    It knows a box of space, its *region*, in which the whole surface lies. From a point beyond, at
    a distance ``δ`` from the region whose nearest point is ``p``, it says
    ``sign(f(p)) sqrt(f(p)² + δ²)``: by the theorem of Pythagoras the truth is at least as far from
    0 there, if ``f(p)`` is true, because the region is convex.

    Args:
        low: the region's lower corner, three numbers, in the unit of the points.
        high: its upper corner.
        hidden: units of a layer.
        layers: hidden layers.
        frequency: of the first layer, in radians per half of the region's longest side.

    Raises:
        ValueError: a region without room, or a number out of its range.

    Example:
        >>> field = DistanceField((-1, -1, -1), (1, 1, 1), hidden=8)
        >>> field(torch.zeros(5, 3)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        low: Sequence[float] = (-1.0, -1.0, -1.0),
        high: Sequence[float] = (1.0, 1.0, 1.0),
        hidden: int = 64,
        layers: int = 3,
        frequency: float = 6.0,
    ) -> None:
        super().__init__()
        for name, count in (("hidden", hidden), ("layers", layers)):
            check_count(name, count)
        check_positive("frequency", frequency)
        for name, corner in (("low", low), ("high", high)):
            values = check_tensor(f"the corner {name}", corner, ndim=1, floating=False).double()
            self.register_buffer(name, values, persistent=False)  # the card's arguments say it
        if self.low.shape != (3,) or self.high.shape != (3,) or bool((self.low >= self.high).any()):
            raise ValueError(
                f"a region needs two corners of three numbers, low below high, but got "
                f"{self.low.tolist()} and {self.high.tolist()}."
            )
        widths = (3, *(hidden,) * layers)
        made = [nn.Linear(a, b) for a, b in pairwise(widths)]
        self.hidden = nn.ModuleList(made)
        self.out = nn.Linear(hidden, 1)
        _begin(made, frequency)

    low: Tensor
    high: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return signed distances, ``(n,)``, in the unit of the points ``(n, 3)``."""
        low, high = self.low.to(x), self.high.to(x)
        inside = torch.clamp(x, low, high)
        scale = (high - low).max() / 2
        y = (inside - (low + high) / 2) / scale
        for layer in self.hidden:
            y = torch.sin(layer(y))
        f = self.out(y)[:, 0] * scale
        beyond = (x - inside).square().sum(dim=1)
        away = beyond > 0
        if not bool(away.any()):
            return f
        far = torch.sign(f) * torch.sqrt(torch.where(away, f.square() + beyond, 1.0))
        return torch.where(away, far, f)


@torch.no_grad()
def _begin(layers: Sequence[nn.Linear], frequency: float) -> None:
    """Draw first weights such that every layer's sines turn about as often as the first one's."""
    for k, layer in enumerate(layers):
        reach = math.sqrt(6 / layer.in_features) if k else frequency / layer.in_features
        layer.weight.uniform_(-reach, reach)
        if not k:
            layer.bias.uniform_(-math.pi, math.pi)
