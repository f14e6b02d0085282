"""What is round: spheres, unit vectors in rows, and balls."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_numbers, check_rows, check_stack
from xhat.spaces.base import Space, largest

__all__ = ["Normalized", "Squashed"]


class Normalized(Space):
    """Vectors of a given length: ``x = radius * z / ||z||``; one for each input, or one each row.

    Unit quaternions, directions, the columns of a rotation: ``axis`` names where a vector's entries
    lie. ``z`` itself is put back onto the sphere after every step. Commutes with every rotation.

    Args:
        radius: a number, or ``(n,)`` numbers, above 0.
        axis: of a single input, along which vectors lie; None if the whole input is one vector.

    Raises:
        TypeError: the axis is no whole number.
        ValueError: a radius is not above 0.

    Example:
        >>> Normalized(axis=-1).decode(torch.tensor([[[3.0, 4.0], [0.0, 2.0]]]))
        tensor([[[0.6000, 0.8000],
                 [0.0000, 1.0000]]])
    """

    constraint: ClassVar[str | None] = "Sphere"
    per_candidate: ClassVar[tuple[str, ...]] = ("radius",)

    def __init__(self, radius: Tensor | float = 1.0, axis: int | None = None) -> None:
        self.radius = _radius(radius)
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise TypeError(f"axis must be a whole number or None, not {type(axis).__name__}.")
        self.axis = axis

    def decode(self, z: Tensor) -> Tensor:
        """Return the vectors of ``z`` at their length; where one is 0, the first unit vector."""
        vectors = self._vectors(z)
        norm = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        first = torch.zeros_like(vectors[..., :1, :])
        first[..., 0] = 1.0
        there = norm > 0
        safe = torch.where(there, vectors, first)
        length = torch.linalg.vector_norm(safe, dim=-1, keepdim=True)
        radius = self.radius.to(z).reshape(-1, *(1 for _ in vectors.shape[1:]))
        return self._back(radius * (safe / length), z)

    def encode(self, x: Tensor) -> Tensor:
        """Return ``x``, at its length."""
        return self.project(x)

    def project(self, z: Tensor) -> Tensor:
        """Put every vector of ``z`` at its length; what is there to rounding stays as it is."""
        slack = 64 * torch.finfo(z.dtype).eps
        near = self._off(z) <= slack
        return torch.where(self._spread(near, z), z, self.decode(z))

    def violation(self, x: Tensor) -> Tensor:
        """Return by how much the length of a vector is off."""
        radius = self.radius.to(x).reshape(-1, *(1 for _ in x.shape[1:]))
        off = self._off(x).reshape(len(x), -1)
        return largest(off * radius.flatten(1))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless every vector of the starts has the length."""
        shape = tuple(x.shape[1:])
        if self.axis is not None and not -len(shape) <= self.axis < len(shape):
            raise ValueError(
                f"Normalized needs inputs that have axis {self.axis}, but one has shape {shape}."
            )
        worst = float(self._off(x).max())
        if worst > 1e-5:
            raise ValueError(
                f"the start's vectors must have the length of the space, but one misses it by "
                f"{worst:.2g} of it; scale them first, by decode(x0) of this space."
            )

    def _off(self, z: Tensor) -> Tensor:
        vectors = self._vectors(z)
        radius = self.radius.to(z).reshape(-1, *(1 for _ in vectors.shape[2:]))
        return (torch.linalg.vector_norm(vectors, dim=-1) / radius - 1).abs()

    def _vectors(self, z: Tensor) -> Tensor:
        return z.flatten(1) if self.axis is None else z.movedim(self._along(), -1)

    def _back(self, vectors: Tensor, like: Tensor) -> Tensor:
        return (
            vectors.reshape(like.shape) if self.axis is None else vectors.movedim(-1, self._along())
        )

    def _spread(self, each: Tensor, like: Tensor) -> Tensor:
        if self.axis is None:
            return each.reshape(-1, *(1 for _ in like.shape[1:]))
        return each.unsqueeze(self._along() if self._along() > 0 else each.ndim + 1 + self._along())

    def _along(self) -> int:
        axis = self.axis or 0
        return axis if axis < 0 else axis + 1


