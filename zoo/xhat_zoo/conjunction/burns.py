"""Burns as a space to search, the conditions they must meet, and where searches begin."""

from math import log, pi
from typing import ClassVar

import torch
from torch import Tensor

from xhat.constraints import Inequality
from xhat.spaces import Space
from xhat_zoo.conjunction.approximation import Surrogate
from xhat_zoo.conjunction.encounters import Limits

__all__ = ["Burns", "conditions", "first_burns"]

_PACE = 8.0  # of z per quarter turn of the window's sine, so that a step in time is like one in Δv
_DIRECTIONS = 48  # of the miss, for starts
_INSET = 0.02  # of the window: where its sine is flat, a search could not leave


class Burns(Space):
    """Manoeuvres ``(Δv, s before)`` whose time lies in the burn window, whatever ``z`` is.

    ``Δv = unit z`` and ``t = latest + (earliest - latest) sin²(z / 8)``: at the ends of the window
    the sine is level, so that an optimum there is an ordinary one.

    Args:
        speed: ``(n, 1)``, m/s, about as large as the Δv that is looked for.
        latest: ``(n, 1)``, s before the closest approach.
        earliest: likewise.

    Example:
        >>> one = torch.ones(1, 1)
        >>> space = Burns(0.1 * one, 900 * one, 6000 * one)
        >>> x = space.decode(space.encode(torch.tensor([[0.0, 0.05, 0.0, 3000.0]])))
        >>> [round(value, 3) for value in x[0].tolist()]
        [0.0, 0.05, 0.0, 3000.0]
    """

    exact: ClassVar[bool] = False
    per_candidate: ClassVar[tuple[str, ...]] = ("speed", "latest", "earliest")

    def __init__(self, speed: Tensor, latest: Tensor, earliest: Tensor) -> None:
        self.speed, self.latest, self.earliest = speed, latest, earliest

    def decode(self, z: Tensor) -> Tensor:
        """Return the manoeuvre."""
        share = (z[:, 3:] / _PACE).sin().square()
        seconds = self.latest + (self.earliest - self.latest) * share
        return torch.cat([self.speed * z[:, :3], seconds], dim=1)

    def encode(self, x: Tensor) -> Tensor:
        """Return a ``z`` for a manoeuvre."""
        share = (x[:, 3:] - self.latest) / (self.earliest - self.latest)
        share = share.clamp(_INSET, 1 - _INSET)
        return torch.cat([x[:, :3] / self.speed, _PACE * share.sqrt().asin()], dim=1)


class _Conditions:
    """How a burn stands to risk, thrust and orbit band: ``(n, 4)``, all 0 or below if it may be.

    The risk is taken on a scale that is nearly linear in the miss; the others are relative.
    """

    def __init__(self, model: Surrogate) -> None:
        self.model = model

    def __call__(self, x: Tensor, given: Tensor) -> Tensor:
        wanted, thrust, band, context = given[:, 0], given[:, 1], given[:, 2], given[:, 3:]
        found, change = self.model.consequences(x, context)
        share = change / band
        effort = x[:, :3].square().sum(1) / thrust.square() - 1
        risk = (1 - wanted).sqrt() - (1 - found.clamp_max(0.5)).sqrt()
        return torch.stack([risk, effort, share - 1, -share - 1], dim=1)


def conditions(
    model: Surrogate, context: Tensor, wanted: Tensor, thrust: Tensor, band: Tensor
) -> Inequality:
    """Return what a manoeuvre must meet: risk, thrust and orbit band, as one constraint.

    Args:
        model: the surrogate.
        context: ``(n, CONTEXT)``.
        wanted: ``(n,)``, what ``log10 Pc`` by the surrogate may be at most.
        thrust: ``(n,)``, m/s, the largest ‖Δv‖.
        band: ``(n,)``, m, the largest change of the semi-major axis either way.
    """
    given = torch.cat([torch.stack([wanted, thrust, band], 1), context], dim=1)
    return Inequality(_Conditions(model), given, name="risk, thrust and orbit band")


@torch.no_grad()
def first_burns(
    model: Surrogate, context: Tensor, limits: Limits, wanted: float, *, times: int, keep: int
) -> Tensor:
    """Return starts, ``(keep, n, 4)``: for each encounter the most promising of many.

    At ``times`` times of the window, the shortest Δv whose miss has the wanted risk if the shift
    were linear and the disc small: once as it is, and with a part along the track that changes the
    axis by all of the orbit band, up or down, or not at all. What breaks a limit counts as longer,
    and so does what is not shorter than its neighbours in time, which leads to the same optimum.
    """
    still, radius = context[:, 20:22], context[:, 22:24]
    reach = (2 * log(10) * ((radius.prod(1) / 2).log10() - wanted)).clamp_min(0).sqrt()
    most = context[:, 0] * limits.band / 2  # m/s along a circular track
    found = []
    for i in range(times):
        seconds = limits.latest + (limits.earliest - limits.latest) * (i + 0.5) / times
        gain = _gain(model, context, seconds)
        bent = gain * gain.new_tensor([1.0, 0.0, 1.0])
        burns = [_shortest(gain, still, reach)]
        for part in (most, -most, 0 * most):
            rest = _shortest(bent, still + gain[:, :, 1] * part[:, None], reach)
            burns.append(rest + part[:, None] * rest.new_tensor([0.0, 1.0, 0.0]))
        found.append([torch.cat([burn, seconds[:, None]], 1) for burn in burns])
    cost = [torch.stack([_cost(model, context, limits, x) for x in at]) for at in found]
    costs = torch.stack(cost)
    near = torch.nn.functional.pad(costs, (0, 0, 0, 0, 1, 1), value=torch.inf)
    costs = costs * torch.where((costs <= near[:-2]) & (costs <= near[2:]), 1.0, 3.0)
    best = costs.flatten(0, 1).topk(keep, dim=0, largest=False).indices
    every = torch.stack([x for at in found for x in at])
    return every[best, torch.arange(len(context))]


def _gain(model: Surrogate, context: Tensor, seconds: Tensor) -> Tensor:
    """Return how the miss, in deviations, follows Δv at some time: ``(n, 2, 3)`` per m/s."""
    columns = []
    for axis in range(3):
        x = torch.zeros(len(context), 4, dtype=context.dtype)
        x[:, axis], x[:, 3] = 0.01, seconds
        columns.append((model.miss(x, context) - context[:, 20:22]) / 0.01)
    return torch.stack(columns, dim=2)


def _shortest(gain: Tensor, still: Tensor, reach: Tensor) -> Tensor:
    """Return the shortest Δv that takes the miss to a circle, over directions of the circle."""
    angle = torch.arange(_DIRECTIONS, dtype=gain.dtype) * (2 * pi / _DIRECTIONS)
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    way = reach[:, None, None] * circle - still[:, None]  # (n, directions, 2)
    square = gain @ gain.mT
    square = square + 1e-9 * square.diagonal(dim1=1, dim2=2).amax(1)[:, None, None] * torch.eye(2)
    force = torch.linalg.solve(square, way.mT).mT
    length = (force * way).sum(2)
    best = force[torch.arange(len(gain)), length.argmin(1)]
    return (gain.mT @ best[:, :, None])[:, :, 0]


def _cost(model: Surrogate, context: Tensor, limits: Limits, x: Tensor) -> Tensor:
    """Return the length, longer where a limit would have to be broken for it."""
    length = x[:, :3].norm(dim=1)
    out = (model.axis_change(x, context).abs() / limits.band - 1).clamp_min(0)
    out = out + (length / limits.thrust - 1).clamp_min(0)
    return length * (1 + 3 * out)
