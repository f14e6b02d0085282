"""Shapes made of shapes: moved, united, turned inside out."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from xhat_zoo.shapes.base import Shape, precise

__all__ = ["Complement", "Learned", "Moved", "Union"]


class Moved(Shape):
    """A shape, first rotated about the origin and then translated; distances stay what they were.

    Args:
        shape: what is moved.
        translation: ``(3,)``.
        quaternion: ``(w, x, y, z)``, the rotation; normalised here. None for no rotation.

    Raises:
        TypeError: the shape is no ``Shape``.
        ValueError: the translation is not three numbers, or the quaternion not four, or all 0.

    Example:
        >>> from xhat_zoo.shapes import Sphere
        >>> Moved(Sphere(1.0), (2.0, 0.0, 0.0))(torch.tensor([[5.0, 0.0, 0.0]]))
        tensor([2.])
    """

    def __init__(self, shape: Shape, translation: Any, quaternion: Any = None) -> None:
        super().__init__()
        self.shape = _checked(shape)
        self.exact_outside, self.exact_inside = shape.exact_outside, shape.exact_inside
        move = precise("the translation", translation, ndim=1)
        turn = (1.0, 0.0, 0.0, 0.0) if quaternion is None else quaternion
        turn = precise("the quaternion", turn, ndim=1)
        if move.shape != (3,) or turn.shape != (4,) or not float(turn.norm()):
            raise ValueError(
                f"a movement needs a translation of 3 numbers and a quaternion of 4 that are not "
                f"all 0, but got {move.tolist()} and {turn.tolist()}."
            )
        self.register_buffer("translation", move)
        self.register_buffer("rotation", rotation_matrix(turn[None])[0])

    def distance(self, x: Tensor) -> Tensor:
        """Return the shape's distance of the points moved back."""
        return self.shape(self._back(x))

    def normal(self, x: Tensor) -> Tensor:
        """Return the shape's normal, rotated."""
        return self.shape.normal(self._back(x)) @ self.get_buffer("rotation").to(x).T

    def bounds(self) -> Tensor:
        """Return a box around the moved corners of the shape's box."""
        low, high = self.shape.bounds()
        corners = torch.cartesian_prod(*torch.stack([low, high], dim=1))
        moved = corners @ self.get_buffer("rotation").double().T
        moved = moved + self.get_buffer("translation").double()
        return torch.stack([moved.amin(dim=0), moved.amax(dim=0)])

    def _back(self, x: Tensor) -> Tensor:
        return (x - self.get_buffer("translation").to(x)) @ self.get_buffer("rotation").to(x)


class Union(Shape):
    """All points of any of several shapes: ``d = min_i d_i``.

    Outside it is the distance itself wherever that of the parts is. Inside, where parts overlap,
    it is a bound: some surface of a part lies within another, so that the union's own surface is
    farther away than ``|d|``. A ball of radius ``|d|`` fits all the same.

    Args:
        parts: one shape or more.

    Raises:
        TypeError: a part is no ``Shape``.
        ValueError: there are no parts.

    Example:
        >>> from xhat_zoo.shapes import Sphere
        >>> two = Union([Sphere(1.0), Moved(Sphere(0.5), (3.0, 0.0, 0.0))])
        >>> two(torch.tensor([[2.0, 0.0, 0.0]])), two.exact_outside, two.exact_inside
        (tensor([0.5000]), True, False)
    """

    def __init__(self, parts: Sequence[Shape]) -> None:
        super().__init__()
        if not len(parts):
            raise ValueError("a union needs one shape or more, but got none.")
        self.parts = nn.ModuleList([_checked(part) for part in parts])
        self.parts.training = False
        self.exact_outside = all(part.exact_outside for part in parts)
        self.exact_inside = len(parts) == 1 and parts[0].exact_inside

    def distance(self, x: Tensor) -> Tensor:
        """Return the least distance of the parts."""
        return self._all(x).amin(dim=1)

    def normal(self, x: Tensor) -> Tensor:
        """Return the normal of the nearest part."""
        nearest = self._all(x).argmin(dim=1)
        every = torch.stack([part.normal(x) for part in self._shapes()], dim=1)
        return every[torch.arange(len(x), device=x.device), nearest]

    def bounds(self) -> Tensor:
        """Return a box around the parts' boxes."""
        boxes = torch.stack([part.bounds() for part in self._shapes()])
        return torch.stack([boxes[:, 0].amin(dim=0), boxes[:, 1].amax(dim=0)])

    def _all(self, x: Tensor) -> Tensor:
        return torch.stack([part(x) for part in self.parts], dim=1)

    def _shapes(self) -> list[Shape]:
        return [part for part in self.parts if isinstance(part, Shape)]


