"""Rigid bodies made of balls, their poses, and the clearance that a pose keeps.

A pose is ``(w, x, y, z, a, b, c)``: a quaternion, which need not have length 1, and a translation.
The body is first rotated about its own origin, then translated.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_positive
from xhat_zoo.shapes.base import Shape, precise
from xhat_zoo.shapes.composed import rotation_matrix

__all__ = ["Body", "Clearance", "check_poses", "chunked"]

_AT_ONCE = 200_000  # points, which bounds the memory


class Body(nn.Module):
    """A rigid body: the union of balls.

    Args:
        centers: ``(m, 3)``, where the balls are while the body is not moved.
        radii: ``(m,)``, or a number for all; 0 for points.

    Raises:
        ValueError: there are no balls, their shapes do not fit, or a radius is below 0.

    Example:
        >>> rod = Body(torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), 0.1)
        >>> quarter = torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 5.0]])  # about z, and up by 5
        >>> rod.placed(quarter).round().tolist()
        [[[0.0, -1.0, 5.0], [0.0, 1.0, 5.0]]]
    """

    centers: Tensor
    radii: Tensor

    def __init__(self, centers: Any, radii: Any = 0.0) -> None:
        super().__init__()
        self.training = False
        places = precise("the centers", centers, ndim=2)
        if places.shape[1] != 3:
            raise ValueError(f"the centers must have shape (m, 3), but have {tuple(places.shape)}.")
        sizes = precise("the radii", radii)
        if sizes.ndim and sizes.shape != (len(places),):
            raise ValueError(
                f"the radii must be a number or ({len(places)},) numbers, but have shape "
                f"{tuple(sizes.shape)}."
            )
        if bool((sizes < 0).any()):
            raise ValueError(f"the radii must be 0 or more, but the least is {float(sizes.min())}.")
        self.register_buffer("centers", places)
        self.register_buffer("radii", sizes.expand(len(places)).clone())

    def placed(self, poses: Tensor) -> Tensor:
        """Return where the centres are in each pose, ``(n, m, 3)``.

        Raises:
            ValueError: the poses are not ``(n, 7)``.
        """
        check_poses(poses)
        turned = self.centers.to(poses) @ rotation_matrix(poses[:, :4]).transpose(1, 2)
        return turned + poses[:, None, 4:]

    def moved(self, poses: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean squared distance of the centres from where they should be, ``(n,)``.

        A distance of poses that weighs a rotation by what it does to this body, and does not depend
        on where its origin is.

        Example:
            >>> pose = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
            >>> shifted = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0]])
            >>> Body(torch.rand(4, 3)).moved(shifted, pose).round(decimals=4)
            tensor([4.])
        """
        away = self.placed(poses) - self.placed(wanted.to(poses))
        return away.square().sum(dim=2).mean(dim=1)

    @classmethod
    def covering(cls, shape: Shape, spacing: float) -> "Body":
        """Return a body that holds a whole solid: one ball around each cell of a grid in it.

        Every point of the solid lies in some ball, and no ball reaches farther than
        ``sqrt(3) spacing`` out of the solid. So what is certified of this body holds for the solid.

        Args:
            shape: the solid; where its distance is a bound, a few balls more are needed.
            spacing: of the grid.

        Raises:
            ValueError: a spacing that is not above 0.

        Example:
            >>> from xhat_zoo.shapes import Sphere
            >>> len(Body.covering(Sphere(1.0), 0.5).radii)
            88
        """
        low, high = shape.bounds()
        reach = check_positive("spacing", spacing) * math.sqrt(3) / 2
        axes = [
            torch.arange(float(a) - spacing / 2, float(b) + spacing, spacing, dtype=torch.float64)
            for a, b in zip(low, high, strict=True)
        ]
        cells = torch.cartesian_prod(*axes)
        return cls(cells[shape(cells) <= reach], reach)


class Clearance(nn.Module):
    """The clearance of a body in each pose: ``min_i d(centre_i) - radius_i``, ``(n,)``.

    With the truth as the field, and where it is exact outside, this is the distance between body
    and obstacles itself; where it is a bound, no more than that.

    Args:
        field: a signed distance, ``(n, 3) -> (n,)``: a truth or a surrogate.
        body: what is placed.

    Raises:
        TypeError: the field cannot be called, or the body is no ``Body``.

    Example:
        >>> from xhat_zoo.shapes import Sphere
        >>> ball = Body(torch.zeros(1, 3), 0.5)
        >>> Clearance(Sphere(1.0), ball)(torch.tensor([[1.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]]))
        tensor([1.5000])
    """

    def __init__(self, field: Callable[[Tensor], Tensor], body: Body) -> None:
        super().__init__()
        self.training = False  # nothing here is trained; a network inside keeps its own mode
        if not callable(field):
            raise TypeError(f"the field must be callable, not {type(field).__name__}.")
        if not isinstance(body, Body):
            raise TypeError(f"the body must be a Body, not {type(body).__name__}.")
        self.field, self.body = field, body

    def forward(self, poses: Tensor) -> Tensor:
        """Return the least clearance of the balls, ``(n,)``, of poses ``(n, 7)``."""
        return self.each(poses).amin(dim=1)

    def each(self, poses: Tensor) -> Tensor:
        """Return the clearance of every ball, ``(n, m)``."""
        places = self.body.placed(poses)
        return self.field(places.reshape(-1, 3)).reshape(places.shape[:2]) - self.body.radii.to(
            poses
        )


@torch.no_grad()
def chunked(clearance: Clearance, poses: Tensor) -> Tensor:
    """Return the clearance of any number of poses, ``(n,)``, in bounded memory, no gradient."""
    size = max(1, _AT_ONCE // len(clearance.body.radii))
    return torch.cat([clearance(part) for part in poses.split(size)])


def check_poses(poses: Any) -> Tensor:
    """Return ``poses`` if it is a tensor ``(n, 7)`` of quaternions and translations."""
    if not isinstance(poses, Tensor) or poses.ndim != 2 or poses.shape[1] != 7:
        came = tuple(poses.shape) if isinstance(poses, Tensor) else type(poses).__name__
        raise ValueError(
            f"poses must have shape (n, 7), a quaternion and a translation each, but came {came}."
        )
    return poses
