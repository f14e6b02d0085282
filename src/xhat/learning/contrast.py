"""The main contrast of a colour image: what is left of it where colours mean nothing."""

import torch
from torch import Tensor

__all__ = ["main_contrast"]

_TURNS = 8  # of the power iteration


def main_contrast(x: Tensor) -> Tensor:
    """Return images along the colour in which each of them varies most.

    That is the first principal component of an image's colours, with variance 1; the rarer side is
    light. An image and the same in other colours look alike.

    Args:
        x: ``(n, channels, height, width)``.

    Returns:
        ``(n, 1, height, width)``.

    Example:
        >>> grey = torch.zeros(1, 1, 4, 4)
        >>> grey[:, :, 1, 2] = 1
        >>> red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0.2, 0.9])
        >>> one, two = (grey * colour.reshape(3, 1, 1) for colour in (red, blue))
        >>> bool(torch.allclose(main_contrast(one), main_contrast(two), atol=1e-5))
        True
    """
    centred = (x - x.mean(dim=(2, 3), keepdim=True)).flatten(2)
    spread = centred @ centred.mT
    way = torch.linspace(1.0, 0.6, x.shape[1]).to(x).expand(len(x), -1)[:, :, None]
    for _ in range(_TURNS):
        way = spread @ way
        way = way / way.norm(dim=1, keepdim=True).clamp_min(1e-9)
    seen = (centred * way).sum(dim=1)
    seen = seen / seen.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
    skewed = seen.pow(3).mean(dim=1, keepdim=True)
    seen = torch.where(skewed < 0, -seen, seen)
    return seen.reshape(-1, 1, *x.shape[2:])
