"""Where a surrogate errs, and by how much, learned from a few samples of which the truth is known.

A Gaussian process with the kernel ``(1 - noise) exp(-r^2 / 2 h^2)`` between samples a distance
``r`` apart; length ``h`` and noise are those of a small grid at which the gaps are likeliest. Where
nothing was seen its prediction is the mean gap, and its deviation that of all gaps.

Source: Rasmussen, Williams, "Gaussian Processes for Machine Learning", 2006, chapter 2 and
section 5.4 (the marginal likelihood).
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

__all__ = ["GapProcess"]

_LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # in median distances
_NOISES = (0.01, 0.1, 0.5)  # shares of the variance
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class GapProcess:
    """What is expected of a gap at any sample; build it by ``fit``.

    Attributes:
        x: ``(k, d)`` samples whose gap is known.
        length: of the kernel.
        noise: its share of the variance.
        mean: of the known gaps.
        deviation: of them.
        root: ``(k, k)``, the Cholesky factor of their covariance.
        weights: ``(k, 1)``, of the known samples in a prediction.
    """

    x: Tensor
    length: float
    noise: float
    mean: float
    deviation: float
    root: Tensor
    weights: Tensor

    @classmethod
    def fit(cls, x: Tensor, gaps: Tensor) -> "GapProcess":
        """Learn from samples ``(k, d)`` of comparable features and their gaps ``(k,)``, 2 or more.

        Example:
            >>> x = torch.linspace(0, 1, 20)[:, None]
            >>> process = GapProcess.fit(x, (6 * x[:, 0]).sin())
            >>> mean, deviation = process(torch.tensor([[0.26], [9.0]]))
            >>> round(float(mean[0]), 1), bool(deviation[1] > 5 * deviation[0])
            (1.0, True)
        """
        x, gaps = x.double(), gaps.double()
        mean, deviation = float(gaps.mean()), max(float(gaps.std()), 1e-12)
        y, apart = ((gaps - mean) / deviation)[:, None], torch.cdist(x, x)
        unit = max(float(apart.median()), 1e-12)
        best, found = -torch.inf, None
        for share, noise in product(_LENGTHS, _NOISES):
            covariance = _kernel(apart, share * unit, noise) + noise * torch.eye(len(x)).double()
            root = torch.linalg.cholesky(covariance)
            weights = torch.cholesky_solve(y, root)
            likelihood = float(-(y * weights).sum() / 2 - root.diagonal().log().sum())
            if found is None or likelihood > best:
                best = likelihood
                found = cls(x, share * unit, noise, mean, deviation, root, weights)
        assert found is not None  # noqa: S101 - the grid is not empty
        return found

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the gap at samples ``(n, d)``, ``(n,)`` each."""
        near = _kernel(torch.cdist(x.double(), self.x), self.length, self.noise)
        known = (torch.cholesky_solve(near.T, self.root) * near.T).sum(dim=0)
        spread = (1 - known).clamp_min(_LEAST).sqrt()
        return self.mean + self.deviation * (near @ self.weights)[:, 0], self.deviation * spread


def _kernel(apart: Tensor, length: float, noise: float) -> Tensor:
    return (1 - noise) * (-(apart / length).square() / 2).exp()
