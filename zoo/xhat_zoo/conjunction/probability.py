"""Foster's two-dimensional probability of collision, to many digits however small it is.

In a short encounter the relative motion is a straight line, so that only the plane across it
matters. There the relative position is Gaussian, with the miss vector as its mean and the projected
sum of both covariances, and the two bodies collide if it lies in a disc of the sum of their radii::

    P = ∬_{|q| < R} N(q; miss, C) dq

Along the narrow axis of C the integral is a difference of error functions; along the wide one it is
taken by Gauss–Legendre quadrature in three panels, which end where the integrand bends and whose
nodes crowd at their ends. All of it in logarithms, so that 1e-300 has as many digits as 0.1.

Sources: Foster, Estes, "A Parametric Analysis of Orbital Debris Collision Probability and Maneuver
Rate for Space Vehicles", NASA JSC-25898, 1992; Alfano, "Review of Conjunction Probability Methods
for Short-term Encounters", 2007.
"""

from math import log, pi, sqrt

import numpy as np
import torch
from torch import Tensor

from xhat.core import check_tensor

__all__ = ["NODES", "encounter_plane", "log10_probability"]

NODES = 64
"""Of a panel."""

_REACH = 90.0  # of twice the exponent: what lies further down is below 1e-19 of the peak
_NARROW = 1e-3  # of a standard deviation, below which an interval is taken by its middle
_HALF = 0.5 * log(2 * pi)


def encounter_plane(velocity: Tensor) -> Tensor:
    """Return two directions across every relative velocity as rows, ``(n, 2, 3)``.

    Args:
        velocity: ``(n, 3)``, the relative velocity.

    Raises:
        ValueError: a relative velocity is zero, so that there is no plane across it.

    Example:
        >>> encounter_plane(torch.tensor([[0.0, 0.0, 9e3]])).abs()[0].tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    speed = torch.linalg.vector_norm(velocity, dim=1)
    for i in (~(speed > 0)).nonzero()[:1, 0].tolist():
        raise ValueError(
            f"the relative velocity of encounter {i} is zero: the two move together, and a "
            f"probability of a short encounter is not defined."
        )
    along = velocity / speed[:, None]
    least = torch.nn.functional.one_hot(along.abs().argmin(1), 3).to(along)
    first = torch.nn.functional.normalize(torch.linalg.cross(along, least), dim=1)
    return torch.stack([first, torch.linalg.cross(along, first)], dim=1)


@torch.no_grad()
def log10_probability(
    miss: Tensor, covariance: Tensor, radius: Tensor, *, nodes: int = NODES
) -> Tensor:
    """Return the decimal logarithm of the probability of collision, ``(n,)``, float64.

    Args:
        miss: ``(n, 2)``, the miss vector in the encounter plane, in any unit of length.
        covariance: ``(n, 2, 2)``, of the relative position there, in that unit squared.
        radius: ``(n,)``, of both bodies together.
        nodes: of each of the three panels.

    Raises:
        ValueError: a covariance that is not positive definite, or a radius that is not above 0.

    Example:
        Chan's case 1 ("Spacecraft Collision Probability", 2008): 9.742e-3.

        >>> spread = torch.diag(torch.tensor([25.0, 50.0]).square())[None]
        >>> case = log10_probability(torch.tensor([[0.0, 10.0]]), spread, torch.tensor([5.0]))
        >>> f"{10 ** float(case[0]):.3e}"
        '9.742e-03'
    """
    miss = check_tensor("the miss vector", miss, ndim=2).double()
    radius = check_tensor("the radius", radius, floating=False).double().reshape(-1)
    _check_radius(radius)
    small, large, narrow, wide = _principal(miss, check_covariance("the covariance", covariance))
    y, log_weight = _nodes(narrow, wide, large, radius, nodes)
    half = (radius[:, None].square() - y.square()).clamp_min(0).sqrt()
    low, high = (narrow[:, None] - half) / small[:, None], (narrow[:, None] + half) / small[:, None]
    gauss = -((y - wide[:, None]) / large[:, None]).square() / 2 - large.log()[:, None] - _HALF
    total = torch.logsumexp(log_weight + gauss + _log_interval(low, high), dim=1)
    return total.clamp_max(0) / log(10)


def check_covariance(name: str, covariance: Tensor) -> Tensor:
    """Return covariances, ``(n, k, k)``, in float64; raise if one is not positive definite."""
    covariance = check_tensor(name, covariance, ndim=3).double()
    scale = covariance.diagonal(dim1=1, dim2=2).abs().amax(1).clamp_min(1e-300)
    skew = (covariance - covariance.mT).abs().amax((1, 2)) / scale
    for i in (skew > 1e-6).nonzero()[:1, 0].tolist():
        raise ValueError(f"{name} {i} must be symmetric, but is not (by {skew[i]:.1g} of itself).")
    covariance = (covariance + covariance.mT) / 2
    least = torch.linalg.eigvalsh(covariance)[:, 0]
    for i in (least <= 1e-14 * scale).nonzero()[:1, 0].tolist():
        raise ValueError(
            f"{name} {i} must be positive definite, but its least eigenvalue is {least[i]:.3g}; "
            f"a degenerate or indefinite covariance has no density: repair it at its source."
        )
    return covariance


def _check_radius(radius: Tensor) -> None:
    for i in (~(radius > 0)).nonzero()[:1, 0].tolist():
        raise ValueError(
            f"the hard-body radius must be above 0, but is {radius[i]:g} for encounter {i}."
        )


def _principal(miss: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return both deviations, the narrow first, and the miss along both axes, the narrow >= 0."""
    values, axes = torch.linalg.eigh(covariance)
    along = (axes.mT @ miss[:, :, None])[:, :, 0].abs()  # the disc does not care for the sign
    return values[:, 0].sqrt(), values[:, 1].sqrt(), along[:, 0], along[:, 1]


