"""Shares of a total: the simplex."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_fraction, check_numbers
from xhat.spaces.base import Space, largest

__all__ = ["Softmax"]


class Softmax(Space):
    """The simplex ``x >= 0``, ``sum(x) = total``, by ``x = total * softmax(z)``.

    A softmax is flat where a share is 0, so a start is mixed with equal shares, by ``inset``. No
    share comes nearer to 0 than about ``exp(-40)`` of another. The sum is right to rounding,
    whatever ``z`` is. By projection instead: ``Held(Box(0, total),
    xhat.constraints.Simplex(total))``.

    Args:
        total: a number, or ``(n,)`` numbers, above 0.
        inset: the weight of equal shares in a start, in (0, 1).

    Raises:
        ValueError: a total is not above 0.

    Example:
        >>> space = Softmax(total=2.0)
        >>> space.decode(space.encode(torch.tensor([[0.5, 0.5, 1.0]])))
        tensor([[0.5000, 0.5000, 1.0000]])
    """

    constraint: ClassVar[str | None] = "Simplex"
    per_candidate: ClassVar[tuple[str, ...]] = ("total",)

    def __init__(self, total: Tensor | float = 1.0, inset: float = 1 / 512) -> None:
        total = check_numbers("the total", total)
        if total.ndim > 1 or bool((total <= 0).any()):
            raise ValueError(
                f"the total must be a number or (n,) numbers above 0, but has shape "
                f"{tuple(total.shape)} and its least is {float(total.min()):g}."
            )
        self.total = total.double().reshape(-1)
        self.inset = check_fraction("inset", inset)

    def decode(self, z: Tensor) -> Tensor:
        """Return the shares of the total."""
        shares = torch.softmax(z.flatten(1), dim=1)
        return (self.total.to(z)[:, None] * shares).reshape(z.shape)

    def encode(self, x: Tensor) -> Tensor:
        """Return the logarithms of the shares, less their mean."""
        return self._logarithms(x, 0.0)

    def begin(self, x: Tensor) -> Tensor:
        """Return the same of ``x`` mixed with equal shares."""
        return self._logarithms(x, self.inset)

    def project(self, z: Tensor) -> Tensor:
        """Keep ``z`` where no share underflows."""
        return z.clamp(-_REACH, _REACH)

    def violation(self, x: Tensor) -> Tensor:
        """Return the distance from the plane of the sum, or of a feature below 0."""
        flat = x.flatten(1).double()
        away = (flat.sum(dim=1) - self.total.double()).abs() / flat.shape[1] ** 0.5
        return torch.maximum(away, largest(-flat)).to(x.dtype)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless features are 0 or more and sum up to the total."""
        off = (x.flatten(1).double().sum(dim=1) - self.total.double().to(x.device)).abs()
        off = float((off / self.total.double().to(x.device)).max())
        least = float(x.min())
        if least < -1e-6 or off > 1e-5:
            raise ValueError(
                f"the start must lie on the simplex, but its least feature is {least:g} and its "
                f"sum misses the total by up to {off:.2g} of it; project it by "
                f"xhat.constraints.Simplex(total).project(x0)."
            )

    def _logarithms(self, x: Tensor, inset: float) -> Tensor:
        shares = (x.flatten(1) / self.total.to(x)[:, None]).clamp_min(0)
        shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-30)
        shares = (1 - inset) * shares + inset / shares.shape[1]
        logs = shares.clamp_min(_LEAST).log()
        return self.project(logs - logs.mean(dim=1, keepdim=True)).reshape(x.shape)


_REACH = 20.0
_LEAST = 1e-15
