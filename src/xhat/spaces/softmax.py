"""Shares of a total: the simplex."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_fraction, check_numbers, per_row
from xhat.spaces.base import Space, largest
from xhat.spaces.lines import check_axis, lines, unlined

__all__ = ["Softmax"]


class Softmax(Space):
    """The simplex ``x >= 0``, ``sum(x) = total``, by ``x = total * softmax(z)``.

    A softmax is flat where a share is 0, so a start is mixed with equal shares, by ``inset``. No
    share comes nearer to 0 than about ``exp(-40)`` of another. The sum is right to rounding,
    whatever ``z`` is. By projection instead: ``Held(Box(0, total),
    xhat.constraints.Simplex(total))``. Categories that end as one of several: ``OneHot``.

    Args:
        total: a number, or ``(n,)`` numbers, above 0.
        axis: of a single input, along which every line of features has that sum, such as -1 for a
            distribution at each position of a sequence; None for all features together.
        inset: the weight of equal shares in a start, in (0, 1).

    Raises:
        TypeError: the axis is no whole number.
        ValueError: a total is not above 0.

    Example:
        >>> space = Softmax(total=2.0)
        >>> space.decode(space.encode(torch.tensor([[0.5, 0.5, 1.0]])))
        tensor([[0.5000, 0.5000, 1.0000]])
    """

    constraint: ClassVar[str | None] = "Simplex"
    per_candidate: ClassVar[tuple[str, ...]] = ("total",)

    def __init__(
        self, total: Tensor | float = 1.0, inset: float = 1 / 512, *, axis: int | None = None
    ) -> None:
        total = check_numbers("the total", total)
        if total.ndim > 1 or bool((total <= 0).any()):
            raise ValueError(
                f"the total must be a number or (n,) numbers above 0, but has shape "
                f"{tuple(total.shape)} and its least is {float(total.min()):g}."
            )
        self.total = total.double().reshape(-1)
        self.inset = check_fraction("inset", inset)
        self.axis = check_axis(axis)

    def decode(self, z: Tensor) -> Tensor:
        """Return the shares of the total."""
        shares = torch.softmax(lines(z, self.axis), dim=-1)
        return unlined(per_row(self.total.to(z), shares) * shares, z, self.axis)

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
        """Return the distance from the plane of a sum, or of a feature below 0."""
        away = self._off(x) / lines(x, self.axis).shape[-1] ** 0.5
        return torch.maximum(largest(away), largest(-x.flatten(1).double())).to(x.dtype)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless features are 0 or more and sum up to the total."""
        check_axis(self.axis, x)
        off = float(largest(self._off(x) / per_row(self.total.double().to(x.device), x)).max())
        least = float(x.min())
        if least < -1e-6 or off > 1e-5:
            where = "" if self.axis is None else f" along axis {self.axis}"
            way = (
                "xhat.constraints.Simplex(total).project(x0)"
                if self.axis is None
                else f"total * x0 / x0.sum({self._along()}, keepdim=True) of what is 0 or more"
            )
            each = (
                "; for a sum along each line of an axis give axis="
                if self.axis is None and x.ndim > 2
                else ""
            )
            raise ValueError(
                f"the start must lie on the simplex{where}, but its least feature is {least:g} and "
                f"its sum misses the total by up to {off:.2g} of it; project it by {way}{each}."
            )

    def _along(self) -> int | None:
        return self.axis if self.axis is None or self.axis < 0 else self.axis + 1

    def _off(self, x: Tensor) -> Tensor:
        """Return by how much every line misses the total, ``(n, ..., 1)``."""
        total = lines(x, self.axis).double().sum(dim=-1, keepdim=True)
        return (total - per_row(self.total.double().to(x.device), total)).abs()

    def _logarithms(self, x: Tensor, inset: float) -> Tensor:
        along = lines(x, self.axis)
        shares = (along / per_row(self.total.to(x), along)).clamp_min(0)
        shares = shares / shares.sum(dim=-1, keepdim=True).clamp_min(1e-30)
        shares = (1 - inset) * shares + inset / shares.shape[-1]
        logs = shares.clamp_min(_LEAST).log()
        return unlined(self.project(logs - logs.mean(dim=-1, keepdim=True)), x, self.axis)


_REACH = 20.0
_LEAST = 1e-15
