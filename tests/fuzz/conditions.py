"""Kinds of constraints: how a script makes each, and the campaign's own violation.

Violations are in float64 and in the unit of ``x``, 0 or below where the constraint holds; of a
function of one's own, in the unit of the function.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.fuzz import material
from tests.fuzz.spaces import Look, worst

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Condition:
    """A kind of constraint.

    Attributes:
        source: ``(seed, shape, top)`` to an expression.
        beyond: the check.
        general: whether it is never kept by projection.
        holds: whether it holds at every start.
    """

    source: Callable[[int, Shape, int], str]
    beyond: Callable[[Look], Tensor]
    general: bool = False
    holds: bool = True


def radius(seed: int, top: int) -> float:
    return top * (0.05, 0.2, 0.6)[seed % 3]


def away(look: Look) -> Tensor:
    return (look.x - look.x0).flatten(1)


def normal(seed: int, shape: Shape) -> Tensor:
    return material.uniform(seed, 1, *shape, low=-1.0)


def beyond_plane(look: Look) -> Tensor:
    n = normal(look.seed, look.shape).flatten(1)
    slack = 0.1 * look.top if look.seed % 2 else 0.0
    return ((away(look) @ n[0]) - slack) / n.norm()


def off_planes(look: Look) -> Tensor:
    rows = material.matrix(look.seed, look.shape).flatten(1)
    return worst((away(look) @ rows.T / rows.norm(dim=1)).abs())


def off_simplex(look: Look) -> Tensor:
    off = (look.flat - look.x0.flatten(1)).sum(dim=1).abs() / look.flat.shape[1] ** 0.5
    return torch.maximum(off, worst(-look.x))


def off_sum(look: Look) -> Tensor:
    return torch.maximum(off_simplex(look), worst(look.x - look.top))


def off_order(look: Look) -> Tensor:
    steps = look.flat.diff(dim=1)
    return worst(-steps) if steps.shape[1] else look.x.new_zeros(len(look.x))


def off_cone(look: Look) -> Tensor:
    return (look.flat[:, 1:].norm(dim=1) - 30 * look.flat[:, 0]) / 901**0.5


def ink(x: Tensor) -> Tensor:
    return x.flatten(1).square().mean(dim=1)


LINF = "constraints.LinfBall(base, {r})"
L2 = "constraints.L2Ball(base, {r})"
PLANE = (
    "constraints.Halfspace(normal({seed}, {shape}), "
    "(base.double() * normal({seed}, {shape})).flatten(1).sum(1) + {slack})"
)


def plane(seed: int, shape: Shape, top: int) -> str:
    return PLANE.format(seed=seed, shape=shape, slack=0.1 * top if seed % 2 else 0.0)


CONDITIONS: dict[str, Condition] = {
    "LinfBall": Condition(
        lambda seed, shape, top: LINF.format(r=radius(seed, top)),
        lambda look: worst(away(look).abs()) - radius(look.seed, look.top),
    ),
    "L2Ball": Condition(
        lambda seed, shape, top: L2.format(r=radius(seed, top)),
        lambda look: away(look).norm(dim=1) - radius(look.seed, look.top),
    ),
    "L1Ball": Condition(
        lambda seed, shape, top: f"constraints.L1Ball(base, {radius(seed, top)})",
        lambda look: away(look).abs().sum(dim=1) - radius(look.seed, look.top),
    ),
    "Bounds": Condition(
        lambda seed, shape, top: f"constraints.Bounds(base - {radius(seed, top)}, {1.5 * top})",
        lambda look: torch.maximum(
            worst(-away(look)) - radius(look.seed, look.top), worst(look.x) - 1.5 * look.top
        ),
    ),
    "Halfspace": Condition(plane, beyond_plane),
    "AffineEquality": Condition(
        lambda seed, shape, top: (
            f"constraints.AffineEquality(matrix({seed}, {shape}), "
            f"base.flatten(1).double() @ matrix({seed}, {shape}).flatten(1).T)"
        ),
        off_planes,
    ),
    "Fixed": Condition(
        lambda seed, shape, top: f"constraints.Fixed(~mask({seed}, {shape}), base)",
        lambda look: worst(away(look).abs() * ~material.mask(look.seed, look.shape).flatten()),
        holds=False,  # a mask that frees everything is refused
    ),
    "Invariance": Condition(
        lambda seed, shape, top: "constraints.Invariance(symmetry.Mirror())",
        lambda look: worst((look.x - look.x.flip(-1)).abs()),
        holds=False,
    ),
    "Monotone": Condition(
        lambda seed, shape, top: "constraints.Monotone()", off_order, holds=False
    ),
    "SecondOrderCone": Condition(
        lambda seed, shape, top: "constraints.SecondOrderCone(height=0, slope=30.0)",
        off_cone,
        holds=False,
    ),
    "Simplex": Condition(
        lambda seed, shape, top: "constraints.Simplex(base.double().flatten(1).sum(1))", off_simplex
    ),
    "SumWithin": Condition(
        lambda seed, shape, top: (
            f"constraints.SumWithin(0.0, {float(top)}, base.double().flatten(1).sum(1))"
        ),
        off_sum,
    ),
    "Sphere": Condition(
        lambda seed, shape, top: (
            f"constraints.Sphere(base - {radius(seed, top)}, "
            f"{radius(seed, top) * torch.Size(shape).numel() ** 0.5})"
        ),
        lambda look: (
            (away(look) + radius(look.seed, look.top)).norm(dim=1)
            - radius(look.seed, look.top) * look.flat.shape[1] ** 0.5
        ).abs(),
    ),
    "Intersection": Condition(
        lambda seed, shape, top: (
            f"constraints.Intersection(({L2.format(r=radius(seed, top))}, "
            f"{plane(seed, shape, top)}))"
        ),
        lambda look: torch.maximum(
            away(look).norm(dim=1) - radius(look.seed, look.top), beyond_plane(look)
        ),
    ),
    "Inequality": Condition(
        lambda seed, shape, top: (
            f"constraints.Inequality(lambda x, most: ink(x) - most[:, 0], "
            f"{0.9 + 0.2 * (seed % 2)} * ink(base)[:, None])"
        ),
        lambda look: ink(look.x) - (0.9 + 0.2 * (look.seed % 2)) * ink(look.x0),
        general=True,
    ),
    "Equality": Condition(
        lambda seed, shape, top: (
            f"constraints.Equality(lambda x: x.flatten(1).mean(dim=1) - {0.5 * top}, name='mean')"
        ),
        lambda look: (look.flat.mean(dim=1) - 0.5 * look.top).abs(),
        general=True,
    ),
    "Conditions": Condition(
        lambda seed, shape, top: (
            f"constraints.Inequality(lambda x: x.flatten(1)[:, :3] - {0.8 * top})"
        ),
        lambda look: worst(look.flat[:, :3] - 0.8 * look.top),
        general=True,
    ),
    "Network": Condition(
        lambda seed, shape, top: (
            f"constraints.Inequality(lambda x: net(x)[:, 0] - {1.0 + seed % 3})"
        ),
        lambda look: look.names["clean"](look.x)[:, 0] - (1.0 + look.seed % 3),
        general=True,
    ),
}
