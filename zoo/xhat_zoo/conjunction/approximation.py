"""The surrogate of the truth: a linear two-body shift, corrected by two small networks.

``log10 Pc`` after a manoeuvre, in three steps, each differentiable and a few microseconds:

1. The shift that the burn causes at the approach, by the two-body state transition matrix in closed
   form (Battin, "An Introduction to the Mathematics and Methods of Astrodynamics", 1999, section
   9.7). A first network adds a matrix that depends on the orbit and the time of the burn: what
   the oblateness does in between.
2. The miss in the encounter plane, in standard deviations along both axes of its covariance.
   A burn that delays the approach lets both bodies, and their covariances, turn a little; that
   enters to first order.
3. The Gaussian density there times the area of the disc. A second network corrects for a disc that
   is not small.

Nothing is propagated and nothing integrated; what both do is learned from simulated encounters.
"""

from math import log

import torch
from torch import Tensor, nn

from xhat_zoo.conjunction.approaching import inertial
from xhat_zoo.conjunction.encounters import Encounters
from xhat_zoo.conjunction.orbits import MU, rtn_axes
from xhat_zoo.conjunction.perceptron import Perceptron
from xhat_zoo.conjunction.probability import encounter_plane

__all__ = ["CONTEXT", "Surrogate", "describe"]

CONTEXT = 30
"""How many numbers describe an encounter to the surrogate."""

_AXIS, _AXIS_SPREAD, _E_SPREAD, _TURNS = 7.078e6, 1.5e5, 8e-3, 8.0
_INPUTS, _DISC = 16, 6


def describe(encounters: Encounters) -> Tensor:
    """Return what the surrogate must know of each encounter, ``(n, CONTEXT)``, float64.

    Orbit of the primary at the approach, encounter plane, covariance, miss and radius; none of it
    depends on the manoeuvre, so it is computed once per encounter.
    """
    one, two = encounters.primary, encounters.secondary
    plane = encounter_plane(one[:, 3:] - two[:, 3:])
    spread = inertial(encounters.primary_covariance, one)
    spread = spread + inertial(encounters.secondary_covariance, two)
    values, axes = torch.linalg.eigh(plane @ spread @ plane.mT)
    deviation = values.sqrt()
    whiten = axes.mT @ plane / deviation[:, :, None]
    miss = (whiten @ (one - two)[:, :3, None])[:, :, 0]
    weights = whiten @ rtn_axes(one).mT
    velocity = one[:, 3:] - two[:, 3:]
    delay = -velocity / velocity.square().sum(1, keepdim=True)
    late = (rtn_axes(one) @ delay[:, :, None])[:, :, 0]
    spin = _spin(encounters.primary_covariance, one) + _spin(encounters.secondary_covariance, two)
    turn = whiten @ spin @ whiten.mT
    turned = torch.stack([turn[:, 0, 0], turn[:, 1, 1], 2 * turn[:, 0, 1]], 1)
    size = encounters.radius[:, None] / deviation
    return torch.cat([_orbit(one), weights.flatten(1), miss, size, late, turned], dim=1)


def _spin(covariance: Tensor, state: Tensor) -> Tensor:
    """Return how fast a covariance turns with its body, m²/s."""
    r, v = state[:, :3], state[:, 3:]
    rate = torch.linalg.cross(r, v) / r.square().sum(1, keepdim=True)
    eye = torch.eye(3, dtype=r.dtype).expand(len(r), 3, 3)
    turn = torch.linalg.cross(rate[:, None].expand_as(eye), eye, dim=2).mT
    spread = inertial(covariance, state)
    return turn @ spread - spread @ turn


