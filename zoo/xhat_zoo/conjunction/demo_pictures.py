"""What the demo of collision avoidance draws of one encounter."""

from math import pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xhat.report import CurvePanel
from xhat_zoo.conjunction.approaching import Approach, fly, truth
from xhat_zoo.conjunction.approximation import describe
from xhat_zoo.conjunction.avoiding import Avoidance
from xhat_zoo.conjunction.pictures import EncounterPlane
from xhat_zoo.conjunction.probability import encounter_plane, log10_probability
from xhat_zoo.conjunction.shipped import surrogate

__all__ = ["panel_of", "plane_of", "power"]

_POINTS = 11  # of a curve


def plane_of(found: Avoidance, before: Approach, i: int) -> EncounterPlane:
    """Return encounter ``i`` in the axes of its covariance before the burn, the wide one first."""
    of = found.encounters.select(torch.tensor([i]))
    values, axes = torch.linalg.eigh(before.covariance[i])
    axes, deviation = axes.flip(1), values.sqrt().flip(0)
    start = axes.T @ before.miss[i]
    plane = axes.T @ encounter_plane(of.primary[:, 3:] - of.secondary[:, 3:])[0]
    x = found.x[i : i + 1]
    moved = fly(of, x)[2] - fly(of, 0 * x)[2]
    after = start + plane @ moved[0, :3]
    sign = torch.where(start < 0, -1.0, 1.0).double()
    period = 2 * pi / float(describe(of)[0, 0])
    return EncounterPlane(
        title=f"Encounter {i}: Pc {power(before.log10_pc[i])} → {power(found.log10_pc[i])}",
        lines=(
            f"{100 * float(found.length[i]):.2f} cm/s, {float(x[0, 3]) / 60:.0f} min "
            f"({float(x[0, 3]) / period:.2f} revolutions) before",
            f"passing at {float(of.speed[0]) / 1e3:.1f} km/s",
        ),
        before=(sign * start).numpy(),
        after=(sign * after).numpy(),
        deviations=deviation.numpy(),
        radius=float(of.radius[0]),
        risky=_risky(deviation, float(of.radius[0]), found.wanted),
    )


def _risky(deviation: torch.Tensor, radius: float, wanted: float) -> NDArray[np.float64]:
    """Return where ``log10 Pc`` is as wanted, in 90 directions, by bisection."""
    angle = torch.linspace(0, 2 * pi, 91, dtype=torch.float64)
    way = torch.stack([angle.cos(), angle.sin()], 1) * deviation
    low, high = torch.zeros_like(angle), torch.full_like(angle, 12.0)
    spread = torch.diag(deviation.square()).expand(len(angle), 2, 2)
    size = torch.full_like(angle, radius)
    for _ in range(24):
        middle = (low + high) / 2
        above = log10_probability(middle[:, None] * way, spread, size, nodes=24) > wanted
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low[:, None] * way).numpy()


def panel_of(found: Avoidance, i: int) -> CurvePanel:
    """Truth and surrogate along the burn; they agree, so their points alternate."""
    scale = torch.linspace(0, 2, 2 * _POINTS - 1, dtype=torch.float64)
    many = found.encounters.select(torch.full((len(scale),), i))
    x = found.x[i].repeat(len(scale), 1)
    x[:, :3] *= scale[:, None]
    asked, rest = slice(0, None, 2), slice(1, None, 2)
    with torch.no_grad():
        learned = surrogate().double()(x, describe(many))[rest]
    known = truth(many.select(torch.arange(len(scale))[asked]), x[asked])
    size = (100 * x[:, :3].norm(dim=1)).numpy()
    return CurvePanel(
        f"Encounter {i}",
        "Δv, cm/s",
        "log10 Pc",
        {
            "truth": (size[asked], known.numpy()),
            "surrogate": (size[rest], learned.numpy()),
            "wanted": (size[[0, -1]], np.full(2, found.wanted)),
        },
    )


def power(log10: Any) -> str:
    """Return a probability in words, from its decimal logarithm."""
    return f"{10 ** float(log10):.1e}"
