"""What a latent space is made of: the box that real samples need, and who shares a place in it."""

import math

import torch
from torch import Tensor

from xhat.core import check_count, check_fraction, check_tensor

__all__ = ["classes_per_place", "latent_box"]

_NARROW = 1e-3  # the least width of a side, for a dimension that holds nothing
_PART = 1000


def latent_box(latents: Tensor, share: float = 0.999) -> tuple[Tensor, Tensor]:
    """Return the lower and upper ends of what real samples need of every dimension, ``(d,)`` each.

    A search within ``Latent(encoder, decoder, latent_box(...))`` goes nowhere that no real sample
    goes in any one dimension; a density is a share of this box. A dimension that an autoencoder
    does not use is as narrow as what it holds.

    Args:
        latents: of real samples that trained nothing, ``(m, d)``, ``m >= 2``.
        share: of them that every side holds, in (0, 1), the rest being cut evenly at both ends.

    Raises:
        TypeError: not floating point.
        ValueError: of another shape, or a share out of range.

    Example:
        >>> low, high = latent_box(torch.linspace(-1, 1, 1001)[:, None], share=0.9)
        >>> round(float(low), 2), round(float(high), 2)
        (-0.9, 0.9)
    """
    latents = check_tensor("the latents", latents, ndim=2)
    cut = (1 - check_fraction("share", share)) / 2
    low, high = latents.quantile(torch.tensor([cut, 1 - cut]).to(latents), dim=0)
    wider = (_NARROW - (high - low)).clamp(min=0) / 2
    return low - wider, high + wider


def classes_per_place(latents: Tensor, labels: Tensor, places: Tensor, k: int = 10) -> float:
    """Return how many classes share a place of a latent space: 1 where each has its own.

    The exponential of the mean entropy of the class of the ``k`` nearest latents. Where the space
    is too small, several classes need the same volume, and the decoder gives each place to one of
    them: the others can be neither rebuilt nor found. It is the least number of classes that are as
    hard to tell apart, since ``k`` neighbours show at most ``k`` classes and rare ones are missed.

    Args:
        latents: of real samples, ``(m, d)``.
        labels: their classes, ``(m,)`` int64.
        places: where to look, ``(q, d)``: latents of other real samples.
        k: how many neighbours.

    Raises:
        ValueError: shapes that do not fit, or fewer latents than neighbours.

    Example:
        >>> apart = torch.cat([torch.zeros(30, 2), torch.ones(30, 2)])
        >>> labels = torch.arange(60) // 30
        >>> classes_per_place(apart, labels, apart[::7])
        1.0
        >>> mixed = torch.arange(60) % 2
        >>> round(classes_per_place(torch.arange(60.0)[:, None], mixed, torch.tensor([[30.0]])), 2)
        2.0
    """
    latents = check_tensor("the latents", latents, ndim=2)
    places = check_tensor("the places", places, ndim=2)
    if labels.shape != latents.shape[:1] or places.shape[1] != latents.shape[1]:
        raise ValueError(
            f"there must be one class for each of {len(latents)} latents and places of "
            f"{latents.shape[1]} values, but labels have shape {tuple(labels.shape)} and places "
            f"{tuple(places.shape)}."
        )
    if len(latents) < check_count("k", k):
        raise ValueError(f"there must be {k} latents or more, but there are {len(latents)}.")
    classes = int(labels.max()) + 1
    entropies = []
    for part in places.split(_PART):
        near = torch.cdist(part, latents).topk(k, dim=1, largest=False).indices
        p = torch.nn.functional.one_hot(labels[near], classes).double().mean(dim=1)
        entropies.append(torch.special.entr(p).sum(dim=1))
    return math.exp(float(torch.cat(entropies).mean()))
