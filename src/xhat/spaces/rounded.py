"""Grids: features that are counts, or come in steps."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_mask, check_numbers
from xhat.spaces.base import Space, Wrapped, largest
from xhat.spaces.lattice import Lattice
from xhat.spaces.nesting import check_made

__all__ = ["Rounded"]


class Rounded(Wrapped):
    """Another space, whose inputs are rounded to a grid, such as the whole numbers.

    The model sees rounded inputs at every step, so the reported loss is that of what can be saved,
    and nothing has to be rounded afterwards. The gradient passes as if nothing had been rounded
    (the straight-through estimator: Bengio, Léonard, Courville, "Estimating or Propagating
    Gradients Through Stochastic Neurons for Conditional Computation", 2013), and ``z`` keeps the
    fractions, so that small steps add up. ``solve`` then tries the neighbours on the grid of what
    was found. With a ball around a start on the grid (``LinfBall``, ``L2Ball``, ``L1Ball``) all
    steps stay within it.

    Args:
        space: whose inputs are rounded; where it is a box, a grid point must lie in it.
        mask: booleans in the shape of one input, true where there is a grid; None for all features.
        step: of the grid, above 0: a number, or one for each feature in the shape of one input;
            1 for whole numbers, 1/255 for images of 8 bits.
        origin: a point of the grid, likewise; None is 0 for whole numbers, else the low end of the
            box.

    Raises:
        TypeError: not a space, or a mask that is not boolean.
        ValueError: the mask holds no true, a step is not above 0, or no grid point lies in the box.

    Example:
        >>> from xhat.spaces import Box
        >>> Rounded(Box(0, 9), torch.tensor([True, False])).decode(torch.tensor([[2.7, 2.7]]))
        tensor([[3.0000, 2.7000]])
        >>> image = Rounded(Box(0, 1), step=1 / 255).decode(torch.tensor([[0.5, 0.25]]))
        >>> image * 255
        tensor([[128.,  64.]])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("mask", "step", "origin", "least", "most")

    def __init__(
        self,
        space: Space,
        mask: Tensor | None = None,
        *,
        step: Tensor | float = 1.0,
        origin: Tensor | float | None = None,
    ) -> None:
        super().__init__(space)
        everything = torch.ones((), dtype=torch.bool)
        mask = everything if mask is None else check_mask(mask, "lies on a grid")
        if not bool(mask.any()):
            raise ValueError("mask rounds no feature; use the space itself.")
        self.mask = mask[None]
        self.step = check_numbers("the step", step).double()[None]
        if bool((self.step <= 0).any()):
            raise ValueError(f"the step must be above 0, but is {float(self.step.min()):g}.")
        self._place(space.intervals(), origin)
        check_made(self)

    def _place(self, ends: tuple[Tensor, Tensor] | None, origin: Tensor | float | None) -> None:
        """Set the origin, and the numbers of the first and the last grid point."""
        unbounded = torch.full((1,), torch.inf, dtype=torch.float64)
        low, high = (end.double() for end in ends or (-unbounded, unbounded))
        if origin is not None:
            self.origin = check_numbers("the origin", origin).double()[None]
        else:
            whole = self.step == self.step.round()
            self.origin = torch.where(whole | low.isinf(), 0.0, low)
        step, slack = self.step, 1e-6  # of a step, for ends that were rounded
        self.least = ((low - self.origin) / step - slack).ceil()
        self.most = ((high - self.origin) / step + slack).floor()
        if bool(((self.least > self.most) & self.mask).any()):
            raise ValueError(
                f"a grid of step {float(self.step.max()):g} must have a point between the low and "
                f"the high end of every feature, but has none in one; give a finer step or another "
                f"origin."
            )

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of one input, where the grid or the space in it has one."""
        own = (self.mask, self.step, self.origin)
        return next((tuple(part.shape[1:]) for part in own if part.ndim > 1), self.space.shape)

    @property
    def relaxed(self) -> Space:
        """The space in it."""
        return self.space.relaxed

    def lattice(self, x: Tensor) -> Lattice:
        """Return the grid between the ends of the space in it."""
        size, ends = x[0].numel(), self.space.intervals()
        found = self.space.lattice(x) or Lattice.continuous(size, ends)
        grid, step, low, high = (
            part.expand(1, *x.shape[1:])[0].flatten().cpu()
            for part in (self.mask, self.step.double(), *map(self._at, (self.least, self.most)))
        )
        return replace(
            found,
            step=torch.where(grid & found.free, step, found.step),
            low=torch.where(grid, low, found.low),
            high=torch.where(grid, high, found.high),
            free=found.free & ~grid,
        )

    def misses(self, x: Tensor) -> Tensor:
        """Return how far a feature is from the grid."""
        return largest((self._on(x) - x).abs())

    def decode(self, z: Tensor) -> Tensor:
        """Decode by the wrapped space, and round; the gradient passes unchanged."""
        x = self.space.decode(z)
        return StraightThrough.apply(x, self._on(x.detach()))

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts lie on the grid, and fit the space."""
        for name, part in (("mask", self.mask), ("the step", self.step), ("origin", self.origin)):
            if part.ndim > 1 and part.shape[1:] != x.shape[1:]:
                raise ValueError(
                    f"{name} must have the shape of one input, {tuple(x.shape[1:])}, but has "
                    f"{tuple(part.shape[1:])}."
                )
        self.space.check(x)
        off = self._on(x) - x
        if bool((off.abs() > _ROUNDING * self.step.to(off)).any()):
            whole = bool((self.step == 1).all()) and bool((self.origin == 0).all())
            grid = f"lie on the grid of step {float(self.step.min()):g}"
            raise ValueError(
                f"the start must {'hold whole numbers' if whole else grid} where features do, but "
                f"one is {float(off.abs().max()):.3g} off; begin at space.nearest(x0)."
            )

    def _on(self, x: Tensor) -> Tensor:
        """Return the nearest points of the grid."""
        wide = x.double()
        step, origin, least, most = (
            part.double() for part in (self.step, self.origin, self.least, self.most)
        )
        count = ((wide - origin) / step).round()
        count = torch.minimum(torch.maximum(count, least), most)
        return torch.where(self.mask, self._at(count), wide).to(x.dtype)

    def _at(self, count: Tensor) -> Tensor:
        """Return the points of the grid of such numbers; ``k / 255`` to the bit for 1/255."""
        step = self.step.double()
        parts = (1 / step).round()
        even = (parts * step - 1).abs() < 1e-6
        return self.origin.double() + torch.where(even, count / parts.clamp_min(1), count * step)


class StraightThrough(torch.autograd.Function):
    """Another value than the first argument, with its gradient."""

    @staticmethod
    def forward(x: Tensor, value: Tensor) -> Tensor:
        del x
        return value.clone()

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        del ctx, inputs, output

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:
        del ctx
        return gradients[0], None


_ROUNDING = 1e-3  # of a step: what a start in float32 may be off the grid
