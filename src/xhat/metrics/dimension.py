"""Intrinsic dimension: how many numbers it takes to say where on its manifold a sample lies.

Estimators differ, and each is biased in its own way: neighbours (``TwoNN``, ``MLE``) see too few
dimensions where there are many and samples are few, local principal components too many where the
manifold bends. So the answer is a range.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from xhat.core import check_count, extra
from xhat.metrics.distances import as_features

__all__ = ["Dimension", "intrinsic_dimension"]


@dataclass(frozen=True)
class Dimension:
    """The intrinsic dimension of a set of samples, by several estimators.

    Attributes:
        estimates: the name and the value of each estimator.
        n: how many different samples there were.
        repeated: how many samples were left out because they equal another.
    """

    estimates: tuple[tuple[str, float], ...]
    n: int
    repeated: int

    @property
    def low(self) -> float:
        """The least of the estimates."""
        return min(value for _, value in self.estimates)

    @property
    def high(self) -> float:
        """The greatest of the estimates."""
        return max(value for _, value in self.estimates)


def intrinsic_dimension(features: Tensor, *, neighbours: int = 20, patch: int = 100) -> Dimension:
    """Estimate the intrinsic dimension of samples ``(n, d)``, ``d >= 2``.

    Source: TwoNN: Facco et al., "Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information", 2017; MLE: Levina, Bickel, "Maximum Likelihood Estimation of
    Intrinsic Dimension", NeurIPS 2004; local PCA: Fukunaga, Olsen, "An Algorithm for Finding
    Intrinsic Dimensionality of Data", 1971; their implementation: Bac et al., "Scikit-Dimension",
    2021.

    Args:
        features: ``(n, d)`` in which Euclidean distances are meaningful, such as pixels.
        neighbours: how many neighbours the MLE estimator uses.
        patch: how many neighbours make a patch for the local principal components. Components with
            at least 5 % of the variance of the first are counted.

    Raises:
        ImportError: the extra ``dimension`` is not installed.
        TypeError: not floating point.
        ValueError: too few different samples, not two axes, or values not finite.

    Example:
        >>> import torch
        >>> from xhat.core import generator
        >>> flat = torch.randn(600, 2, generator=generator(0)) @ torch.ones(2, 6).triu()
        >>> found = intrinsic_dimension(flat)
        >>> round(found.low), round(found.high)
        (2, 2)
    """
    estimators = _estimators()
    x = as_features("the features", features)
    if x.shape[1] < 2:
        raise ValueError("the features must be at least 2, but a line has 1; its dimension is 1.")
    least = max(check_count("neighbours", neighbours), check_count("patch", patch)) + 1
    kept = x.unique(dim=0)
    if len(kept) < least:
        raise ValueError(
            f"there must be at least {least} different samples for {least - 1} neighbours, but "
            f"{len(kept)} of the {len(x)} are different; pass more, or lower patch and neighbours."
        )
    samples = kept.cpu().numpy()
    # Flat patches have components of no variance, whose gaps (not used here) divide by 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        local = estimators.lPCA().fit_pw(samples, n_neighbors=patch).dimension_pw_
    with warnings.catch_warnings():  # samples that differ by less than a distance can tell
        warnings.filterwarnings("ignore", "Dropping .* points with zero distance")
        nearest_two = float(estimators.TwoNN().fit(samples).dimension_)
    estimates = (
        ("TwoNN", nearest_two),
        ("MLE", float(estimators.MLE().fit(samples, n_neighbors=neighbours).dimension_)),
        ("local PCA", float(local.mean())),
    )
    return Dimension(estimates, len(kept), len(x) - len(kept))


def _estimators() -> Any:
    with extra("dimension", "the intrinsic dimension needs"):
        import skdim.id
    return skdim.id
