"""A given sum within bounds: so much ink, mass or volume."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_numbers, check_rows, check_tensor, increasing_root
from xhat.spaces.box import Bounded

__all__ = ["Summed"]


class Summed(Bounded):
    """``low < x < high`` and ``sum(weights * x) = total``: a box by sigmoids, shifted together.

    ``x = low + (high - low) * sigmoid(z + shift)``, with the one shift of each candidate at which
    the sum is right: the root of an increasing function, found in float64. Its gradient is exact
    (the last of Newton's steps is differentiable). No feature comes nearer to its bounds than the
    shift leaves it, and a start begins inside by ``1/512``. By projection instead: ``Held(Box(low,
    high), xhat.constraints.SumWithin(low, high, total))``.

    Args:
        low: a number, or one number per feature in the shape of one input.
        high: likewise.
        total: a number, or ``(n,)`` numbers.
        weights: above 0, in the shape of one input; None for 1.

    Raises:
        ValueError: the bounds are empty, a weight is not above 0; and at the check of the starts:
            no ``x`` within the bounds has that sum.

    Example:
        >>> space = Summed(0.0, 1.0, total=1.5)
        >>> x = space.decode(torch.tensor([[0.0, 1.0, -1.0]]))
        >>> x, round(float(x.sum()), 5)
        (tensor([[0.5000, 0.7311, 0.2689]]), 1.5)
    """

    carries: ClassVar[bool] = False
    constraint: ClassVar[str | None] = "SumWithin"
    per_candidate: ClassVar[tuple[str, ...]] = ("low", "high", "total", "weights")

    def __init__(
        self,
        low: Tensor | float,
        high: Tensor | float,
        total: Tensor | float,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__(low, high)
        total = check_numbers("the total", total)
        if total.ndim > 1:
            raise ValueError(f"the total must be a number or (n,), not {tuple(total.shape)}.")
        self.total = total.double().reshape(-1)
        self.weights = torch.ones(1, 1).double()
        if weights is not None:
            self.weights = check_tensor("the weights", weights).double()[None]
        if bool((self.weights <= 0).any()):
            raise ValueError("the weights of a sum must be above 0.")

    def decode(self, z: Tensor) -> Tensor:
        """Return features within the bounds, of the given sum."""
        wide = z.double().flatten(1)
        low, width, weights = self._ranges(wide)

        def total_at(shift: Tensor) -> tuple[Tensor, Tensor]:
            shares = torch.sigmoid(wide + shift[:, None])
            over = (weights * (low + width * shares)).sum(dim=1) - self.total.double()
            return over, (weights * width * shares * (1 - shares)).sum(dim=1)

        with torch.no_grad():
            least, most = -wide.amax(dim=1) - _FAR, _FAR - wide.amin(dim=1)
            shift = increasing_root(total_at, least, most)
        over, slope = total_at(shift)
        shift = shift - over / slope.detach().clamp_min(1e-30)
        x = low + width * torch.sigmoid(wide + shift[:, None])
        return x.to(z.dtype).reshape(z.shape)

    def encode(self, x: Tensor) -> Tensor:
        """Return the logits of the features' places between their bounds."""
        return self._logits(x, _EDGE)

    def begin(self, x: Tensor) -> Tensor:
        """Return the same of ``x`` moved inside by 1/512."""
        return self._logits(x, _INSET)

    def project(self, z: Tensor) -> Tensor:
        """Keep ``z`` where a sigmoid still has a gradient."""
        return z.clamp(-_REACH, _REACH)

    def violation(self, x: Tensor) -> Tensor:
        """Return the distance from the plane of the sum, or beyond a bound."""
        flat = x.flatten(1).double()
        _, _, weights = self._ranges(flat)
        length = torch.linalg.vector_norm(weights, dim=1)
        away = ((weights * flat).sum(dim=1) - self.total.double()).abs() / length
        return torch.maximum(away.to(x.dtype), super().violation(x))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts have that sum, and lie within the bounds."""
        check_rows("the total", self.total, max(len(x), len(self.total)))
        super().check(x)
        if self.weights.ndim > 2 and self.weights.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"the weights are for inputs of shape {tuple(self.weights.shape[1:])}, but the "
                f"starts have shape {tuple(x.shape[1:])}."
            )
        flat = x.flatten(1).double()
        low, width, weights = self._ranges(flat)
        least = (weights * low).expand_as(flat).sum(dim=1)
        most = least + (weights * width).expand_as(flat).sum(dim=1)
        if bool((self.total <= least).any()) or bool((self.total >= most).any()):
            raise ValueError(
                f"the total must lie between {float(least.max()):g} and {float(most.min()):g}, the "
                f"sums at the bounds, but reaches from {float(self.total.min()):g} to "
                f"{float(self.total.max()):g}."
            )
        off = float(((weights * flat).sum(dim=1) - self.total).abs().max())
        if off > 1e-5 * float((most - least).max()):
            raise ValueError(
                f"the start must have the given sum, but misses it by {off:.3g}; project it by "
                f"xhat.constraints.SumWithin(low, high, total).project(x0)."
            )

    def _ranges(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        low, high, weights = (
            part.double().flatten(1) if part.ndim > 1 else part.double().reshape(1, 1)
            for part in (self.low, self.high, self.weights)
        )
        return low.to(flat.device), (high - low).to(flat.device), weights.expand_as(flat[:1])

    def _logits(self, x: Tensor, inset: float) -> Tensor:
        flat = x.flatten(1).double()
        low, width, _ = self._ranges(flat)
        return torch.logit((flat - low) / width, eps=inset).to(x.dtype).reshape(x.shape)


_EDGE = 1e-9
_REACH = 20.7232  # logit(1 - _EDGE)
_FAR = 60.0  # where a sigmoid is 0 or 1 to float64's last bit
_INSET = 1 / 512