class Squashed(Space):
    """A ball by construction: ``x = center + radius * z / sqrt(1 + ||z||^2)``.

    Nothing is clipped, so momentum is not lost at the surface, which is never quite reached: no
    input comes nearer to it than 5e-5 of the radius, and a start begins inside by ``1/512``.
    Commutes with every rotation about the centre. By projection instead:
    ``xhat.constraints.L2Ball``.

    Args:
        center: ``(n, *x_shape)`` or ``(1, *x_shape)``.
        radius: a number, or ``(n,)`` numbers, above 0.

    Raises:
        ValueError: a radius is not above 0, or their number is not that of the centres.

    Example:
        >>> Squashed(torch.zeros(1, 2), 2.0).decode(torch.tensor([[3.0, 4.0]]))
        tensor([[1.1767, 1.5689]])
    """

    constraint: ClassVar[str | None] = "L2Ball"
    per_candidate: ClassVar[tuple[str, ...]] = ("center", "radius")

    def __init__(self, center: Tensor, radius: Tensor | float) -> None:
        self.center, self.radius = check_stack("the center", center), _radius(radius)
        if self.center.shape[0] != 1:
            check_rows("the radius", self.radius, self.center.shape[0])

    def decode(self, z: Tensor) -> Tensor:
        """Return points of the ball."""
        flat = z.flatten(1)
        share = flat / (1 + flat.square().sum(dim=1, keepdim=True)).sqrt()
        return self.center.to(z) + (self.radius.to(z)[:, None] * share).reshape(z.shape)

    def encode(self, x: Tensor) -> Tensor:
        """Return ``z`` of ``x``; what is outside, or at the surface, is moved inside."""
        return self._unsquashed(x, _EDGE)

    def begin(self, x: Tensor) -> Tensor:
        """Return ``z`` of ``x``, at least 1/512 of the radius inside."""
        return self._unsquashed(x, _INSET)

    def project(self, z: Tensor) -> Tensor:
        """Keep ``z`` where the map still has a gradient."""
        norm = torch.linalg.vector_norm(z.flatten(1), dim=1).reshape(-1, *(1 for _ in z.shape[1:]))
        return torch.where(norm <= _REACH, z, z * ((1 - 1e-6) * _REACH / norm))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.center.shape[1:])

    def violation(self, x: Tensor) -> Tensor:
        """Return the distance beyond the radius."""
        away = torch.linalg.vector_norm((x - self.center.to(x)).flatten(1), dim=1)
        return (away - self.radius.to(x)).clamp_min(0)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts lie in the ball and have the centre's shape."""
        if x.shape[1:] != self.center.shape[1:]:
            raise ValueError(
                f"the center has shape {tuple(self.center.shape[1:])}, but the starts "
                f"{tuple(x.shape[1:])}."
            )
        far = torch.linalg.vector_norm((x - self.center.to(x)).flatten(1), dim=1)
        share = float((far / self.radius.to(x)).max())
        if share > 1 + 1e-5:
            raise ValueError(
                f"the start must lie in the ball, but is {share:.3g} times the radius from its "
                f"center; project it by xhat.constraints.L2Ball."
            )

    def _unsquashed(self, x: Tensor, inset: float) -> Tensor:
        share = (x - self.center.to(x)).flatten(1) / self.radius.to(x)[:, None]
        norm = torch.linalg.vector_norm(share, dim=1, keepdim=True)
        inside = norm.clamp(max=1 - inset)
        share = share * (inside / norm.clamp_min(torch.finfo(x.dtype).tiny))
        return (share / ((1 - inside) * (1 + inside)).sqrt()).reshape(x.shape)


_REACH = 100.0
_EDGE = 5e-5  # of the radius: where the length of ``z`` is 100
_INSET = 1 / 512


def _radius(radius: Tensor | float) -> Tensor:
    radius = check_numbers("the radius", radius)
    if radius.ndim > 1:
        raise ValueError(
            f"the radius must be a number or (n,) numbers, but has shape {tuple(radius.shape)}."
        )
    if bool((radius <= 0).any()):
        raise ValueError(f"the radius must be above 0, but is {float(radius.min()):g}.")
    return radius.double().reshape(-1)
