"""Spaces in which features agree: symmetric under a group, or tied to each other."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import check_tensor
from xhat.spaces.base import Space, Wrapped, largest
from xhat.spaces.nesting import check_made
from xhat.symmetry import Group, check_acting

__all__ = ["Symmetric", "Tied"]


class _Averaged(Wrapped):
    """Another space, whose inputs are averaged by an orthogonal projection."""

    constraint: ClassVar[str | None] = "Invariance"

    @property
    def carries(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the space in it bounds every feature: clipping and averaging commute there."""
        return self.space.carries and self.space.intervals() is not None

    @abstractmethod
    def average(self, x: Tensor) -> Tensor:
        """Return the nearest input in which features agree; linear, and differentiable."""

    def decode(self, z: Tensor) -> Tensor:
        """Decode by the wrapped space, and average; the gradient flows by the same projection."""
        return self.average(self.space.decode(z))

    def encode(self, x: Tensor) -> Tensor:
        """Average, and encode by the wrapped space."""
        return self.space.encode(self.average(x))

    def begin(self, x: Tensor) -> Tensor:
        """Average, and begin by the wrapped space."""
        return self.space.begin(self.average(x))

    def misses(self, x: Tensor) -> Tensor:
        """Return how far averaging still moves a feature."""
        return largest((self.average(x) - x).abs())

    def _agree(self, x: Tensor, how: str) -> None:
        off = float((self.average(x) - x).abs().max())
        if off > 1e-5 * max(1.0, float(x.abs().max())):
            raise ValueError(f"the start must be {how}, but a feature is {off:.3g} off.")


class Symmetric(_Averaged):
    """The symmetric inputs of another space: every element of a group leaves them as they are.

    ``x`` is the mean of the orbit of what the wrapped space decodes: exactly symmetric, to the last
    bit for a group that is ``exact``, and to rounding for one of other matrices. Averaging is the
    orthogonal projection, of inputs and of gradients. So a search from a symmetric start takes the
    same steps as a search among all inputs with an invariant objective.

    Args:
        space: whose inputs are averaged. A box must be one that the group leaves as it is.
        group: acts on single inputs, without interpolation.

    Raises:
        TypeError: not a space, or not a group.
        ValueError: the group interpolates.

    Example:
        >>> from xhat.symmetry import Mirror
        >>> from xhat.spaces import Box
        >>> Symmetric(Box(0, 1), Mirror()).decode(torch.tensor([[1.0, 0.0]]))
        tensor([[0.5000, 0.5000]])
    """

    def __init__(self, space: Space, group: Group) -> None:
        super().__init__(space)
        self.group = check_acting(group)
        check_made(self)

    def average(self, x: Tensor) -> Tensor:
        """Return the mean of every orbit."""
        return self.group.symmetrize(x)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts are symmetric, and lie in the wrapped space."""
        self.group.check(tuple(x.shape[1:]))
        ends = self.space.intervals()
        if ends is not None:
            self._check_box(ends, x)
        self.space.check(x)
        self._agree(x, f"symmetric under {self.group} (take group.symmetrize(x0))")

    def _check_box(self, ends: tuple[Tensor, Tensor], x: Tensor) -> None:
        low, high = (end.to(x).expand_as(x[: len(end)]) for end in ends)
        for k in range(1, self.group.order if self.group.exact else 1):
            one, other = self.group.act(k, low.contiguous()), self.group.act(k, high.contiguous())
            same = torch.equal(torch.minimum(one, other), low)
            if not same or not torch.equal(torch.maximum(one, other), high):
                raise ValueError(
                    f"the bounds must be symmetric under {self.group}, but element {k} changes "
                    f"them; give bounds that it leaves as they are."
                )
        if not self.group.exact:
            raise ValueError(
                f"{self.group} does not map a box onto itself; wrap a space that it does, such as "
                f"Squashed."
            )


class Tied(_Averaged):
    """Another space, with groups of features that share one value each: the group's mean.

    The gradient of a shared value is the mean over its features: the orthogonal projection.

    Args:
        space: whose inputs are averaged. Tied features must have the same bounds.
        labels: whole numbers in the shape of one input; features of one number are tied, those of a
            negative number are free.

    Raises:
        TypeError: not a space, or labels that are no whole numbers.
        ValueError: no two features are tied.

    Example:
        >>> from xhat.spaces import Box
        >>> space = Tied(Box(0, 1), torch.tensor([0, 0, -1]))
        >>> space.decode(torch.tensor([[0.0, 1.0, 0.2]]))
        tensor([[0.5000, 0.5000, 0.2000]])
    """

    constraint: ClassVar[str | None] = "AffineEquality"
    per_candidate: ClassVar[tuple[str, ...]] = ("labels",)

    def __init__(self, space: Space, labels: Tensor) -> None:
        super().__init__(space)
        labels = check_tensor("labels", labels, floating=False)
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise TypeError(f"labels must be whole numbers, but are {labels.dtype}.")
        flat = labels.flatten().clone().long()
        alone = flat < 0
        flat[alone] = flat.max().clamp_min(0) + 1 + torch.arange(int(alone.sum()))
        _, numbers = flat.unique(return_inverse=True)
        if int(numbers.max()) + 1 == len(flat):
            raise ValueError("labels must tie at least two features, but all differ.")
        self.labels = numbers[None]
        self._shape = tuple(labels.shape)
        check_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self._shape

    def average(self, x: Tensor) -> Tensor:
        """Return the mean of every group, at all of its features."""
        flat = x.flatten(1)
        index = self.labels.expand_as(flat)
        blank = flat.new_zeros(len(flat), int(self.labels.max()) + 1)
        sizes = blank[:1].scatter_add(1, self.labels, torch.ones_like(flat[:1]))
        mean = blank.scatter_add(1, index, flat) / sizes
        with torch.no_grad():  # a mean lies between its terms; rounding may not
            ends = [blank.scatter_reduce(1, index, flat, how, include_self=False) for how in _ENDS]
            rounded = mean.clamp(*ends)
        return (mean + (rounded - mean).detach()).gather(1, index).reshape(x.shape)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless tied features are equal, and the starts fit the space."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"labels must have the shape of one input, {tuple(x.shape[1:])}, but have "
                f"{self.shape}."
            )
        for end in self.space.intervals() or ():
            own = end.to(x).nan_to_num(0.0, 1e30, -1e30).expand_as(x[: len(end)])
            if not torch.equal(self.average(own), own):
                raise ValueError("tied features must have the same bounds, but some differ.")
        self.space.check(x)
        self._agree(x, "equal where features are tied (take average(x0) of this space)")


_ENDS = ("amin", "amax")