def _nodes(
    narrow: Tensor, wide: Tensor, large: Tensor, radius: Tensor, nodes: int
) -> tuple[Tensor, Tensor]:
    """Return where to look along the wide axis, ``(n, 3 * nodes)``, and the logs of the weights."""
    peak = torch.minimum(wide, radius)
    away = wide - peak
    reach = (away.square() + _REACH * large.square()).sqrt() - away
    bend = (radius.square() - narrow.square()).clamp_min(0).sqrt()
    low, high = torch.maximum(-radius, peak - reach), torch.minimum(radius, peak + reach)
    inner = [torch.maximum(torch.minimum(b, high), low) for b in (-bend, bend)]
    ends = torch.stack([low, *inner, high], dim=1)
    t, w = np.polynomial.legendre.leggauss(nodes)
    place = torch.from_numpy((3 * t - t**3) / 2)  # crowded at both ends
    weight = torch.from_numpy(1.5 * (1 - t**2) * w)
    middle, half = (ends[:, 1:] + ends[:, :-1]) / 2, (ends[:, 1:] - ends[:, :-1]) / 2
    y = middle[:, :, None] + half[:, :, None] * place
    return y.flatten(1), (half[:, :, None] * weight).log().flatten(1)


def _log_interval(low: Tensor, high: Tensor) -> Tensor:
    """Return the log of the normal probability of ``low .. high``, with ``|low| <= high``."""
    middle, half = (low + high) / 2, (high - low) / 2
    thin = (2 * half).log() - middle.square() / 2 - _HALF
    thin = thin + torch.log1p((middle.square() - 1) * half.square() / 6)
    a, b = low.clamp_min(0) / sqrt(2), high / sqrt(2)
    tail = torch.special.erfcx(a) - torch.special.erfcx(b) * (a.square() - b.square()).exp()
    tail = (tail / 2).log() - a.square()
    around = ((torch.erf(b) - torch.erf(low.clamp_max(0) / sqrt(2))) / 2).log()
    return torch.where(2 * half < _NARROW, thin, torch.where(low > 0, tail, around))