class Complement(Shape):
    """All points that are not in a shape: ``-d``. Of a box it is the walls of a room.

    Example:
        >>> from xhat_zoo.shapes import Cuboid
        >>> walls = Complement(Cuboid((2.0, 2.0, 1.0)))
        >>> walls(torch.zeros(1, 3))  # the free distance in the middle of the room
        tensor([1.])
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = _checked(shape)
        self.exact_outside, self.exact_inside = shape.exact_inside, shape.exact_outside

    def distance(self, x: Tensor) -> Tensor:
        """Return the shape's distance with the other sign."""
        return -self.shape(x)

    def normal(self, x: Tensor) -> Tensor:
        """Return the shape's normal with the other sign."""
        return -self.shape.normal(x)

    def bounds(self) -> Tensor:
        """Return the shape's box: they have one surface."""
        return self.shape.bounds()


class Learned(Shape):
    """A surrogate as a shape, so that it can be moved and united like one.

    Args:
        field: ``(n, 3) -> (n,)``, differentiable.
        bounds: ``(2, 3)``, a box that holds the surface.

    Raises:
        TypeError: the field cannot be called.
        ValueError: the bounds are not two corners.

    Example:
        >>> ball = Learned(lambda x: x.norm(dim=1) - 1, [[-1, -1, -1], [1, 1, 1]])
        >>> Moved(ball, (2.0, 0.0, 0.0))(torch.tensor([[5.0, 0.0, 0.0]]))
        tensor([2.])
    """

    exact_outside = exact_inside = False

    def __init__(self, field: Callable[[Tensor], Tensor], bounds: Any) -> None:
        super().__init__()
        if not callable(field):
            raise TypeError(f"the field must be callable, not {type(field).__name__}.")
        corners = precise("the bounds", bounds, ndim=2)
        if corners.shape != (2, 3):
            raise ValueError(f"the bounds must have shape (2, 3), not {tuple(corners.shape)}.")
        self.field = field
        self.register_buffer("corners", corners)

    def distance(self, x: Tensor) -> Tensor:
        """Return what the surrogate says."""
        return self.field(x)

    def normal(self, x: Tensor) -> Tensor:
        """Return the surrogate's gradient, whose length is about 1."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(self.field(leaf).sum(), leaf)
        return slope

    def bounds(self) -> Tensor:
        """Return the box that was given."""
        return self.get_buffer("corners").double()


def rotation_matrix(quaternion: Tensor) -> Tensor:
    """Return rotation matrices ``(n, 3, 3)`` of quaternions ``(n, 4)``, ``(w, x, y, z)``.

    They need not have length 1: ``q`` and ``c q`` rotate alike.

    Example:
        >>> half_turn = rotation_matrix(torch.tensor([[0.0, 0.0, 0.0, 2.0]]))
        >>> half_turn[0] @ torch.tensor([1.0, 2.0, 3.0])
        tensor([-1., -2.,  3.])
    """
    w, x, y, z = quaternion.unbind(dim=1)
    s = 2 / quaternion.square().sum(dim=1).clamp_min(torch.finfo(quaternion.dtype).tiny)
    rows = (
        1 - s * (y * y + z * z),
        s * (x * y - w * z),
        s * (x * z + w * y),
        s * (x * y + w * z),
        1 - s * (x * x + z * z),
        s * (y * z - w * x),
        s * (x * z - w * y),
        s * (y * z + w * x),
        1 - s * (x * x + y * y),
    )
    return torch.stack(rows, dim=1).reshape(-1, 3, 3)


def _checked(shape: Any) -> Shape:
    if not isinstance(shape, Shape):
        raise TypeError(f"a shape must be a Shape, not {type(shape).__name__}.")
    return shape