def _orbit(state: Tensor) -> Tensor:
    """Return 14 numbers of each orbit; the names stand in ``_Context``."""
    r, v = state[:, :3], state[:, 3:]
    distance = torch.linalg.vector_norm(r, dim=1)
    axis = 1 / (2 / distance - v.square().sum(1) / MU)
    motion = (MU / axis**3).sqrt()
    along_cos = 1 - distance / axis  # e cos E
    along_sin = (r * v).sum(1) / (MU * axis).sqrt()  # e sin E
    e = torch.hypot(along_cos, along_sin)
    anomaly = torch.atan2(along_sin, along_cos)
    root = (1 - e**2).sqrt()
    f = torch.atan2(root * anomaly.sin(), anomaly.cos() - e)
    normal = rtn_axes(state)[:, 2]
    inclination = torch.acos(normal[:, 2].clamp(-1, 1))
    level = torch.stack([-normal[:, 1], normal[:, 0], torch.zeros_like(e)], 1)
    level = torch.nn.functional.normalize(level, dim=1)
    latitude = torch.atan2(
        (r * torch.linalg.cross(normal, level)).sum(1), (r * level).sum(1)
    )  # argument of latitude
    mean = anomaly - along_sin
    columns = (motion, axis, e, root, anomaly, mean, f.cos(), f.sin(), distance)
    return torch.stack(
        [*columns, latitude, inclination.sin(), inclination.cos(), e * f.cos(), e * f.sin()], 1
    )


class Surrogate(nn.Module):
    """``f_θ(x, context) → log10 Pc``; see the module.

    Args:
        shift: corrects the shift, 16 numbers → 9.
        disc: corrects the probability, 6 numbers → 1.

    Shape:
        manoeuvres ``(n, 4)`` (m/s and s before, as the truth takes them) and ``(n, CONTEXT)`` from
        ``describe`` → ``(n,)``.
    """

    def __init__(self, shift: Perceptron | None = None, disc: Perceptron | None = None) -> None:
        super().__init__()
        self.shift = shift or Perceptron(_INPUTS, 9, (64, 64))
        self.disc = disc or Perceptron(_DISC, 1, (48, 48))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Return ``log10 Pc``, ``(n,)``."""
        return self.consequences(x, context)[0]

    def consequences(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``log10 Pc`` and the change of the semi-major axis, m, ``(n,)`` each."""
        burn = _Burn(x, context)
        moved = self._moved(burn, x, context)
        delay = self.delay(moved, context)
        return self.probability(self.whitened(moved, context), delay, context), burn.axis_change()

    def miss(self, x: Tensor, context: Tensor) -> Tensor:
        """Return the miss in standard deviations along the narrow and the wide axis, ``(n, 2)``."""
        return self.whitened(self.moved(x, context), context)

    @staticmethod
    def whitened(moved: Tensor, context: Tensor) -> Tensor:
        """Return the miss of a primary that was moved, ``(n, 3)`` m, in standard deviations."""
        weights = context[:, 14:20].reshape(-1, 2, 3)
        bent = context[:, 0] * moved[:, 1] * Surrogate.delay(moved, context)  # meanwhile it turns
        moved = torch.cat([moved[:, :1] - bent[:, None], moved[:, 1:]], dim=1)
        return context[:, 20:22] + (weights * moved[:, None]).sum(2)

    @staticmethod
    def delay(moved: Tensor, context: Tensor) -> Tensor:
        """Return how much later both are closest, s, ``(n,)``."""
        return (context[:, 24:27] * moved).sum(1)

    def moved(self, x: Tensor, context: Tensor) -> Tensor:
        """Return how far the burn moves the primary at the approach, m, in its axes: ``(n, 3)``."""
        return self._moved(_Burn(x, context), x, context)

    def _moved(self, burn: "_Burn", x: Tensor, context: Tensor) -> Tensor:
        linear = burn.shift()
        matrix = self.shift(burn.inputs()).reshape(-1, 3, 3)
        shift = linear + (matrix * x[:, None, :3]).sum(2) / burn.motion[:, None]
        drop = shift[:, 1:].square().sum(1) / (2 * context[:, 8])  # the track is bent
        return torch.cat([shift[:, :1] - drop[:, None], shift[:, 1:]], dim=1)

    def probability(self, miss: Tensor, delay: Tensor, context: Tensor) -> Tensor:
        """Return ``log10 Pc`` of misses in standard deviations, ``(n, 2)``, and delays in s."""
        size = context[:, 22:24]  # of the radius, in standard deviations
        small = (size.prod(1) / 2).log() - miss.square().sum(1) / 2
        pairs = torch.cat([miss.square() - 1, miss.prod(1, keepdim=True)], dim=1)
        small = small + delay * (context[:, 27:30] * pairs).sum(1) / 2  # covariances turn as well
        edge = (1 + (size * miss).square()).sqrt() - 1
        found = self.disc(torch.cat([edge, size, size.square()], dim=1))[:, 0]
        return small / log(10) + found

    def axis_change(self, x: Tensor, context: Tensor) -> Tensor:
        """Return by how much the burn changes the semi-major axis, m, ``(n,)``."""
        return _Burn(x, context).axis_change()


