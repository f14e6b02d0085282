"""Adam for vectors: a stepper that does not care how the coordinate axes lie."""

from dataclasses import dataclass

from torch import Tensor

from xhat.core import per_row
from xhat.engine.steppers import Adam, State

__all__ = ["VectorAdam"]


@dataclass(frozen=True)
class VectorAdam(Adam):
    """Adam with one step size for each vector instead of one for each feature.

    The mean of squared gradients is that of squared *norms*, so a rotation of ``z`` rotates every
    step, and the search commutes with it; plain Adam divides feature by feature and does not.

    Source: Ling, Jacobson, "VectorAdam for Rotation Equivariant Geometry Optimization", NeurIPS
    2022.

    Attributes:
        rate: the length of the first step of a vector, in the unit of ``z``; None for 0.05, with
            ``z`` in shares of each feature's range.
        beta1: decay of the mean gradient, in [0, 1).
        beta2: decay of the mean squared norm, in [0, 1).
        epsilon: added to the root of the latter.
        axis: of a single ``z``, along which the entries of a vector lie; None if all of ``z`` is
            one vector, and the step commutes with every orthogonal map.

    Raises:
        TypeError: the axis is no whole number.
        ValueError: a number is out of range; or, in a search, ``z`` has no such axis.

    Example:
        >>> import torch
        >>> stepper = VectorAdam(rate=0.5)
        >>> z = torch.zeros(1, 2)
        >>> stepper.step(z, torch.ones(1), torch.tensor([[3.0, 4.0]]), stepper.init(z))[0]
        tensor([[-0.3000, -0.4000]])
    """

    axis: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        super().__post_init__()
        if self.axis is not None and (
            isinstance(self.axis, bool) or not isinstance(self.axis, int)
        ):
            raise TypeError(f"axis must be a whole number or None, not {type(self.axis).__name__}.")

    @property
    def rotates(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a step commutes with every orthogonal map of the whole of ``z``."""
        return self.axis is None

    def init(self, z: Tensor) -> State:
        """Return both means and the clock."""
        return {**super().init(z), "square": self._squares(z * 0)}

    def _squares(self, gradient: Tensor) -> Tensor:
        """Return the squared norms, shaped to divide by."""
        if self.axis is None:
            norms = gradient.flatten(1).square().sum(dim=1)
            return per_row(norms, gradient)
        axis = self.axis if self.axis < 0 else self.axis + 1
        if not -gradient.ndim < axis < gradient.ndim:
            raise ValueError(
                f"VectorAdam(axis={self.axis}) needs search variables that have this axis, but one "
                f"has shape {tuple(gradient.shape[1:])}."
            )
        return gradient.square().sum(dim=axis, keepdim=True)
