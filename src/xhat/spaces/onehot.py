"""Categories: one of several, as a group of features of which one is 1."""

from typing import ClassVar

import torch
from torch import Tensor

from xhat.spaces.base import Space, largest
from xhat.spaces.lattice import Lattice
from xhat.spaces.lines import check_axis, lines, unlined
from xhat.spaces.rounded import StraightThrough

__all__ = ["OneHot"]


class OneHot(Space):
    """Categories: along an axis one feature is 1 and all others are 0, to the bit.

    ``z`` are distributions over the categories, kept on the simplex; the model sees the most
    probable one at every step, while the gradient passes to the distribution (the straight-through
    estimator: Bengio, Léonard, Courville, "Estimating or Propagating Gradients Through Stochastic
    Neurons for Conditional Computation", 2013). ``solve`` then tries the other categories of what
    was found.

    Args:
        axis: of a single input, along which the categories lie; each line along it is a category of
            its own, such as a token at every position of a sequence. None for all features
            together.

    Raises:
        TypeError: the axis is no whole number.

    Example:
        >>> OneHot().decode(torch.tensor([[0.2, 0.5, 0.3]]))
        tensor([[0., 1., 0.]])
    """

    constraint: ClassVar[str | None] = "Simplex"

    def __init__(self, axis: int | None = -1) -> None:
        self.axis = check_axis(axis)

    @property
    def relaxed(self) -> "Space":
        """The distributions."""
        return _Distributions(self.axis)

    def decode(self, z: Tensor) -> Tensor:
        """Return the most probable categories; the gradient passes unchanged."""
        return StraightThrough.apply(z, self._most(z.detach()))

    def encode(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest distributions."""
        return _onto_simplex(z, self.axis)

    def violation(self, x: Tensor) -> Tensor:
        """Return how far a feature is from its category."""
        return largest((self._most(x) - x).abs())

    def lattice(self, x: Tensor) -> Lattice:
        """Return the categories."""
        numbers = torch.arange(lines(x[:1], self.axis)[0, ..., 0].numel())
        along = lines(x[:1], self.axis).shape
        group = unlined(numbers.reshape(*along[:-1], 1).expand(along), x[:1], self.axis).flatten()
        ends = torch.zeros(1, 1), torch.ones(1, 1)
        found = Lattice.continuous(len(group), ends)
        return Lattice(found.step, found.low, found.high, group, found.free & False)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts are categories."""
        check_axis(self.axis, x)
        off = float(self.violation(x).max())
        if off > _ROUNDING:
            where = "" if self.axis is None else f" along axis {self.axis}"
            raise ValueError(
                f"the start must be one-hot{where}, one feature 1 and the others 0, but one is "
                f"{off:.3g} off; begin at space.nearest(x0), or use Softmax for distributions."
            )

    def _most(self, z: Tensor) -> Tensor:
        along = lines(z, self.axis)
        best = along.argmax(dim=-1, keepdim=True)
        return unlined(torch.zeros_like(along).scatter_(-1, best, 1.0), z, self.axis)


class _Distributions(OneHot):
    """What categories are before the most probable one is taken."""

    carries: ClassVar[bool] = True

    @property
    def relaxed(self) -> Space:
        return self

    def decode(self, z: Tensor) -> Tensor:
        return z

    def violation(self, x: Tensor) -> Tensor:
        return largest((self.project(x) - x).abs())

    def lattice(self, x: Tensor) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        del x


def _onto_simplex(z: Tensor, axis: int | None) -> Tensor:
    """Return the nearest distributions (Held, Wolfe, Crowder, 1974); what is one already stays."""
    along = lines(z, axis)
    wide = along.double()
    order = wide.sort(dim=-1, descending=True).values
    counts = torch.arange(1, order.shape[-1] + 1, device=z.device)
    excess = (order.cumsum(dim=-1) - 1) / counts
    kept = (order > excess).sum(dim=-1, keepdim=True)
    found = (wide - excess.gather(-1, kept.clamp_min(1) - 1)).clamp_min(0).to(z.dtype)
    is_one = (along >= 0).all(-1, keepdim=True)
    is_one &= (wide.sum(dim=-1, keepdim=True) - 1).abs() <= _SUM
    return unlined(torch.where(is_one, along, found), z, axis)


_ROUNDING, _SUM = 1e-4, 1e-5
