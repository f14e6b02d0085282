"""Orbits around the Earth: point mass and oblateness (J2), propagated in float64.

States are ``(n, 6)``, position and velocity in metres and metres per second, in an inertial frame
whose third axis is the Earth's. The integrator is the explicit Runge–Kutta method of order 8 by
Dormand and Prince with a fixed number of steps, so that a whole batch moves together, each
candidate by a time of its own. Nothing here is differentiated, so the arithmetic is NumPy's, whose
calls on some hundred numbers cost a fifth of torch's.

Sources: Montenbruck, Gill, "Satellite Orbits", 2000; Hairer, Nørsett, Wanner, "Solving Ordinary
Differential Equations I", 1993 (the method DOP853, whose coefficients are scipy's).
"""

from math import ceil
from typing import Any

import numpy as np
import torch
from scipy.integrate import DOP853
from torch import Tensor

from xhat.core import check_count, check_tensor

__all__ = ["EARTH_RADIUS", "J2", "MU", "acceleration", "check_bound", "propagate", "rtn_axes"]

MU = 3.986004418e14
"""The Earth's gravitational parameter, m³/s² (WGS 84)."""

EARTH_RADIUS = 6_378_137.0
"""At the equator, m (WGS 84)."""

J2 = 1.08262668e-3
"""The Earth's oblateness."""

STEP = 200.0  # s: 8th order is then right to centimetres after some orbits in low Earth orbit
_STAGES = 12
Array = np.ndarray[Any, Any]
_A, _B = np.tril(DOP853.A[:_STAGES, :_STAGES], -1), np.asarray(DOP853.B)


def acceleration(position: Tensor) -> Tensor:
    """Return the acceleration, m/s², of bodies at ``(3, n)`` metres.

    Example:
        >>> pull = acceleration(torch.tensor([[7e6], [0.0], [0.0]], dtype=torch.float64))
        >>> round(float(pull[0, 0]), 4)  # 8.1347 of a point mass, and a little of the bulge
        -8.1457
    """
    place = position.detach().double().numpy()
    return torch.from_numpy(_pulled(place, np.empty_like(place)))


def _pulled(position: Array, out: Array) -> Array:
    """Write the acceleration of bodies at ``(3, n)`` into ``out``, and return it."""
    inverse = 1 / np.einsum("ij,ij->j", position, position)
    pull = -MU * inverse * np.sqrt(inverse)
    bulge = 1.5 * J2 * EARTH_RADIUS**2 * inverse
    flat = pull * (1 + bulge * (1 - 5 * inverse * position[2] ** 2))
    np.multiply(flat, position, out=out)
    out[2] += 2 * pull * bulge * position[2]
    return out


@torch.no_grad()
def propagate(state: Tensor, seconds: Tensor, *, steps: int | None = None) -> Tensor:
    """Move every state by its own time, forwards or (where it is below 0) backwards.

    Args:
        state: ``(n, 6)``, m and m/s.
        seconds: ``(n,)``.
        steps: how many for all; None for as many as keep each below ``STEP`` seconds.

    Returns:
        ``(n, 6)``, float64.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.

    Example:
        >>> low = torch.tensor([[7e6, 0, 0, 0, 7.5e3, 1e3]], dtype=torch.float64)
        >>> there = propagate(low, torch.tensor([3000.0], dtype=torch.float64))
        >>> back = propagate(there, torch.tensor([-3000.0], dtype=torch.float64))
        >>> bool((back - low).abs().max() < 1e-4)
        True
    """
    state = check_tensor("the state", state, ndim=2).double()
    seconds = check_tensor("the time", seconds, floating=False).double().reshape(-1)
    if state.shape[1] != 6 or len(seconds) != len(state):
        raise ValueError(
            f"states must be (n, 6) with one time each, but have shape {tuple(state.shape)} and "
            f"{len(seconds)} times."
        )
    if steps is None:
        steps = max(1, ceil(float(seconds.abs().max()) / STEP))
    check_count("steps", steps)
    return torch.from_numpy(_moved(state.detach().numpy(), (seconds / steps).numpy(), steps))


def _moved(state: Array, step: Array, steps: int) -> Array:
    """Return states ``(n, 6)`` after so many steps of ``(n,)`` seconds."""
    y = np.ascontiguousarray(state.T)
    slopes = np.empty((_STAGES, *y.shape))
    flat = slopes.reshape(_STAGES, -1)
    for _ in range(steps):
        for stage in range(_STAGES):
            at = y + step * (_A[stage, :stage] @ flat[:stage]).reshape(y.shape) if stage else y
            slopes[stage, :3] = at[3:]
            _pulled(at[:3], slopes[stage, 3:])
        y = y + step * (_B @ flat).reshape(y.shape)
    return np.ascontiguousarray(y.T)


def rtn_axes(state: Tensor) -> Tensor:
    """Return the radial, transverse and normal directions as rows, ``(n, 3, 3)``.

    ``axes @ v`` are the components of an inertial vector ``v`` along them.

    Example:
        >>> rtn_axes(torch.tensor([[7e6, 0, 0, 0, 7.5e3, 0]]))[0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    radial = torch.nn.functional.normalize(state[:, :3], dim=1)
    normal = torch.linalg.cross(state[:, :3], state[:, 3:])
    normal = torch.nn.functional.normalize(normal, dim=1)
    return torch.stack([radial, torch.linalg.cross(normal, radial), normal], dim=1)


def check_bound(name: str, state: Tensor) -> None:
    """Raise ``ValueError`` unless every state is on an ellipse that stays above the ground.

    Example:
        >>> check_bound("the primary", torch.tensor([[7e6, 0, 0, 0, 12e3, 0]]))
        Traceback (most recent call last):
        ValueError: the primary 0 is on a hyperbolic orbit (12000 m/s at 7000 km, escape is at \
10672 m/s); this task is for bound orbits.
    """
    distance = torch.linalg.vector_norm(state[:, :3], dim=1)
    speed = torch.linalg.vector_norm(state[:, 3:], dim=1)
    escape = (2 * MU / distance.clamp_min(1.0)).sqrt()
    for i in (speed >= escape).nonzero()[:1, 0].tolist():
        raise ValueError(
            f"{name} {i} is on a hyperbolic orbit ({speed[i]:.0f} m/s at "
            f"{distance[i] / 1e3:.0f} km, escape is at {escape[i]:.0f} m/s); this task is for "
            f"bound orbits."
        )
    perigee = _perigee(state, distance, speed)
    for i in (perigee <= EARTH_RADIUS).nonzero()[:1, 0].tolist():
        raise ValueError(
            f"{name} {i} has its perigee {(EARTH_RADIUS - perigee[i]) / 1e3:.0f} km below the "
            f"ground; check the units: metres and metres per second from the Earth's centre."
        )


def _perigee(state: Tensor, distance: Tensor, speed: Tensor) -> Tensor:
    axis = 1 / (2 / distance - speed.square() / MU)
    momentum = torch.linalg.cross(state[:, :3], state[:, 3:]).square().sum(1)
    return axis * (1 - (1 - momentum / (MU * axis)).clamp_min(0).sqrt())
