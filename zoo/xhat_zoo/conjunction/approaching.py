"""The truth: what a manoeuvre does to the probability of collision, by propagation and quadrature.

The primary is propagated back to the burn, kicked, and propagated forward again; from there both
bodies are moved to where they are closest, the sum of their covariances is projected across their
relative velocity, and Foster's integral is taken. Batched over candidates, in float64.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat_zoo.conjunction.encounters import Encounters
from xhat_zoo.conjunction.orbits import MU, acceleration, propagate, rtn_axes
from xhat_zoo.conjunction.probability import encounter_plane, log10_probability

__all__ = ["Approach", "approach", "axis_change", "truth"]

_NEWTON = 3  # the relative motion is nearly a straight line, so one step nearly does it


@dataclass(frozen=True, eq=False)
class Approach:
    """The closest approach of ``n`` candidates.

    Attributes:
        delay: ``(n,)``, s after the predicted time.
        miss: ``(n, 2)``, m, primary minus secondary, in the encounter plane.
        covariance: ``(n, 2, 2)``, m², of the relative position there.
        axis_change: ``(n,)``, m, by which the burn changed the semi-major axis.
        log10_pc: ``(n,)``, the decimal logarithm of the probability of collision.
    """

    delay: Tensor
    miss: Tensor
    covariance: Tensor
    axis_change: Tensor
    log10_pc: Tensor


def truth(encounters: Encounters, x: Tensor) -> Tensor:
    """Return ``log10 Pc`` after each manoeuvre, ``(n,)``, float64.

    Args:
        encounters: ``n`` of them.
        x: ``(n, 4)``: Δv in m/s along the primary's radial, transverse and normal axes at the
            burn, and the time of the burn in s before the predicted closest approach.

    Example:
        >>> from xhat_zoo.conjunction import simulate
        >>> some = simulate(2, seed=0)
        >>> nothing = torch.zeros(2, 4)
        >>> bool((truth(some, nothing) > -4).all())  # all need a manoeuvre
        True
    """
    return approach(encounters, x).log10_pc


def approach(encounters: Encounters, x: Tensor) -> Approach:
    """Return the closest approach after each manoeuvre, and all that follows from it."""
    burn, kicked, primary = fly(encounters, x)
    delay, primary, secondary = closest(primary, encounters.secondary)
    plane = encounter_plane(primary[:, 3:] - secondary[:, 3:])
    spread = inertial(encounters.primary_covariance, primary)
    spread = spread + inertial(encounters.secondary_covariance, secondary)
    miss = (plane @ (primary - secondary)[:, :3, None])[:, :, 0]
    covariance = plane @ spread @ plane.mT
    found = log10_probability(miss, covariance, encounters.radius)
    return Approach(delay, miss, covariance, axis_change(burn, kicked), found)


def fly(encounters: Encounters, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the primary's state before and after the burn, and at the predicted approach."""
    x = check_tensor("the manoeuvre", x, ndim=2).detach().double()
    if x.shape != (len(encounters), 4):
        raise ValueError(
            f"manoeuvres must be (Δv radial, transverse, normal, seconds before), shape "
            f"({len(encounters)}, 4), but have shape {tuple(x.shape)}."
        )
    burn = propagate(encounters.primary, -x[:, 3])
    kicked = kick(burn, x[:, :3])
    return burn, kicked, propagate(kicked, x[:, 3])


def kick(state: Tensor, burn: Tensor) -> Tensor:
    """Return states after an impulse, ``(n, 3)`` m/s in their own axes."""
    return torch.cat(
        [state[:, :3], state[:, 3:] + (rtn_axes(state).mT @ burn[:, :, None])[:, :, 0]], dim=1
    )


def axis_change(before: Tensor, after: Tensor) -> Tensor:
    """Return by how much a burn changes the semi-major axis, m, ``(n,)``."""
    return _axis(after) - _axis(before)


def inertial(covariance: Tensor, state: Tensor) -> Tensor:
    """Turn covariances from a state's own axes into inertial ones, ``(n, 3, 3)``."""
    axes = rtn_axes(state)
    return axes.mT @ covariance @ axes


def closest(primary: Tensor, secondary: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the delay until both are closest, and both states then."""
    delay = torch.zeros_like(primary[:, 0])
    for _ in range(_NEWTON):
        apart, speed = (primary - secondary)[:, :3], (primary - secondary)[:, 3:]
        pull = acceleration(primary[:, :3].T) - acceleration(secondary[:, :3].T)
        slope = speed.square().sum(1) + (apart * pull.T).sum(1)
        step = -(apart * speed).sum(1) / slope
        primary, secondary = (propagate(body, step, steps=1) for body in (primary, secondary))
        delay = delay + step
    return delay, primary, secondary


def _axis(state: Tensor) -> Tensor:
    distance = torch.linalg.vector_norm(state[:, :3], dim=1)
    return 1 / (2 / distance - state[:, 3:].square().sum(1) / MU)
