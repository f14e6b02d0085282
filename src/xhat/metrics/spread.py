"""How different the results for one target are from each other, and how far they came.

A search that makes the same 8 of every start has good results and no variety: ``mean_distance``
and ``vendi_score`` notice. And a result that moved less than the start is away from any real
sample of the target can hardly be one: ``travel`` compares the two.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.metrics.distances import as_features, check_alike

__all__ = ["Travel", "mean_distance", "travel", "vendi_score"]


def mean_distance(features: Tensor) -> float:
    """Return the mean Euclidean distance of two different samples of ``(n, d)``, ``n >= 2``.

    Raises:
        TypeError: not floating point.
        ValueError: fewer than two samples, not two axes, or values not finite.

    Example:
        >>> mean_distance(torch.tensor([[0.0], [1.0], [3.0]]))
        2.0
    """
    x = as_features("the features", features, least=2)
    total = sum(float(torch.cdist(part, x).sum()) for part in x.split(512))
    return total / (len(x) * (len(x) - 1))


def vendi_score(features: Tensor) -> float:
    """Return the effective number of different samples among ``(n, d)``, from 1 to ``n``.

    The exponential of the entropy of the eigenvalues of ``K / n``, where ``K`` holds the cosine of
    the angle between each two samples. ``n`` equal samples score 1, ``n`` orthogonal ones ``n``. A
    sample that is zero everywhere is like other such samples only.

    Source: Friedman, Dieng, "The Vendi Score: A Diversity Evaluation Metric for Machine Learning",
    TMLR 2023.

    Raises:
        TypeError: not floating point.
        ValueError: not two axes, or values not finite.

    Example:
        >>> round(vendi_score(torch.eye(4)), 6), round(vendi_score(torch.ones(4, 2)), 6)
        (4.0, 1.0)
    """
    x = as_features("the features", features)
    length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    empty = (length == 0).double()
    unit = torch.cat((x / (length + empty), empty), dim=1)
    shares = torch.linalg.svdvals(unit).square() / len(x)  # they add to 1
    return float(torch.special.entr(shares).sum().exp())


@dataclass(frozen=True)
class Travel:
    """How far ``n`` candidates came, each compared with how far it had to go.

    Attributes:
        moved: ``(n,)``, the distance from the start to the result.
        nearest: ``(n,)``, the distance from the start to the nearest real sample of the target.
        ratio: ``(n,)``, ``moved / nearest``; infinite where the start is itself such a sample and
            moved all the same, 1 where it stayed.
    """

    moved: Tensor
    nearest: Tensor
    ratio: Tensor


def travel(found: Tensor, starts: Tensor, real: Tensor) -> Travel:
    """Compare the distance moved with that from the start to the nearest real sample.

    Args:
        found: results for one target, ``(n, *x_shape)``.
        starts: where each started, ``(n, *x_shape)``.
        real: real samples of the target, ``(m, *x_shape)``.

    Raises:
        TypeError: not floating point.
        ValueError: shapes that do not fit, or values not finite.

    Example:
        >>> gone = travel(torch.tensor([[1.0]]), torch.tensor([[0.0]]), torch.tensor([[4.0]]))
        >>> gone.ratio.item()  # a quarter of the way
        0.25
    """
    found, starts, real = (
        check_tensor(name, x).detach().double()
        for name, x in (("found", found), ("starts", starts), ("real", real))
    )
    if found.shape != starts.shape:
        raise ValueError(
            f"there must be one start for each result, of its shape, but {tuple(starts.shape)} "
            f"came for {tuple(found.shape)}; pass them in the same order."
        )
    found, starts, real = (x.reshape(len(x), -1) for x in (found, starts, real))
    check_alike(found, real)
    moved = torch.linalg.vector_norm(found - starts, dim=1)
    index = torch.cat([torch.cdist(part, real).argmin(dim=1) for part in starts.split(512)])
    nearest = torch.linalg.vector_norm(starts - real[index], dim=1)  # exact, also where it is 0
    ratio = torch.where((moved == 0) & (nearest == 0), 1.0, moved / nearest)
    return Travel(moved, nearest, ratio)
