"""Distances between two sets of samples in a feature space.

Both compare whole distributions, and neither says anything of a single sample.

- ``GaussianFit``: the Fréchet distance between Gaussians with the samples' means and covariances,
  ``|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2))``. Biased: ``n`` samples of the very same
  distribution are a positive distance away, in proportion to ``1 / n``. So it means something only
  beside the distance that real samples have at the same ``n``.
- ``KernelMean``: the squared maximum mean discrepancy of the kernel ``(x·y / d + 1)^3``, known as
  the kernel inception distance. Unbiased: of equal distributions it is 0 on average, so also
  negative now and then.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_tensor

__all__ = ["GaussianFit", "KernelMean", "frechet_distance", "kernel_distance"]

_PART = 1024  # rows of a block: 1,024 x 10,000 kernels are 80 MB


def as_features(name: str, x: Tensor, least: int = 1) -> Tensor:
    """Return features ``(n, d)`` as float64, at least ``least`` of them."""
    x = check_tensor(name, x, ndim=2).detach().double()
    if len(x) < least:
        raise ValueError(
            f"{name} must hold at least {least} samples, but has {len(x)}; pass more of them."
        )
    return x


def check_alike(a: Tensor, b: Tensor) -> None:
    """Raise ``ValueError`` unless both have the same number of features, on the last axis."""
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"both sets must have the same features, but one has {a.shape[-1]} and the other "
            f"{b.shape[-1]}; extract both with one extractor."
        )


@dataclass(frozen=True)
class GaussianFit:
    """Mean and covariance of samples; build it by ``fit``.

    The covariance is kept as a factor, ``C = F^T F``. Since ``tr (C C')^(1/2)`` is the sum of the
    singular values of ``F F'^T``, no matrix root is taken: singular covariances (fewer samples
    than features) are exact, and nothing can become complex.

    Source: Dowson, Landau, "The Fréchet distance between multivariate normal distributions", 1982;
    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium", NeurIPS 2017.

    Attributes:
        mean: ``(d,)`` float64.
        factor: ``(min(n, d), d)`` float64.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def fit(cls, features: Tensor) -> "GaussianFit":
        """Estimate mean and covariance (divided by ``n - 1``) of features ``(n, d)``, ``n >= 2``.

        Raises:
            TypeError: not floating point.
            ValueError: fewer than two samples, not two axes, or values not finite.
        """
        x = as_features("the features", features, least=2)
        mean = x.mean(dim=0)
        centred = (x - mean) / (len(x) - 1) ** 0.5
        if len(x) > x.shape[1]:
            centred = torch.linalg.qr(centred, mode="r").R
        return cls(mean, centred)

    def distance(self, other: "GaussianFit") -> float:
        """Return the squared Fréchet distance, 0 or more, in squared units of the features.

        Raises:
            ValueError: another number of features.

        Example:
            >>> here = GaussianFit(torch.zeros(2), torch.eye(2))
            >>> there = GaussianFit(torch.tensor([3.0, 0.0]), 2 * torch.eye(2))
            >>> here.distance(there)  # 3^2 + 2 (1 - 2)^2
            11.0
        """
        check_alike(self.mean, other.mean)
        between = float((self.mean - other.mean).square().sum())
        variances = float(self.factor.square().sum() + other.factor.square().sum())
        shared = float(torch.linalg.svdvals(self.factor @ other.factor.T).sum())
        return max(0.0, between + variances - 2 * shared)


@dataclass(frozen=True)
class KernelMean:
    """Samples seen by the kernel ``(x·y / d + 1)^3``; build it by ``fit``.

    Source: Bińkowski et al., "Demystifying MMD GANs", ICLR 2018; the unbiased estimator: Gretton
    et al., "A Kernel Two-Sample Test", 2012.

    Attributes:
        features: ``(n, d)`` float64.
        within: the mean kernel of two different samples.
    """

    features: Tensor
    within: float

    @classmethod
    def fit(cls, features: Tensor) -> "KernelMean":
        """Take the mean kernel within features ``(n, d)``, ``n >= 2``.

        Raises:
            TypeError: not floating point.
            ValueError: fewer than two samples, not two axes, or values not finite.
        """
        x = as_features("the features", features, least=2)
        own = float((x.square().sum(dim=1) / x.shape[1] + 1).pow(3).sum())
        return cls(x, (_total(x, x) - own) / (len(x) * (len(x) - 1)))

    def distance(self, other: "KernelMean") -> float:
        """Return the unbiased squared discrepancy; for equal distributions 0 on average.

        Raises:
            ValueError: another number of features.
        """
        check_alike(self.features, other.features)
        pairs = len(self.features) * len(other.features)
        return self.within + other.within - 2 * _total(self.features, other.features) / pairs


def frechet_distance(found: Tensor, reference: Tensor) -> float:
    """Return the Fréchet distance between two sets of features, ``(n, d)`` and ``(m, d)``.

    Example:
        >>> from xhat.core import generator
        >>> x = torch.randn(500, 3, generator=generator(0))
        >>> round(frechet_distance(x, x + 2), 6)  # 2^2 in each of three directions
        12.0
    """
    return GaussianFit.fit(found).distance(GaussianFit.fit(reference))


def kernel_distance(found: Tensor, reference: Tensor) -> float:
    """Return the kernel distance between two sets of features, ``(n, d)`` and ``(m, d)``.

    Example:
        >>> from xhat.core import generator
        >>> x = torch.randn(500, 3, generator=generator(0))
        >>> abs(kernel_distance(x[:250], x[250:])) < 0.1 < kernel_distance(x, x + 2)
        True
    """
    return KernelMean.fit(found).distance(KernelMean.fit(reference))


def _total(a: Tensor, b: Tensor) -> float:
    parts = (
        torch.addmm(a.new_ones(()), part, b.T, alpha=1 / a.shape[1]) for part in a.split(_PART)
    )
    return sum(float(part.pow_(3).sum()) for part in parts)
