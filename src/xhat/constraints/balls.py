"""Balls around the start: Linf, L2 and L1, one radius per candidate."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from xhat.constraints.base import Linear, Projected
from xhat.core import check_numbers, check_rows, check_stack, per_row

__all__ = ["Ball", "L1Ball", "L2Ball", "LinfBall"]


class Ball(Projected):
    """All ``x`` within a distance of a centre; the norm is the subclass's.

    Args:
        center: ``(n, *x_shape)``, or ``(1, *x_shape)`` for all candidates.
        radius: a number, or ``(n,)`` numbers, above 0.

    Raises:
        TypeError: center or radius are not numbers.
        ValueError: a radius is not above 0, or their number is not that of the centres.
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("center", "radius")
    survives_clipping: ClassVar[bool] = True

    def __init__(self, center: Tensor, radius: Tensor | float) -> None:
        self.center = check_stack("the center", center)
        radius = check_numbers("the radius", radius)
        if radius.ndim > 1:
            raise ValueError(
                f"the radius must be a number or (n,) numbers, but has shape {tuple(radius.shape)}."
            )
        self.radius = radius.to(self.center).reshape(-1)
        if self.center.shape[0] != 1:
            check_rows("the radius", self.radius, self.center.shape[0])
        if bool((self.radius <= 0).any()):
            raise ValueError(f"the radius must be above 0, but is {float(self.radius.min()):g}.")

    def values(self, x: Tensor) -> Tensor:
        """Return the distance beyond the radius, ``(n, 1)``."""
        return (self._norm((x - self.center).flatten(1)) - self.radius)[:, None]

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest point of the ball."""
        delta = x - self.center
        return self.center + self._shrink(delta.flatten(1)).reshape(delta.shape)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the centre has the shape of one input."""
        if self.center.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"{self.name} is made for inputs of shape {tuple(self.center.shape[1:])}, but the "
                f"starts have shape {tuple(x.shape[1:])}."
            )

    @abstractmethod
    def _norm(self, delta: Tensor) -> Tensor: ...

    @abstractmethod
    def _shrink(self, delta: Tensor) -> Tensor: ...


class LinfBall(Ball):
    """``max |x - center| <= radius``.

    Example:
        >>> LinfBall(torch.zeros(1, 2), 0.5).project(torch.tensor([[0.2, -3.0]]))
        tensor([[ 0.2000, -0.5000]])
    """

    def project(self, x: Tensor) -> Tensor:
        """Clip every feature to ``center - radius .. center + radius``."""
        radius = per_row(self.radius, x)
        return torch.clamp(x, self.center - radius, self.center + radius)

    def linear(self, x: Tensor) -> Linear:
        """Return the ball as bounds."""
        radius = per_row(self.radius, x)
        return Linear((self.center - radius).reshape(-1), (self.center + radius).reshape(-1))

    def _norm(self, delta: Tensor) -> Tensor:
        return delta.abs().amax(dim=1)

    def _shrink(self, delta: Tensor) -> Tensor:
        return torch.clamp(delta, -self.radius[:, None], self.radius[:, None])


class L2Ball(Ball):
    """``||x - center||_2 <= radius``.

    Example:
        >>> L2Ball(torch.zeros(1, 2), 1.0).project(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """

    def _norm(self, delta: Tensor) -> Tensor:
        return torch.linalg.vector_norm(delta, dim=1)

    def _shrink(self, delta: Tensor) -> Tensor:
        tiny = torch.finfo(delta.dtype).tiny
        share = self.radius / self._norm(delta).clamp_min(tiny)
        return delta * share.clamp(max=1.0)[:, None]


class L1Ball(Ball):
    """``sum |x - center| <= radius``.

    The projection is the exact one by sorting: Duchi, Shalev-Shwartz, Singer, Chandra, "Efficient
    Projections onto the l1-Ball for Learning in High Dimensions" (ICML 2008).

    Example:
        >>> L1Ball(torch.zeros(1, 2), 1.0).project(torch.tensor([[3.0, 2.5]]))
        tensor([[0.7500, 0.2500]])
    """

    def _norm(self, delta: Tensor) -> Tensor:
        return delta.abs().sum(dim=1)

    def _shrink(self, delta: Tensor) -> Tensor:
        size = delta.abs()
        outside = size.sum(dim=1) > self.radius
        ordered = size.sort(dim=1, descending=True).values
        excess = ordered.cumsum(dim=1) - self.radius[:, None]
        count = torch.arange(1, size.shape[1] + 1, device=delta.device, dtype=delta.dtype)
        active = (ordered * count > excess).sum(dim=1, keepdim=True).clamp_min(1)
        threshold = excess.gather(1, active - 1) / active
        soft = torch.sign(delta) * (size - threshold).clamp_min(0)
        return torch.where(outside[:, None], soft, delta)