class _Burn:
    """The primary at the burn on its two-body orbit, in units of its axis and mean motion."""

    def __init__(self, x: Tensor, context: Tensor) -> None:
        motion, axis, e, root, anomaly, mean = context[:, :6].unbind(1)
        self.context, self.motion, self.axis = context, motion, axis
        self.turned = motion * x[:, 3]
        at = mean - self.turned
        early = at + e * at.sin()
        for _ in range(2):  # Kepler's equation by Newton's method, for eccentricities below 0.1
            early = early - (early - e * early.sin() - at) / (1 - e * early.cos())
        self.delta = anomaly - early
        self.place, self.speed, self.distance = _ellipse(early, e, root)
        self.end, self.end_speed, _ = _ellipse(anomaly, e, root)
        across = torch.stack([-self.place[:, 1], self.place[:, 0]], 1)
        flat = self.place * x[:, :1] + across * x[:, 1:2]
        self.flat = flat / self.distance[:, None]  # Δv in the plane of the orbit, m/s
        self.normal = x[:, 2]

    def shift(self) -> Tensor:
        """Return the linear shift at the approach, m, ``(n, 3)`` in the primary's axes there."""
        sine, cosine = self.delta.sin(), self.delta.cos()
        g = self.turned - self.delta + sine
        c = 3 * sine - (2 + cosine) * self.delta - self.turned * (1 - cosine)
        work = (self.speed * self.flat).sum(1, keepdim=True)
        lift = (self.place * self.flat).sum(1, keepdim=True)
        bent = (self.end - self.place) * work - (self.end_speed - self.speed) * lift
        moved = (1 - cosine)[:, None] * bent + c[:, None] * self.end_speed * work
        moved = moved + g[:, None] * self.flat
        cos, sin = self.context[:, 6], self.context[:, 7]
        radial = cos * moved[:, 0] + sin * moved[:, 1]
        along = cos * moved[:, 1] - sin * moved[:, 0]
        return torch.stack([radial, along, g * self.normal], 1) / self.motion[:, None]

    def inputs(self) -> Tensor:
        """Return what the correction depends on, ``(n, 16)``, each of the order of 1."""
        latitude, *tilt, e_cos, e_sin = self.context[:, 9:14].unbind(1)
        early = latitude - self.turned
        angles = torch.stack([self.turned, latitude, early, 2 * latitude, 2 * early], 1)
        rest = [
            self.turned / _TURNS - 1,
            *tilt,
            e_cos / _E_SPREAD,
            e_sin / _E_SPREAD,
            (self.axis - _AXIS) / _AXIS_SPREAD,
        ]
        return torch.cat([angles.sin(), angles.cos(), torch.stack(rest, 1)], dim=1)

    def axis_change(self) -> Tensor:
        scale = self.motion * self.axis
        gain = 2 * (self.speed * self.flat).sum(1) / scale
        gain = gain + (self.flat.square().sum(1) + self.normal.square()) / scale.square()
        return self.axis * gain / (1 - gain)


def _ellipse(anomaly: Tensor, e: Tensor, root: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return place, speed and distance at an eccentric anomaly, with axis and motion 1."""
    sine, cosine = anomaly.sin(), anomaly.cos()
    distance = 1 - e * cosine
    place = torch.stack([cosine - e, root * sine], 1)
    return place, torch.stack([-sine, root * cosine], 1) / distance[:, None], distance
