"""Shapes between two digits: neither the one nor the other, and labelled so.

Every digit's outline is turned into a signed distance field, positive outside; a weighted mean of
two fields is the field of a shape between them. Judges learn to be split there, half for each of
the two, rather than sure of either.

Source: Breen, Whitaker, "A Level-Set Approach for the Metamorphosis of Solid Models", IEEE TVCG
2001.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

__all__ = ["Morphs", "signed_distance"]


@dataclass(frozen=True)
class Morphs:
    """Draws shapes between two digits.

    Args:
        fields: ``(n, 1, size, size)`` signed distances in pixels, of the digits.
        labels: ``(n,)`` int64.

    Example:
        >>> from xhat.core import generator
        >>> x = torch.zeros(2, 1, 9, 9)
        >>> x[0, 0, 2:4, 2:7] = x[1, 0, 5:7, 2:7] = 1.0
        >>> morphs = Morphs(signed_distance(x), torch.tensor([0, 1]))
        >>> images, shares = morphs.draw(3, generator(0), 2)
        >>> images.shape, shares.sum(1).tolist()
        (torch.Size([3, 1, 9, 9]), [1.0, 1.0, 1.0])
    """

    fields: Tensor
    labels: Tensor

    def draw(
        self, n: int, generator: torch.Generator, classes: int, spread: float = 0.15
    ) -> tuple[Tensor, Tensor]:
        """Return ``n`` images in [0, 1] and each class's share in them, ``(n, classes)``.

        Args:
            n: how many.
            generator: the source of randomness.
            classes: the width of the shares.
            spread: the first digit's share lies within 0.5 ± ``spread``.
        """
        pair = torch.randint(len(self.labels), (2, 4 * n), generator=generator)
        apart = (self.labels[pair[0]] != self.labels[pair[1]]).int()
        first, second = pair[:, apart.argsort(descending=True, stable=True)[:n]]
        share = 0.5 + spread * (2 * torch.rand(n, generator=generator) - 1)
        field = torch.lerp(self.fields[second], self.fields[first], share.reshape(-1, 1, 1, 1))
        ink = (self.fields < 0).float().mean((1, 2, 3))
        inside = torch.lerp(ink[second], ink[first], share)
        shares = torch.zeros(n, classes)
        shares.scatter_add_(1, self.labels[first][:, None], share[:, None])
        shares.scatter_add_(1, self.labels[second][:, None], 1 - share[:, None])
        return (0.5 - _levelled(field, inside)).clamp(0, 1), shares


def _levelled(field: Tensor, inside: Tensor) -> Tensor:
    """Return the fields shifted so that the share ``inside`` of each is negative: equal ink."""
    flat = field.flatten(1).sort(dim=1).values
    at = (inside * (flat.shape[1] - 1)).round().long()
    return field - flat.gather(1, at[:, None]).reshape(-1, 1, 1, 1)


def signed_distance(x: Tensor, level: float = 0.5) -> Tensor:
    """Return every pixel's distance to the outline of ``x > level``, negative inside.

    Args:
        x: ``(n, channels, h, w)``.
        level: what counts as inside.

    Returns:
        ``(n, channels, h, w)``, in pixels. An image without an inside is far outside everywhere.
    """
    fields = []
    for inside in (x > level).flatten(0, 1).numpy():
        if not inside.any():
            fields.append(np.full(inside.shape, float(sum(inside.shape)), np.float32))
            continue
        out, into = distance_transform_edt(~inside), distance_transform_edt(inside)
        fields.append((np.asarray(out) - np.asarray(into)).astype(np.float32))
    return torch.from_numpy(np.stack(fields)).reshape(x.shape)
