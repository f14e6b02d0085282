"""Objectives that look at a candidate from elsewhere: turned, mirrored, cropped, seen from afar."""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from xhat.core import check_rows
from xhat.objectives.base import Measurement, Objective, as_objective

__all__ = ["Transformed"]


class Transformed(Objective):
    """An objective of ``view(x)`` instead of ``x``, for a differentiable transformation ``view``.

    The sum of several is an expectation over transformations, or asks for several readings of one
        input: with a half turn as the view, for an image that is one digit upright and another
        upside down (an ambigram).

    Source: Geng, Park, Owens, "Visual Anagrams: Generating Multi-View Optical Illusions with
    Diffusion Models", CVPR 2024.

    Args:
        objective: what is wanted of the view, or a callable ``view(x) -> (n,)``.
        view: ``(n, *x_shape) -> (n, *view_shape)``, differentiable, each candidate for itself.

    Raises:
        TypeError: the view is not callable, or cannot be differentiated.
        ValueError: when it is checked, the view returns another number of candidates.

    Example:
        >>> import torch
        >>> rises = lambda x: x[:, 0] - x[:, -1]
        >>> both = Transformed(rises, lambda x: x.flip(-1)) + 0.5 * Transformed(rises, lambda x: x)
        >>> both(torch.tensor([[1.0, 2.0]]))
        tensor([0.5000])
    """

    models: ClassVar[tuple[str, ...]] = ("view",)

    def __init__(
        self,
        objective: Objective | Callable[[Tensor], Tensor],
        view: Callable[[Tensor], Tensor],
    ) -> None:
        if not callable(view):
            raise TypeError(f"the view must be callable, not {type(view).__name__}.")
        self.objective, self.view = as_objective(objective), view

    def measure(self, x: Tensor, z: Tensor) -> Measurement:
        """Measure the objective at the view; the search variable stays as it is."""
        return self.objective.measure(self.view(x), z)

    def check(self, x: Tensor, z: Tensor) -> None:
        """Check that the view is one of one candidate, and the objective there."""
        view = self.view(x)
        check_rows("the view", view, len(x))
        if not view.requires_grad:
            raise TypeError(
                "the view cannot be differentiated with respect to the input; remove no_grad, "
                "detach, argmax, rounding and numpy from it."
            )
        self.objective.check(view, z)
