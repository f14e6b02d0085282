"""Pairs from which a prior learns: a start, and real samples of what is wanted that are near it.

A few samples lie near everything. Each target's distance is therefore reduced by how far from all
starts it lies; and of each class the oddest samples, and those that lie among other classes, are no
targets.

Source: hubs: Radovanović, Nanopoulos, Ivanović, "Hubs in Space", JMLR 2010; their price: Conneau et
al., "Word Translation without Parallel Data", ICLR 2018.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from xhat.core import generator

__all__ = ["apart", "groups_of", "pairs", "squared_distances", "typical"]

NEAREST = 4  # targets for each start
_PRICE = 0.5
_BINS = 10  # groups of values
_ODD, _UNSURE = 0.2, 0.15  # of each group, that are no targets
_NEIGHBOURS = 5
_VOTERS = 10  # neighbours that tell whether a sample lies among its own class
_ROWS = 500
_ASKED = 400  # samples of which is asked how far others lie
_PRICED = 2_000  # starts from which prices are learnt


def groups_of(labels: Tensor | None, values: Tensor | None, m: int) -> Tensor:
    """Return the group of every sample, ``(m,)``: its class, or its tenth of the values.

    Of several quantities the first decides. Without any, all are one group.
    """
    if labels is not None:
        return labels
    if values is None:
        return torch.zeros(m, dtype=torch.long)
    first = values.reshape(m, -1)[:, 0].contiguous()
    ends = torch.quantile(first.double(), torch.linspace(0, 1, _BINS + 1)[1:-1].double())
    return torch.bucketize(first.double(), ends)


def pairs(
    u: Tensor,
    group: Tensor,
    doubt: Tensor | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Return the targets of every start in every group, ``(m, groups, 4)``; -1 for none.

    A start is its own target in its own group; where all are one group, so are others near it, for
    a prior that always says the start would lead nowhere.

    Args:
        u: ``(m, d)`` samples in coordinates.
        group: ``(m,)``, from 0.
        doubt: ``(m,)``, how unsure a classifier is of each; None for none.
        on_progress: called with how many starts of how many are done.
    """
    count = int(group.max()) + 1
    allowed = typical(u, group, doubt)
    places = [((group == k) & allowed).nonzero()[:, 0] for k in range(count)]
    price = _prices(u, places)
    found = torch.full((len(u), count, NEAREST), -1)
    for rows in torch.arange(len(u)).split(_ROWS):
        for k, there in enumerate(places):
            if not len(there):
                continue
            far = squared_distances(u[rows], u[there]) - price[there]
            nearest = far.topk(min(NEAREST, len(there)), largest=False).indices
            nearest = nearest[:, torch.arange(NEAREST) % nearest.shape[1]]
            found[rows, k] = there[nearest]
        if on_progress is not None:
            on_progress(int(rows[-1]) + 1, len(u))
    if count > 1:
        own = torch.arange(len(u))
        found[own, group] = own[:, None]
    return found


def apart(u: Tensor, group: Tensor, *, ordered: bool = False) -> float:
    """Return how far samples lie from the nearest of another group, the median.

    Where all are one group, half of how far any two lie apart.

    Args:
        u: ``(m, d)`` samples in coordinates.
        group: ``(m,)``, from 0.
        ordered: whether groups are tenths of a value. The next tenth is always near, but any may be
            wanted: the farthest one counts.
    """
    some = torch.randperm(len(u), generator=generator(0, "apart"))[:_ASKED]
    far = squared_distances(u[some], u)
    if bool((group == group[0]).all()):
        return float(far.median().sqrt()) / 2
    if not ordered:
        far[group[some, None] == group[None]] = torch.inf
        return float(far.amin(dim=1).median().sqrt())
    each = torch.stack([far[:, group == k].amin(dim=1) for k in group.unique()], dim=1)
    return float(each.amax(dim=1).median().sqrt())


def typical(u: Tensor, group: Tensor, doubt: Tensor | None = None) -> Tensor:
    """Return which samples may be targets, ``(m,)``.

    Left out are the fifth of each group that lies farthest from its like, what lies mostly among
    other groups, and the seventh of each group of which a classifier is least sure.
    """
    found = torch.ones(len(u), dtype=torch.bool)
    if len(u) <= _VOTERS:
        return found
    nearest, votes = [], []
    for rows in torch.arange(len(u)).split(_ROWS):
        far = squared_distances(u[rows], u)
        far[torch.arange(len(rows)), rows] = torch.inf
        around = far.topk(_VOTERS, largest=False).indices
        votes.append((group[around] == group[rows, None]).float().mean(dim=1))
        far[group[rows, None] != group[None]] = torch.inf
        kth = min(_NEIGHBOURS, len(u) - 1)
        nearest.append(far.topk(kth, largest=False).values[:, -1])
    far, own = torch.cat(nearest), torch.cat(votes)
    for k in range(int(group.max()) + 1):
        there = group == k
        if int(there.sum()) < 2 * _VOTERS:
            continue
        if doubt is not None:
            unsure = doubt > torch.quantile(doubt[there].double(), 1 - _UNSURE)
            found &= ~(there & unsure)
        odd = far > torch.quantile(far[there].double(), 1 - _ODD)
        found &= ~(there & odd)
        lost = own < 0.5
        if float(lost[there].float().mean()) < 0.5:  # otherwise neighbours do not tell groups
            found &= ~(there & lost)
    return found


def _prices(u: Tensor, places: list[Tensor]) -> Tensor:
    """Return how much nearer a target counts: half of its distance to the starts near it."""
    some = torch.randperm(len(u), generator=generator(0, "pairs"))[:_PRICED]
    price = u.new_zeros(len(u))
    for there in places:
        for rows in there.split(_ROWS):
            far = squared_distances(u[rows], u[some])
            far[far < 1e-6] = torch.inf
            near = far.topk(min(10, len(some)), largest=False).values
            price[rows] = near.where(near.isfinite(), torch.zeros(())).mean(dim=1)
    return _PRICE * price


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the squared distances of rows ``(n, d)`` from rows ``(m, d)``, ``(n, m)``."""
    whole = a.square().sum(1)[:, None] + b.square().sum(1)[None]
    return torch.addmm(whole, a, b.T, alpha=-2).clamp_min(0)
