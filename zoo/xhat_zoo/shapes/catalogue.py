"""The shapes that ship with a trained surrogate, and a body to move among them."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from xhat.core import check_choice, check_count, generator
from xhat.learning import Card, load_checkpoint
from xhat_zoo.shapes.base import Shape
from xhat_zoo.shapes.bodies import Body
from xhat_zoo.shapes.composed import Complement, Learned, Moved, Union
from xhat_zoo.shapes.fields import DistanceField
from xhat_zoo.shapes.sampling import region_of
from xhat_zoo.shapes.solids import Capsule, Cuboid, Sphere, Torus

__all__ = [
    "ROOM_HALF",
    "SHAPES",
    "WEIGHTS",
    "card",
    "hook",
    "learned_room",
    "obstacles",
    "region",
    "room",
    "shape",
    "surrogate",
    "wanted_poses",
]

WEIGHTS = Path(__file__).parent / "weights"
_INSET = 0.3  # between a wanted pose's middle and the walls
ROOM_HALF = (2.3, 1.8, 1.3)  # of the room's inside


def _dumbbell() -> Shape:
    bar = Moved(Capsule(half=0.5, radius=0.12), (0, 0, 0), (1, 0, 1, 0))  # along x
    return Union([Moved(Sphere(0.35), (-0.55, 0, 0)), Moved(Sphere(0.28), (0.55, 0, 0)), bar])


SHAPES = {
    "torus": lambda: Torus(0.6, 0.25),
    "box": lambda: Cuboid((0.7, 0.5, 0.35)),
    "capsule": lambda: Capsule(half=0.5, radius=0.3),
    "dumbbell": _dumbbell,
}
"""What makes each shape: three solids, and a union of two balls and a bar."""

_PLACES = {
    "torus": ((-1.15, 0.75, 0.1), (0.8, 0.5, 0.2, 0.1)),
    "capsule": ((0.55, -0.75, 0.0), (0.9, 0.3, 0.25, 0.0)),
    "box": ((1.25, 0.8, -0.5), (0.95, 0.0, 0.1, 0.3)),
    "dumbbell": ((-1.0, -0.95, -0.6), (0.97, 0.0, 0.15, 0.2)),
}


@functools.cache
def shape(name: str) -> Shape:
    """Return a shape of ``SHAPES``: the truth.

    Example:
        >>> shape("torus")(torch.tensor([[0.6, 0.0, 0.0]]))
        tensor([-0.2500])
    """
    check_choice("shape", name, SHAPES)
    return SHAPES[name]()


@functools.cache
def room() -> Shape:
    """Return the truth of a room: its walls, and in it the four shapes of ``SHAPES``.

    Free space is outside of it, where its distance is exact.

    Example:
        >>> room().exact_outside, float(room()(torch.tensor([[0.0, 0.0, 1.3]]))) > 0
        (True, False)
    """
    return Union([Complement(Cuboid(ROOM_HALF)), obstacles()])


def obstacles() -> Shape:
    """Return the truth of what stands in the room: the four shapes of ``SHAPES``."""
    return _furnished({name: shape(name) for name in SHAPES})


def learned_room(fields: Mapping[str, Callable[[Tensor], Tensor]] | None = None) -> Shape:
    """Return the same room of surrogates: the walls as they are, every shape in it learned.

    Args:
        fields: by the names of ``SHAPES``, surrogates of your own; None for the shipped ones.

    Raises:
        UnreadableFileError: files of the shipped ones are missing or damaged.
    """
    if fields is None:
        fields = {name: surrogate(name) for name in SHAPES}
    parts = {name: Learned(fields[name], shape(name).bounds()) for name in SHAPES}
    return Union([Complement(Cuboid(ROOM_HALF)), _furnished(parts)])


def _furnished(parts: Mapping[str, Shape]) -> Shape:
    return Union([Moved(parts[name], *place) for name, place in _PLACES.items()])


def region(name: str) -> tuple[Tensor, Tensor]:
    """Return the corners of the box that the shape's surrogate has learned."""
    return region_of(shape(name))


def surrogate(name: str) -> DistanceField:
    """Return the shipped surrogate of a shape: points ``(n, 3)`` → distances ``(n,)``, frozen.

    A copy of its own each time; ``.double()`` makes it one for searches in float64.

    Raises:
        UnreadableFileError: its files are missing or damaged.
        ValueError: there is no such shape.

    Example:
        >>> field = surrogate("torus")
        >>> bool(field(torch.tensor([[0.85, 0.0, 0.0]])).abs() < 0.01)  # on the surface
        True
    """
    model = load_checkpoint(WEIGHTS, check_choice("shape", name, SHAPES))[0]
    if not isinstance(model, DistanceField):
        raise TypeError(f"the checkpoint {name} holds a {type(model).__name__}.")
    return model


def card(name: str) -> Card:
    """Return the card of a shipped surrogate: how it was trained, and its errors on other points.

    Raises:
        UnreadableFileError: its files are missing or damaged.
    """
    return load_checkpoint(WEIGHTS, check_choice("shape", name, SHAPES))[1]


def hook(radius: float = 0.1) -> Body:
    """Return an L of 13 balls, 1.2 by 0.7, that often has to be turned to fit.

    Args:
        radius: of every ball; they overlap, so that the body is one piece.

    Example:
        >>> len(hook().radii)
        13
    """
    long = [(x / 8 - 0.5, 0.0, 0.0) for x in range(9)]
    short = [(0.5, y / 8, 0.0) for y in range(1, 5)]
    return Body([*long, *short], radius)


def wanted_poses(n: int, *, seed: int) -> Tensor:
    """Return poses anywhere in the room and turned anyhow, ``(n, 7)`` float64; most collide.

    Example:
        >>> wanted_poses(3, seed=0).shape
        torch.Size([3, 7])
    """
    draws = generator(seed, "wanted poses")
    turn = torch.randn(check_count("n", n), 4, generator=draws, dtype=torch.float64)
    place = 2 * torch.rand(n, 3, generator=draws, dtype=torch.float64) - 1
    place = place * (torch.tensor(ROOM_HALF, dtype=torch.float64) - _INSET)
    return torch.cat([turn / torch.linalg.vector_norm(turn, dim=1, keepdim=True), place], dim=1)
