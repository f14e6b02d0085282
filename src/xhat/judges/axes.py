"""Manifold axes: distances from real data, each with yardsticks from real data.

An axis measures how far samples are from the reference. What is usual comes from calibration
samples, which are real too and were used for nothing else: a candidate's conformal p-value is the
share of them that lie at least as far out (Vovk, Gammerman, Shafer, "Algorithmic Learning in a
Random World", 2005).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_finite

__all__ = ["Likelihood", "ManifoldAxis", "rank"]

_MOST_FEATURES = 4096  # beyond it, the covariance takes over 100 MB and minutes


def rank(p: float, n: int) -> int:
    """Return how many of ``n`` calibration samples and a candidate are a share ``p``, from 1."""
    return max(1, int(p * (n + 1) * (1 + 1e-9)))  # the last factor undoes rounding


@dataclass(frozen=True)
class ManifoldAxis(ABC):
    """A distance from real data.

    Attributes:
        name: for people.
        typical: ``(c,)``, the calibration samples' distances, ascending.
        far: the distance beyond which a sample belongs to no class; None where classes play no
            part.
    """

    name: str
    typical: Tensor
    far: float | None

    @abstractmethod
    def distance(self, x: Tensor) -> Tensor:
        """Return the distance of samples ``(n, *x_shape)``, ``(n,)``."""

    def p_value(self, distance: Tensor) -> Tensor:
        """Return the conformal p-value of distances, ``(n,)``: small is unusually far."""
        below = torch.searchsorted(self.typical, distance.contiguous())
        return (1 + len(self.typical) - below) / (1 + len(self.typical))

    def limit(self, p: float) -> float:
        """Return the largest distance whose p-value is above ``p``."""
        n = len(self.typical)
        return float(self.typical[n - rank(p, n)])


@dataclass(frozen=True)
class Likelihood(ManifoldAxis):
    """Gaussian likelihood: the Mahalanobis distance ``|(C + s^2 I)^(-1/2) (x - m)|``.

    With mean ``m`` and covariance ``C`` of the reference. It weighs every direction by how little
    real samples vary along it, so it notices what nearest neighbours do not: faint structure where
    real samples have none, such as the noise of an adversarial example. ``s`` is the noise that
    counts for nothing, 1 % of the range of the data.

    Build it by ``fit``.

    Attributes:
        mean: ``(d,)``.
        whitening: ``(d, d)``.
    """

    mean: Tensor
    whitening: Tensor

    @classmethod
    def fit(cls, reference: Tensor, calibration: Tensor) -> "Likelihood":
        """Estimate mean and covariance, and measure the calibration samples.

        Args:
            reference: real samples ``(m, *x_shape)``.
            calibration: likewise, disjoint from the reference.

        Raises:
            ValueError: too many features for a covariance, or values not finite.

        Example:
            >>> from xhat.core import generator
            >>> real = torch.randn(500, 3, generator=generator(0))
            >>> axis = Likelihood.fit(real[:400], real[400:])
            >>> bool(axis.p_value(axis.distance(torch.full((1, 3), 9.0))) < 0.01)
            True
        """
        check_finite("the reference", reference)
        check_finite("the calibration samples", calibration)
        flat = reference.flatten(1)
        if flat.shape[1] > _MOST_FEATURES:
            raise ValueError(
                f"the likelihood axis holds at most {_MOST_FEATURES} features, but samples have "
                f"{flat.shape[1]}; give the panel a smaller representation."
            )
        low, high = torch.aminmax(flat)
        mean = flat.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov((flat - mean).T).reshape(len(mean), -1))
        noise = (0.01 * (high - low)).square().clamp_min(1e-12)  # for a constant reference
        whitening = vectors / (values.clamp_min(0) + noise).sqrt()
        measured = cls("likelihood", torch.empty(0), None, mean, whitening).distance(calibration)
        return cls("likelihood", measured.sort().values, None, mean, whitening)

    def distance(self, x: Tensor) -> Tensor:
        """Return the Mahalanobis distance, ``(n,)``; about ``sqrt(d)`` for real samples."""
        return torch.linalg.vector_norm((x.flatten(1) - self.mean) @ self.whitening, dim=1)
