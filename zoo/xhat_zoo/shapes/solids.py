"""Solids whose signed distance is a closed form, centred at the origin.

Source: Hart, "Sphere Tracing: A Geometric Method for the Antialiased Ray Tracing of Implicit
Surfaces" (The Visual Computer, 1996), which lists these distances.
"""

from typing import Any

import torch
from torch import Tensor

from xhat.core import check_positive
from xhat_zoo.shapes.base import Shape, lengths, unit

__all__ = ["Capsule", "Cuboid", "Sphere", "Torus"]


class Sphere(Shape):
    """All points within ``radius`` of the origin.

    Raises:
        TypeError: the radius is no number.
        ValueError: it is not above 0.

    Example:
        >>> Sphere(1.0)(torch.tensor([[0.0, 3.0, 4.0], [0.0, 0.0, 0.0]]))
        tensor([ 4., -1.])
    """

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = check_positive("the radius", radius)

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance to the centre less the radius."""
        return torch.linalg.vector_norm(x, dim=1) - self.radius

    def normal(self, x: Tensor) -> Tensor:
        """Return the direction away from the centre."""
        return unit(x)

    def bounds(self) -> Tensor:
        """Return the cube around it."""
        return _around(self.radius, self.radius, self.radius)


class Cuboid(Shape):
    """A box: all points with ``|x_i| <= half_i``.

    Args:
        half: half the length along each axis.

    Raises:
        ValueError: not three numbers above 0.

    Example:
        >>> Cuboid((1.0, 1.0, 2.0))(torch.tensor([[4.0, 5.0, 0.0], [0.0, 0.5, 0.0]]))
        tensor([ 5.0000, -0.5000])
    """

    def __init__(self, half: Any) -> None:
        super().__init__()
        self.sides = lengths("half", half)

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance to the nearest corner, edge or face."""
        beyond = x.abs() - x.new_tensor(self.sides)
        outside = torch.linalg.vector_norm(beyond.clamp_min(0), dim=1)
        return outside + beyond.amax(dim=1).clamp_max(0)

    def normal(self, x: Tensor) -> Tensor:
        """Return the direction from the nearest surface point; inside, the nearest face's."""
        beyond = x.abs() - x.new_tensor(self.sides)
        out = beyond.clamp_min(0)
        face = torch.nn.functional.one_hot(beyond.argmax(dim=1), 3).to(x)
        inside = (beyond <= 0).all(dim=1, keepdim=True)
        return torch.where(inside, face, unit(out)) * torch.where(x < 0, -1.0, 1.0).to(x)

    def bounds(self) -> Tensor:
        """Return the box itself."""
        return _around(*self.sides)


class Capsule(Shape):
    """All points within ``radius`` of the segment from ``(0, 0, -half)`` to ``(0, 0, half)``.

    Raises:
        TypeError: half or radius is no number.
        ValueError: one of them is not above 0.

    Example:
        >>> Capsule(half=1.0, radius=0.5)(torch.tensor([[0.0, 0.0, 3.0], [2.0, 0.0, 0.7]]))
        tensor([1.5000, 1.5000])
    """

    def __init__(self, half: float, radius: float) -> None:
        super().__init__()
        self.length = check_positive("half", half)
        self.radius = check_positive("the radius", radius)

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance to the segment less the radius."""
        return torch.linalg.vector_norm(self._away(x), dim=1) - self.radius

    def normal(self, x: Tensor) -> Tensor:
        """Return the direction away from the segment."""
        return unit(self._away(x))

    def bounds(self) -> Tensor:
        """Return the box around it."""
        return _around(self.radius, self.radius, self.length + self.radius)

    def _away(self, x: Tensor) -> Tensor:
        along = x[:, 2] - x[:, 2].clamp(-self.length, self.length)
        return torch.stack([x[:, 0], x[:, 1], along], dim=1)


class Torus(Shape):
    """All points within ``minor`` of the circle of radius ``major`` in the plane ``z = 0``.

    Args:
        major: from the centre to the middle of the tube.
        minor: the tube's radius, below ``major``, so that there is a hole.

    Raises:
        TypeError: a radius is no number.
        ValueError: a radius is not above 0, or minor is not below major.

    Example:
        >>> Torus(2.0, 0.5)(torch.tensor([[5.0, 0.0, 4.0], [0.0, 2.0, 0.0]]))
        tensor([ 4.5000, -0.5000])
    """

    def __init__(self, major: float, minor: float) -> None:
        super().__init__()
        self.major = check_positive("the major radius", major)
        self.minor = check_positive("the minor radius", minor)
        if minor >= major:
            raise ValueError(
                f"the minor radius must be below the major one ({major:g}), but is {minor:g}."
            )

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance to the circle less the tube's radius."""
        ring = torch.linalg.vector_norm(x[:, :2], dim=1) - self.major
        return torch.linalg.vector_norm(torch.stack([ring, x[:, 2]], dim=1), dim=1) - self.minor

    def normal(self, x: Tensor) -> Tensor:
        """Return the direction away from the circle."""
        flat = torch.cat([x[:, :2], torch.zeros_like(x[:, :1])], dim=1)
        return unit(x - self.major * unit(flat))

    def bounds(self) -> Tensor:
        """Return the box around it."""
        return _around(self.major + self.minor, self.major + self.minor, self.minor)


def _around(x: float, y: float, z: float) -> Tensor:
    half = torch.tensor([x, y, z], dtype=torch.float64)
    return torch.stack([-half, half])
