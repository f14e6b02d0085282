"""What is round: the sphere, which is not convex, and the second-order cone."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.constraints.base import Projected
from xhat.core import check_numbers, check_positive, check_rows, check_stack

__all__ = ["SecondOrderCone", "Sphere"]


class Sphere(Projected):
    """``||x - center||_2 = radius``.

    **Not convex**: ``Intersection`` refuses it. The projection returns a nearest point; of the
    centre, where all points are equally near, it moves the first feature. As a space:
    ``xhat.spaces.Normalized``.

    Args:
        center: ``(n, *x_shape)``, or ``(1, *x_shape)`` for all candidates.
        radius: a number, or ``(n,)`` numbers, above 0.

    Raises:
        ValueError: a radius is not above 0, or their number is not that of the centres.

    Example:
        >>> Sphere(torch.zeros(1, 2), 1.0).project(torch.tensor([[0.3, 0.4]]))
        tensor([[0.6000, 0.8000]])
    """

    equality: ClassVar[bool] = True
    convex: ClassVar[bool] = False
    per_candidate: ClassVar[tuple[str, ...]] = ("center", "radius")

    def __init__(self, center: Tensor, radius: Tensor | float) -> None:
        self.center = check_stack("the center", center)
        radius = check_numbers("the radius", radius)
        self.radius = radius.to(self.center).reshape(-1)
        if self.center.shape[0] != 1:
            check_rows("the radius", self.radius, self.center.shape[0])
        if bool((self.radius <= 0).any()):
            raise ValueError(f"the radius must be above 0, but is {float(self.radius.min()):g}.")

    def values(self, x: Tensor) -> Tensor:
        """Return the distance beyond the radius, negative inside, ``(n, 1)``."""
        away = (x - self.center.to(x)).flatten(1)
        return (torch.linalg.vector_norm(away, dim=1) - self.radius.to(x))[:, None]

    def project(self, x: Tensor) -> Tensor:
        """Move along the radius."""
        away = (x.double() - self.center.double()).flatten(1)
        norm = torch.linalg.vector_norm(away, dim=1, keepdim=True)
        first = torch.zeros_like(away[:1])
        first[0, 0] = 1.0
        direction = torch.where(norm > 0, away / norm.clamp_min(1e-300), first)
        moved = self.radius.double()[:, None] * direction
        return (self.center.double() + moved.reshape(x.shape)).to(x.dtype)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the centre has the shape of one input."""
        if self.center.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"{self.name} is made for inputs of shape {tuple(self.center.shape[1:])}, but the "
                f"starts have shape {tuple(x.shape[1:])}."
            )


class SecondOrderCone(Projected):
    """One feature bounds the norm of all others: ``||others||_2 <= slope * height``.

    Friction (the tangential force against the normal one), thrust under a cone, a field of view.
    The violation is the distance from the cone's surface, measured across it.

    Args:
        height: index of the bounding feature in the flattened input; negative indices count from
            the end.
        slope: of the cone, above 0.

    Raises:
        TypeError: the height is no whole number.
        ValueError: the slope is not above 0.

    Example:
        >>> SecondOrderCone(height=-1).project(torch.tensor([[3.0, 4.0, 0.0], [0.0, 1.0, -2.0]]))
        tensor([[1.5000, 2.0000, 2.5000],
                [0.0000, 0.0000, 0.0000]])
    """

    def __init__(self, height: int = -1, slope: float = 1.0) -> None:
        if isinstance(height, bool) or not isinstance(height, int):
            raise TypeError(f"height must be a whole number, not {type(height).__name__}.")
        self.height, self.slope = height, check_positive("slope", slope)

    def values(self, x: Tensor) -> Tensor:
        """Return the distance beyond the cone's surface, ``(n, 1)``."""
        flat = x.flatten(1)
        norm = torch.linalg.vector_norm(self._others(flat), dim=1)
        beyond = norm - self.slope * flat[:, self.height]
        return (beyond / (1 + self.slope**2) ** 0.5)[:, None]

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest point: of the surface, or the tip."""
        flat = x.flatten(1).double()
        others, up = self._others(flat), flat[:, self.height]
        norm = torch.linalg.vector_norm(others, dim=1)
        top = ((self.slope * norm + up) / (1 + self.slope**2)).clamp_min(0)  # 0 is the tip
        shrunk = others * (self.slope * top / norm.clamp_min(1e-300))[:, None]
        tall = torch.zeros_like(flat)
        tall[:, self.height] = top
        inside = norm <= self.slope * up
        return torch.where(inside[:, None], flat, shrunk + tall).reshape(x.shape).to(x.dtype)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless there is such a feature, and another."""
        size = x[0].numel()
        if size < 2 or not -size <= self.height < size:
            raise ValueError(
                f"{self.name} needs inputs of 2 or more features, among them feature "
                f"{self.height}, but the starts have {size}."
            )

    def _others(self, flat: Tensor) -> Tensor:
        keep = torch.ones_like(flat[:1])
        keep[0, self.height] = 0.0
        return flat * keep
