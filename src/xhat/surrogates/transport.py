"""Optimal transport to real samples: the nearest choice that does not choose the same ones always.

The real samples nearest to many starts are few: the thin and the average, which lie near everything
(in high dimensions some points are neighbours of most others; Radovanović, Nanopoulos, Ivanović,
"Hubs in Space", JMLR 2010). A price for each real sample, taken off what it is near, spreads the
choice; with the prices of optimal transport every one is chosen equally often, by the starts to
which that costs least::

    chosen(x) = argmin_e  |x - e|² + share · price_e

Each start still chooses for itself: the prices are learnt once, from other starts. In between, for
a share from 0 to 1, lies the frontier between near and varied.

Source: Cuturi, "Sinkhorn Distances: Lightspeed Computation of Optimal Transport", NeurIPS 2013;
Peyré, Cuturi, "Computational Optimal Transport", 2019 (chapter 5: semi-discrete transport).
"""

import torch
from torch import Tensor

from xhat.core import check_count, check_positive

__all__ = ["prices"]


def prices(starts: Tensor, exemplars: Tensor, *, blur: float = 6.0, iterations: int = 50) -> Tensor:
    """Return a price for each exemplar at which all are chosen about equally often, ``(m,)``.

    Args:
        starts: ``(n, *x_shape)``, of which future starts are like.
        exemplars: ``(m, *x_shape)``.
        blur: how undecided a choice may be, in squared distance; less takes more iterations.
        iterations: of Sinkhorn's algorithm.

    Returns:
        Prices in squared distance, with a mean of 0; higher for what lies near many starts.

    Raises:
        ValueError: starts and exemplars of different shapes, or a number out of its range.

    Example:
        >>> starts = torch.tensor([[0.0], [0.1], [0.2], [0.3]])
        >>> price = prices(starts, torch.tensor([[0.2], [9.0]]), blur=0.5)
        >>> price[0] > price[1]  # or nobody would choose the second
        tensor(True)
    """
    if starts.shape[1:] != exemplars.shape[1:]:
        raise ValueError(
            f"starts and exemplars must have the same shape, but have "
            f"{tuple(starts.shape[1:])} and {tuple(exemplars.shape[1:])}."
        )
    check_positive("blur", blur)
    check_count("iterations", iterations)
    cost = torch.cdist(starts.flatten(1), exemplars.flatten(1)).square().double() / blur
    # with the logarithms' part that does not change taken out, matrix products are enough
    kernel = (cost.amin(dim=1, keepdim=True) - cost).exp()
    n, m = cost.shape
    weight = cost.new_full((m,), 1 / m)
    for _ in range(iterations):
        mass = 1 / n / (kernel @ weight)
        weight = 1 / m / (mass @ kernel).clamp(min=torch.finfo(torch.float64).tiny)
    price = -blur * weight.log()
    return (price - price.mean()).to(exemplars.dtype)
