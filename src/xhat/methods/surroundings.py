"""What is assumed where there is no domain: limits, and their width as the unit of steps."""

from typing import Any, NoReturn

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.spaces import Box, Space

__all__ = ["Surroundings"]


class Surroundings:
    """Used where no domain was given: it knows the limits of the features and nothing else.

    Args:
        x0: the starts, ``(n, *x_shape)``.
        limits: ``(low, high)``, numbers or one for each feature; None for 0 to 1 where all starts
            lie within, else for none.

    Example:
        >>> Surroundings(torch.rand(2, 3)).limits, Surroundings(torch.tensor([[4.0]])).limits
        ((0.0, 1.0), (-inf, inf))
    """

    kind: str | None = None
    classes: tuple[str, ...] = ()
    labels: Tensor | None = None
    knows_samples: bool = False
    free: Tensor = torch.ones(1, dtype=torch.bool)

    def __init__(self, x0: Tensor, limits: tuple[Any, Any] | None = None) -> None:
        x0 = check_tensor("the starts", x0)
        self.shape = tuple(x0.shape[1:])
        inside = bool(((x0 >= 0) & (x0 <= 1)).all())
        self.limits = limits or ((0.0, 1.0) if inside else (-torch.inf, torch.inf))
        self.assumed = limits is None

    @property
    def scale(self) -> Tensor:
        """The range of each feature, by which steps and distances are measured; 1 without ends."""
        span = self._box().span
        return torch.ones(1) if span is None else span.float()

    @property
    def note(self) -> str | None:
        """What was assumed, in a sentence; None where limits were given."""
        if not self.assumed:
            return None
        low, high = self.limits
        said = "no limits" if low == -torch.inf else f"limits of {low:g} and {high:g}"
        return f"without a domain or limits=, {said} were assumed for every feature"

    def network(self, part: str, on_progress: Any = None) -> NoReturn:
        """Raise ``ValueError``: nothing can be trained without samples."""
        del on_progress
        raise ValueError(f"there is no {part} without samples; give a domain.")

    def space(self, x0: Tensor) -> Space:
        """Return the box of the limits.

        Raises:
            TypeError, ValueError: limits that are none.
        """
        del x0
        return self._box().in_ranges()

    def _box(self) -> Box:
        if not isinstance(self.limits, tuple | list) or len(self.limits) != 2:
            raise ValueError(f"limits must be (low, high), but are {self.limits!r}.")
        return Box(*self.limits)

    def relaxed(self, x0: Tensor) -> None:
        """Return None: no input is any but a number."""
        del x0

    def hold(self, space: Space, x0: Tensor) -> Space:
        """Return the space as it is: nothing is known that must not change."""
        del x0
        return space
