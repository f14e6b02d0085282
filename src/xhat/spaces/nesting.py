"""Spaces in spaces: whether a composition keeps the structure of both.

Every space says by how much an input misses it (``Space.violation``). A composition is tried on
inputs that it makes itself. If one of them misses a space inside it by more than rounding, the two
cannot be combined this way.
"""

from contextlib import suppress

import torch
from torch import Tensor

from xhat.core import generator
from xhat.spaces.base import Space, Wrapped

__all__ = ["check_kept", "check_made"]

_SHAPES = ((4,), (4, 4), (1, 4, 4))  # tried where a space does not know the shape of its inputs
_SCALES = (0.1, 1.0, 3.0, 10.0)
_SHIFTS = (0.0,) * 8 + (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0) * 2  # of all features together
_ROUNDING = 1e-4
_AT_ONCE = 100_000  # numbers


def check_made(space: Wrapped) -> None:
    """Raise ``ValueError`` if a composition breaks a space in it, whatever inputs it is for.

    What cannot be tried without a start (an unknown shape, a decoder) is left to ``check_kept``.
    """
    if not space.exact:
        return
    trouble: list[str | None] = []
    for shape in (space.shape,) if space.shape is not None else _SHAPES:
        # what raises is not of this shape, or not to be tried without a start
        with suppress(Exception):
            trouble.append(_trouble(space, _anywhere(space, shape)))
    if trouble and all(trouble):
        raise ValueError(trouble[0])


def check_kept(space: Space, x: Tensor) -> None:
    """Raise ``ValueError`` if what a composition makes near starts ``x`` breaks a space in it."""
    if space.inner is None:
        return
    try:
        trouble = _trouble(space, x)
    except Exception:  # noqa: BLE001 - what the user brought raises: the search says for whom
        return
    if trouble is not None:
        raise ValueError(trouble)


def _trouble(space: Space, x: Tensor) -> str | None:
    with torch.no_grad():
        z = space.project(space.begin(x))
        noise = _noise(z)
        # many at once where a space is the same for every candidate: roots are found for all
        many = max(1, _AT_ONCE // z.numel()) if space.rows == 1 else 1
        for some in noise.split(many):
            near = (z + some[:, None]).flatten(0, 1)
            made = space.decode(space.project(near))
            slack = _ROUNDING * (1 + made.flatten(1).abs().amax(dim=1))
            if bool((space.violation(made) > slack).any()):
                return _sentence(space, made, slack)
    return None


def _noise(z: Tensor) -> Tensor:
    """Return how far from ``z`` to try, ``(m, *z_shape)``.

    Independent noise leaves a box at half of its lower ends and half of its upper ones, and their
    sum hardly varies; what is shifted as a whole reaches where most are low, or high.
    """
    shape = (len(_SCALES), len(_SHIFTS), *z.shape[1:])
    noise = torch.randn(shape, generator=generator(0, "nesting"), dtype=torch.float64)
    noise = noise + torch.tensor(_SHIFTS).reshape(-1, *(1,) * (z.ndim - 1))
    return (torch.tensor(_SCALES).reshape(-1, *(1,) * z.ndim) * noise).flatten(0, 1).to(z)


def _sentence(space: Space, made: Tensor, slack: Tensor) -> str:
    inner = space
    while inner.inner is not None and (
        inner is space or bool((inner.inner.violation(made) > slack).any())
    ):
        inner = inner.inner
    broken = inner if bool((inner.violation(made) > slack).any()) else space
    off = float(broken.violation(made).max())
    ways = sorted({part.constraint for part in (space, inner) if part.constraint is not None})
    way = " or ".join(ways) or "one of the two"
    return (
        f"{space.name} does not keep what {broken.name} promises: inputs that it makes miss it by "
        f"up to {off:.2g}; give {way} to the Problem as a constraint instead, or nest them the "
        f"other way round where that keeps both."
    )


def _anywhere(space: Space, shape: tuple[int, ...]) -> Tensor:
    """Return an input between the ends that a space in it names, or anywhere."""
    x = torch.rand((space.rows, *shape), generator=generator(0, "anywhere"), dtype=torch.float64)
    while space.inner is not None:
        space = space.inner
    ends = space.intervals()
    if ends is None:
        return x
    low, high = (end.double().nan_to_num(0.0, 1.0, -1.0) for end in ends)
    return low + (high - low) * x
