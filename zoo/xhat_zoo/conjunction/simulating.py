"""Simulated encounters in low Earth orbit, of the kind that operators manoeuvre for.

The primary flies at 450 to 950 km; something comes from any direction, at 1 to 15 km/s, and misses
it by up to a few standard deviations. Standard deviations are like those of conjunction data
messages one or two days ahead: metres to tens of metres for the operated satellite, tens to
thousands for debris, most of it along the track. Only encounters with ``Pc > 1e-4`` are kept, where
operators act.
"""

from math import pi

import torch
from torch import Tensor

from xhat.core import check_count, generator
from xhat_zoo.conjunction.approaching import inertial, truth
from xhat_zoo.conjunction.encounters import Encounters, Limits
from xhat_zoo.conjunction.orbits import EARTH_RADIUS, MU, rtn_axes
from xhat_zoo.conjunction.probability import encounter_plane

__all__ = ["ALARM", "simulate"]

ALARM = -4.0
"""``log10 Pc`` above which an encounter calls for a manoeuvre."""

_SPREAD = {  # of radial, transverse and normal deviations, m, log-uniform
    "primary": ((3.0, 25.0), (20.0, 300.0), (3.0, 20.0)),
    "secondary": ((10.0, 120.0), (60.0, 1500.0), (10.0, 80.0)),
}


def simulate(count: int, *, seed: int) -> Encounters:
    """Return ``count`` encounters with ``Pc > 1e-4``.

    Args:
        count: how many.
        seed: the same seed gives the same encounters; more of them begin with the fewer.

    Example:
        >>> some = simulate(3, seed=1)
        >>> len(some), bool((some.speed > 800).all())
        (3, True)
    """
    check_count("count", count)
    draws, kept, have = generator(seed, "conjunction"), [], 0
    while have < count:
        batch = _drawn(_BATCH, draws)
        alarm = truth(batch, torch.zeros(_BATCH, 4)) > ALARM
        kept.append(batch.select(alarm.nonzero()[:, 0]))
        have += len(kept[-1])
    return _joined(kept).select(torch.arange(count))


_BATCH = 512  # drawn at once


def _joined(parts: list[Encounters]) -> Encounters:
    fields = {n: torch.cat([getattr(p, n) for p in parts]) for n in Encounters.per_candidate}
    limits = {n: torch.cat([getattr(p.limits, n) for p in parts]) for n in Limits.per_candidate}
    return Encounters(**fields, limits=Limits(**limits))


def _drawn(n: int, draws: torch.Generator) -> Encounters:
    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=draws, dtype=torch.float64)

    def log_uniform(low: float, high: float) -> Tensor:
        bounds = torch.tensor([low, high], dtype=torch.float64).log()
        return uniform(float(bounds[0]), float(bounds[1])).exp()

    primary = _state(uniform(450e3, 950e3), [uniform(0, 1) for _ in range(5)])
    primary_covariance = _covariance(_SPREAD["primary"], n, draws)
    secondary_covariance = _covariance(_SPREAD["secondary"], n, draws)
    secondary = primary.clone()
    secondary[:, 3:] = _crossing(primary, [uniform(-1, 1) for _ in range(3)])
    plane = encounter_plane(primary[:, 3:] - secondary[:, 3:])
    spread = inertial(primary_covariance, primary) + inertial(secondary_covariance, secondary)
    root = torch.linalg.cholesky(plane @ spread @ plane.mT)
    distance, turn = uniform(0, 3.2), uniform(0, 2 * pi)
    whitened = torch.stack([distance * turn.cos(), distance * turn.sin()], dim=1)
    secondary[:, :3] -= (plane.mT @ root @ whitened[:, :, None])[:, :, 0]
    period = 2 * pi * (torch.linalg.vector_norm(primary[:, :3], dim=1) ** 3 / MU).sqrt()
    limits = Limits(
        thrust=log_uniform(0.03, 0.3),
        earliest=period * uniform(0.7, 2.6),
        latest=period * uniform(0.1, 0.45),
        band=log_uniform(40.0, 800.0),
    )
    radius = log_uniform(3.0, 20.0)
    return Encounters(primary, secondary, primary_covariance, secondary_covariance, radius, limits)


def _state(altitude: Tensor, shares: list[Tensor]) -> Tensor:
    """Return states at a true anomaly, from uniform numbers in [0, 1] for the other elements."""
    axis = EARTH_RADIUS + altitude
    e, i = 0.012 * shares[0], (0.15 + 0.45 * shares[1]) * pi  # 27° to 108°
    node, perigee, f = (2 * pi * share for share in shares[2:])
    zero = torch.zeros_like(f)
    p = axis * (1 - e**2)
    place = torch.stack([f.cos(), f.sin(), zero], 1) * (p / (1 + e * f.cos()))[:, None]
    speed = torch.stack([-f.sin(), e + f.cos(), zero], 1) * (MU / p).sqrt()[:, None]
    turn = _about(2, node) @ _about(0, i) @ _about(2, perigee)
    return torch.cat([(turn @ v[:, :, None])[:, :, 0] for v in (place, speed)], dim=1)


def _about(axis: int, angle: Tensor) -> Tensor:
    """Return rotations about a coordinate axis, ``(n, 3, 3)``."""
    turn = torch.eye(3, dtype=angle.dtype).repeat(len(angle), 1, 1)
    j, k = (axis + 1) % 3, (axis + 2) % 3
    turn[:, j, j] = turn[:, k, k] = angle.cos()
    turn[:, k, j], turn[:, j, k] = angle.sin(), -angle.sin()
    return turn


def _crossing(primary: Tensor, shares: list[Tensor]) -> Tensor:
    """Return the velocity of what comes from another direction, nearly level and nearly as fast."""
    angle = shares[0].sign() * (8 + 172 * shares[0].abs()) * pi / 180
    speed = torch.linalg.vector_norm(primary[:, 3:], dim=1) * (1 + 0.01 * shares[1])
    along = torch.stack([0.01 * shares[2], angle.cos(), angle.sin()], dim=1) * speed[:, None]
    return (rtn_axes(primary).mT @ along[:, :, None])[:, :, 0]


def _covariance(spread: tuple[tuple[float, float], ...], n: int, draws: torch.Generator) -> Tensor:
    bounds = torch.tensor(spread, dtype=torch.float64).log()
    share = torch.rand(n, 3, generator=draws, dtype=torch.float64)
    deviation = (bounds[:, 0] + share * (bounds[:, 1] - bounds[:, 0])).exp()
    factor = torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    for (j, k), reach in (((1, 0), 0.7), ((2, 0), 0.2), ((2, 1), 0.2)):
        tilt = torch.rand(n, generator=draws, dtype=torch.float64) * 2 - 1
        factor[:, j, k] = reach * tilt
    factor = torch.nn.functional.normalize(factor, dim=2) * deviation[:, :, None]
    return factor @ factor.mT
