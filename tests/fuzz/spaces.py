"""Kinds of spaces: how a script makes each, and the campaign's own check of its structure.

A check gets the inputs in float64 and says by how much each misses the structure, ``(n,)``, as a
share of its size; it uses nothing of the library's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tests.fuzz import material

Off = Callable[["Look"], Tensor]


@dataclass(frozen=True)
class Look:
    """What a check may look at.

    Attributes:
        seed: of the part.
        shape: of one input.
        top: the largest feature of a start.
        x: ``(n, *shape)``, float64, what was found.
        x0: the starts, likewise.
        z: the search variables, or None.
        names: what the script defined.
    """

    seed: int
    shape: tuple[int, ...]
    top: int
    x: Tensor
    x0: Tensor
    z: Tensor | None
    names: dict[str, Any]

    @property
    def flat(self) -> Tensor:
        return self.x.flatten(1)


@dataclass(frozen=True)
class Kind:
    """A kind of space.

    Attributes:
        source: ``(seed, shape, top, inner)`` to an expression; ``inner`` is that of what it wraps.
        off: the check.
        traits: of the starts that it holds.
        wraps: whether it wraps another space.
        images: whether its inputs must be images, ``(channels, height, width)``.
        setup: ``(seed, shape)`` to a statement that must come before.
    """

    source: Callable[[int, tuple[int, ...], int, str], str]
    off: Off
    traits: str = ""
    wraps: bool = False
    images: bool = False
    setup: Callable[[int, tuple[int, ...]], str] | None = None


def worst(parts: Tensor) -> Tensor:
    return parts.flatten(1).amax(dim=1)


def bounded(look: Look) -> Tensor:
    """Every feature between the bounds of ``ends``."""
    low, high = (eval(end, look.names) for end in ends(look.seed, look.shape, look.top))  # noqa: S307
    low, high = (torch.as_tensor(end, dtype=torch.float64) for end in (low, high))
    beyond = torch.maximum(low - look.x, look.x - high)
    return worst(beyond.clamp_min(0)) / look.top


def ends(seed: int, shape: tuple[int, ...], top: int) -> tuple[str, str]:
    """Bounds that hold all starts: numbers, one for each feature, or open on one side."""
    if seed % 4 == 1:
        low = f"torch.full({shape}, 0.0)"
        return low, f"{top} + torch.arange({torch.Size(shape).numel()}.0).reshape({shape})"
    return "0.0", str(float(top))


def open_ends(seed: int, shape: tuple[int, ...], top: int) -> tuple[str, str]:
    low, high = ends(seed, shape, top)
    return (low, "torch.inf") if seed % 4 == 2 else (low, high)


def in_box(look: Look) -> Tensor:
    if look.seed % 4 == 2:
        return worst((-look.x).clamp_min(0)) / look.top
    return bounded(look)


def shares(look: Look) -> Tensor:
    total = look.x0.flatten(1).sum(dim=1)
    off = (look.flat.sum(dim=1) - total).abs() / total
    return torch.maximum(off, worst((-look.x).clamp_min(0)) / look.top)


def lengths(look: Look) -> Tensor:
    if look.seed % 3 == 1:
        return (look.x.norm(dim=-1) - 1).abs().reshape(len(look.x), -1).amax(dim=1)
    norm, wanted = look.flat.norm(dim=1), look.x0.flatten(1).norm(dim=1)
    return (norm - wanted).abs() / wanted


def in_ball(look: Look) -> Tensor:
    center = look.x0 + 0.1 * look.top
    radius = 0.1 * look.top * look.x[0].numel() ** 0.5 + 0.5
    return ((look.x - center).flatten(1).norm(dim=1) - radius).clamp_min(0) / radius


def in_planes(look: Look) -> Tensor:
    rows = material.matrix(look.seed, look.shape).flatten(1)
    away = ((look.flat - look.x0.flatten(1)) @ rows.T) / rows.norm(dim=1)
    return worst(away.abs()) / look.flat.norm(dim=1).clamp_min(1)


def ordered(look: Look) -> Tensor:
    off = worst(torch.cat([torch.zeros_like(look.x[..., :1]), -look.x.diff(dim=-1)], dim=-1))
    return off.clamp_min(0) / look.top


def ordered_within(look: Look) -> Tensor:
    beyond = torch.maximum(-look.x, look.x - look.top).clamp_min(0)
    return torch.maximum(ordered(look), worst(beyond) / look.top)


def weighed(look: Look) -> Tensor:
    weights = weights_of(look.seed, look.shape).flatten(1)
    got, wanted = ((x.flatten(1) * weights).sum(dim=1) for x in (look.x, look.x0))
    within = worst(torch.maximum(-look.x, look.x - look.top).clamp_min(0)) / look.top
    return torch.maximum((got - wanted).abs() / wanted, within)


def weights_of(seed: int, shape: tuple[int, ...]) -> Tensor:
    return material.uniform(seed, 1, *shape, low=0.5, high=2.0)


def decoded(look: Look) -> Tensor:
    """Where nothing wraps it: what the decoder makes of the code that was found."""
    if look.z is None or look.z.shape[1:] != (material.LATENT,):
        return look.x.new_zeros(len(look.x))
    ae = look.names["ae"]
    with torch.no_grad():
        made = ae.decode(look.z.to(next(ae.parameters()))).double()
    return worst((made - look.x).abs())


def within_exemplar(look: Look) -> Tensor:
    """Where nothing wraps it: no brighter than the exemplar, no darker than what is around it."""
    if look.z is None:
        return look.x.new_zeros(len(look.x))
    exemplar = exemplars(look).flatten(1)
    most = exemplar.amax(dim=1, keepdim=True)
    return worst(torch.maximum(-look.flat, look.flat - most).clamp_min(0)) / look.top


def exemplars(look: Look) -> Tensor:
    rows = look.names["rows"]
    return material.starts(look.seed, look.names["n"], look.shape, "", look.top)[rows]


def frozen(look: Look) -> Tensor:
    held = ~material.mask(look.seed, look.shape)
    return worst((look.x - look.x0).abs() * held) / look.top


def whole(look: Look) -> Tensor:
    asked = material.mask(look.seed, look.shape) if look.seed % 2 else 1.0
    return worst((look.x - look.x.round()).abs() * asked)


def mirrored(look: Look) -> Tensor:
    return worst((look.x - look.x.flip(-1)).abs()) / look.top


def paired(look: Look) -> Tensor:
    return worst((look.x - material.tie(look.x, material.pairs(look.shape))).abs()) / look.top


def near(look: Look) -> Tensor:
    radius = 0.3 * look.top
    return ((look.x - look.x0).flatten(1).norm(dim=1) - radius).clamp_min(0) / radius


KINDS: dict[str, Kind] = {
    "Box": Kind(
        lambda seed, shape, top, _: "spaces.Box({}, {})".format(*open_ends(seed, shape, top)),
        in_box,
        "edges",
    ),
    "Box in units": Kind(
        lambda seed, shape, top, _: "spaces.Box({}, {}, unit=4.0)".format(
            *open_ends(seed, shape, top)
        ),
        in_box,
        "edges",
    ),
    "Logit": Kind(
        lambda seed, shape, top, _: "spaces.Logit({}, {})".format(*ends(seed, shape, top)),
        bounded,
        "edges",
    ),
    "Softmax": Kind(
        lambda seed, shape, top, _: "spaces.Softmax(base.double().flatten(1).sum(1))",
        shares,
        "edges",
    ),
    "Normalized": Kind(
        lambda seed, shape, top, _: (
            "spaces.Normalized(axis=-1)"
            if seed % 3 == 1
            else "spaces.Normalized(base.double().flatten(1).norm(dim=1))"
        ),
        lengths,
    ),
    "Squashed": Kind(
        lambda seed, shape, top, _: (
            f"spaces.Squashed(base + {0.1 * top}, "
            f"{0.1 * top * torch.Size(shape).numel() ** 0.5 + 0.5})"
        ),
        in_ball,
    ),
    "Affine": Kind(
        lambda seed, shape, top, _: (
            f"spaces.Affine(matrix({seed}, {shape}), "
            f"base.flatten(1).double() @ matrix({seed}, {shape}).flatten(1).T)"
        ),
        in_planes,
    ),
    "Ordered": Kind(
        lambda seed, shape, top, _: f"spaces.Ordered(0.0, {float(top)})", ordered_within, "sorted"
    ),
    "Summed": Kind(
        lambda seed, shape, top, _: (
            f"spaces.Summed(0.0, {float(top)}, (base.double() * weights_of({seed}, {shape}))"
            f".flatten(1).sum(1), weights_of({seed}, {shape})[0])"
        ),
        weighed,
    ),
    "Latent": Kind(
        lambda seed, shape, top, _: (
            "spaces.Latent(ae.encode, ae.decode)",
            "spaces.Latent(lambda x: ae.encode(x), lambda z: ae.decode(z))",
            "spaces.Latent(ae.encode, ae.decode, (torch.full((3,), -9.0), torch.full((3,), 9.0)))",
        )[seed % 3],
        decoded,
        setup=lambda seed, shape: f"ae = Autoencoder({seed}, {shape}, dtype)",
    ),
    "Warped": Kind(
        lambda seed, shape, top, _: (
            f"spaces.Warped(starts({seed}, n, {shape}, '', {top})[rows].to(base), (4, 5))"
        ),
        within_exemplar,
        images=True,
    ),
    "Masked": Kind(
        lambda seed, shape, top, inner: f"spaces.Masked({inner}, mask({seed}, {shape}), base)",
        frozen,
        wraps=True,
    ),
    "Rounded": Kind(
        lambda seed, shape, top, inner: (
            f"spaces.Rounded({inner}, mask({seed}, {shape}))"
            if seed % 2
            else f"spaces.Rounded({inner})"
        ),
        whole,
        "whole",
        wraps=True,
    ),
    "Symmetric": Kind(
        lambda seed, shape, top, inner: f"spaces.Symmetric({inner}, symmetry.Mirror())",
        mirrored,
        "mirrored",
        wraps=True,
    ),
    "Tied": Kind(
        lambda seed, shape, top, inner: f"spaces.Tied({inner}, pairs({shape}))",
        paired,
        "paired",
        wraps=True,
    ),
    "HeldOrder": Kind(
        lambda seed, shape, top, inner: f"spaces.Held({inner}, constraints.Monotone(axis=-1))",
        ordered,
        "sorted",
        wraps=True,
    ),
    "HeldBall": Kind(
        lambda seed, shape, top, inner: (
            f"spaces.Held({inner}, constraints.L2Ball(base, {0.3 * top}))"
        ),
        near,
        wraps=True,
    ),
    "HeldSum": Kind(
        lambda seed, shape, top, inner: (
            f"spaces.Held({inner}, constraints.Simplex(base.double().flatten(1).sum(1)))"
        ),
        shares,
        wraps=True,
    ),
    "HeldByFunction": Kind(
        lambda seed, shape, top, inner: (
            f"spaces.Held({inner}, lambda x, start: (x + x.flip(-1)) / 2 + 0 * start, base)"
        ),
        mirrored,
        "mirrored",
        wraps=True,
    ),
}

LEAVES = tuple(name for name, kind in KINDS.items() if not kind.wraps)
WRAPPERS = tuple(name for name, kind in KINDS.items() if kind.wraps)
KEPT = {
    ("Masked", "Box"),
    ("Masked", "Logit"),
    ("Masked", "Latent"),
    ("Symmetric", "Box"),
    ("Tied", "Box"),
    ("Rounded", "Box"),
    ("HeldOrder", "Box"),
    ("HeldByFunction", "Latent"),
}
"""Pairs that must not be refused, with bounds that are numbers."""
