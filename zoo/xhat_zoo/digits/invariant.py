"""A network that an image and its quarter turns cannot tell apart: exact invariance under C4."""

import math

import torch
from torch import Tensor, nn

__all__ = ["TurnInvariantCNN"]


class TurnInvariantCNN(nn.Module):
    """A classifier whose output is the same for an image and for its three quarter turns.

    Features of all four turns are averaged (and their largest taken) before the head, so the
    invariance is exact. A half turn makes a 6 of a 9: an invariant network cannot know which of
    two such classes it sees, so classes named ``alike`` share what is left for either of them.

    Source: Cohen, Welling, "Group Equivariant Convolutional Networks", ICML 2016 (here the group
    acts on the input, and the average over it gives the invariance).

    Args:
        classes: the number of outputs.
        channels: of the input.
        size: height and width of the input, which are equal.
        alike: pairs of classes that a half turn exchanges.

    Shape:
        ``(n, channels, size, size)`` in [0, 1] → logits ``(n, classes)``.

    Example:
        >>> net = TurnInvariantCNN(classes=11, alike=((6, 9),)).eval()
        >>> x = torch.rand(2, 1, 28, 28)
        >>> turned, logits = net(torch.rot90(x, 1, (2, 3))), net(x)
        >>> torch.allclose(turned, logits, atol=1e-5), bool((logits[:, 6] == logits[:, 9]).all())
        (True, True)
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 1,
        size: int = 28,
        alike: tuple[tuple[int, int], ...] = (),
    ) -> None:
        super().__init__()
        self.alike = tuple((int(a), int(b)) for a, b in alike)
        small = -(-size // 4)
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, 16, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv2d(16, 40, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(40, 48, 3, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(48 * small**2, 128),
            nn.SiLU(),
        )
        self.head = nn.Sequential(nn.Linear(256, 96), nn.SiLU(), nn.Linear(96, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        turns = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
        seen = self.trunk(turns).reshape(4, len(x), -1)
        logits = self.head(torch.cat((seen.mean(dim=0), seen.amax(dim=0)), dim=1))
        columns = list(logits.unbind(dim=1))
        for a, b in self.alike:
            columns[a] = columns[b] = torch.logaddexp(columns[a], columns[b]) - math.log(2)
        return torch.stack(columns, dim=1)
