"""The truth once more, one manoeuvre at a time, as an engineer writes it with numpy and scipy.

It shares no code with the batched truth: an adaptive integrator, a root finder for the time of the
closest approach, and scipy's adaptive quadrature for the probability. The two check each other, and
this one is what optimizers for a single manoeuvre are timed with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, exp, log10, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad, solve_ivp
from scipy.optimize import root_scalar
from scipy.special import erfcx

from xhat_zoo.conjunction.encounters import Encounters
from xhat_zoo.conjunction.orbits import EARTH_RADIUS, J2, MU

__all__ = ["Plain"]

Array = NDArray[np.float64]

_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Plain:
    """One encounter, for plain functions of one manoeuvre.

    Attributes:
        primary: ``(6,)``, m and m/s, at the predicted closest approach.
        secondary: ``(6,)``.
        primary_covariance: ``(3, 3)``, m², in the primary's own axes.
        secondary_covariance: ``(3, 3)``.
        radius: m.
        rtol: of the integrator.

    Example:
        >>> import torch
        >>> from xhat_zoo.conjunction import simulate, truth
        >>> some = simulate(1, seed=3)
        >>> x = [0.0, 0.02, 0.0, 4000.0]
        >>> gap = Plain.of(some, 0)(np.array(x)) - float(truth(some, torch.tensor([x]))[0])
        >>> bool(abs(gap) < 1e-4)
        True
    """

    primary: Array
    secondary: Array
    primary_covariance: Array
    secondary_covariance: Array
    radius: float
    rtol: float = 1e-11

    @classmethod
    def of(cls, encounters: Encounters, i: int) -> "Plain":
        """Return encounter ``i``."""
        fields = [getattr(encounters, name)[i].numpy() for name in Encounters.per_candidate]
        return cls(*fields[:4], radius=float(fields[4]))

    def __call__(self, x: Array) -> float:
        """Return ``log10 Pc`` after a manoeuvre ``(Δv radial, transverse, normal, s before)``."""
        return self.consequences(x)[0]

    def consequences(self, x: Array) -> tuple[float, float]:
        """Return ``log10 Pc`` and the change of the semi-major axis, m."""
        burn = self._moved(self.primary, -x[3])
        before = _axis(burn)
        burn[3:] += _axes(burn).T @ x[:3]
        change = _axis(burn) - before
        one, two = self._moved(burn, x[3]), self.secondary
        delay = self._delay(one, two)
        one, two = self._moved(one, delay), self._moved(two, delay)
        apart, speed = (one - two)[:3], (one - two)[3:]
        plane = np.linalg.svd(speed[None])[2][1:]
        spread = sum(
            _axes(body).T @ covariance @ _axes(body)
            for body, covariance in (
                (one, self.primary_covariance),
                (two, self.secondary_covariance),
            )
        )
        return _log10_pc(plane @ apart, plane @ spread @ plane.T, self.radius), change

    def _moved(self, state: Array, seconds: float) -> Array:
        if seconds == 0:
            return state.copy()
        found = solve_ivp(_slope, (0.0, seconds), state, method="DOP853", rtol=self.rtol, atol=1e-6)
        return found.y[:, -1]

    def _delay(self, one: Array, two: Array) -> float:
        """Return when the two stop coming nearer, s from now."""

        def closing(seconds: float) -> float:
            apart = self._moved(one, seconds) - self._moved(two, seconds)
            return float(apart[:3] @ apart[3:])

        apart = one - two
        guess = -(apart[:3] @ apart[3:]) / (apart[3:] @ apart[3:])
        reach = 0.05 + 0.01 * abs(guess)
        found = root_scalar(closing, bracket=(guess - reach, guess + reach), xtol=1e-9)
        return float(found.root)


def _slope(_: float, state: Array) -> Array:
    x, y, z, *speed = state.tolist()
    squared = x * x + y * y + z * z
    pull = -MU * squared**-1.5
    bulge = 1.5 * J2 * EARTH_RADIUS**2 / squared
    flat = pull * (1 + bulge * (1 - 5 * z * z / squared))
    return np.array([*speed, flat * x, flat * y, (flat + 2 * pull * bulge) * z])


def _axis(state: Array) -> float:
    return float(1 / (2 / np.linalg.norm(state[:3]) - state[3:] @ state[3:] / MU))


def _axes(state: Array) -> Array:
    radial = state[:3] / np.linalg.norm(state[:3])
    normal = np.cross(state[:3], state[3:])
    normal /= np.linalg.norm(normal)
    return np.stack([radial, np.cross(normal, radial), normal])


def _log10_pc(miss: Array, covariance: Array, radius: float) -> float:
    """Integrate along the wide axis, in units of the density at the nearest point of the disc."""
    (small, large), axes = np.linalg.eigh(covariance)
    small, large = sqrt(small), sqrt(large)
    narrow, wide = np.abs(axes.T @ miss)
    near = max(0.0, 1 - radius / max(float(np.hypot(narrow, wide)), 1e-9))
    least = ((near * narrow / small) ** 2 + (near * wide / large) ** 2) / 2
    total = quad(_density(narrow, wide, small, large, radius, least), -radius, radius, epsabs=0)[0]
    return log10(max(total, _LEAST)) - least / np.log(10)


def _density(
    narrow: float, wide: float, small: float, large: float, radius: float, least: float
) -> Callable[[float], float]:
    def density(y: float) -> float:
        half = sqrt(max(radius * radius - y * y, 0.0))
        low, high = (narrow - half) / small, (narrow + half) / small
        gauss = exp(least - ((y - wide) / large) ** 2 / 2 - max(low, 0.0) ** 2 / 2)
        return gauss * _interval(low, high) / (large * sqrt(2 * pi))

    return density


def _interval(low: float, high: float) -> float:
    """Return the normal probability of an interval, over ``exp(-low² / 2)`` where low > 0."""
    if low <= 0:
        return (erf(high / sqrt(2)) - erf(low / sqrt(2))) / 2
    drop = exp((low * low - high * high) / 2)
    return float(erfcx(low / sqrt(2)) - erfcx(high / sqrt(2)) * drop) / 2
