"""What is asked of an airfoil: lifts to hold, and limits on its shape and its moment."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.core import check_count, check_fraction, check_positive, numpy_generator

__all__ = ["Specification", "check_specifications", "specifications"]

_THICKEST = 0.30  # chords; beyond, NeuralFoil knows no airfoil that it trusts
_STEEPEST = 1.6  # lift coefficient; beyond, few airfoils fly without flaps
_BLUNTEST = 1.2  # leading-edge radius over the square of the thickness; an ellipse has 0.5
_NOSE_DOWN = 0.35  # largest moment over lift of what is known
_SPREAD = 0.15  # of the lifts of a specification, about the middle one


@dataclass(frozen=True)
class Specification:
    """What one airfoil must do, at ``k`` conditions.

    Attributes:
        lift: ``k`` lift coefficients to hold.
        reynolds: ``k`` Reynolds numbers.
        thickness: the largest thickness must be at least this, in chords.
        moment: the moment coefficient must be at least this at every condition; below 0 is nose
            down.
        radius: of the leading edge, at least this, in chords.
        wiggle: of the weights, at most this.
        confidence: of the surrogate, and of its witness where a search has one, at least this at
            every condition, in (0, 1).

    Raises:
        TypeError: something is no number.
        ValueError: numbers out of range, another number of lifts than of Reynolds numbers, or
            limits that contradict each other.

    Example:
        >>> Specification(lift=(0.5,), reynolds=(1e6,), thickness=0.1, radius=0.02)
        Traceback (most recent call last):
        ValueError: a leading-edge radius of 0.02 and a thickness of 0.1 contradict each other: no \
airfoil this thin has a radius above 0.012; ask for a thicker airfoil or a sharper edge.
    """

    lift: tuple[float, ...]
    reynolds: tuple[float, ...]
    thickness: float = 0.10
    moment: float = -0.10
    radius: float = 0.003
    wiggle: float = 2.0
    confidence: float = 0.975

    def __post_init__(self) -> None:
        """Check the numbers, and that they do not contradict each other."""
        for name in ("lift", "reynolds"):
            values = getattr(self, name)
            if not isinstance(values, Sequence) or not values:
                raise TypeError(f"{name} must be a tuple of one number or more, not {values!r}.")
            object.__setattr__(self, name, tuple(values))
        if len(self.lift) != len(self.reynolds):
            raise ValueError(
                f"a specification needs as many Reynolds numbers as lifts, but has "
                f"{len(self.reynolds)} and {len(self.lift)}."
            )
        for reynolds in self.reynolds:
            check_positive("a Reynolds number", reynolds)
        check_positive("the thickness", self.thickness)
        check_positive("the leading-edge radius", self.radius, zero=True)
        check_positive("the wiggle", self.wiggle)
        check_fraction("the confidence", self.confidence)
        self._check_known()
        self._check_together()

    @property
    def conditions(self) -> int:
        """How many."""
        return len(self.lift)

    def row(self) -> Tensor:
        """Return lifts, Reynolds numbers and limits as one row, ``(2 k + 5,)`` float64."""
        limits = (self.thickness, self.moment, self.radius, self.wiggle, self.confidence)
        return torch.tensor([*self.lift, *self.reynolds, *limits], dtype=torch.float64)

    def _check_known(self) -> None:
        if self.thickness > _THICKEST:
            raise ValueError(
                f"the thickness must be at most {_THICKEST:g} chords, beyond which the surrogate "
                f"knows nothing, but is {self.thickness:g}."
            )
        for lift in self.lift:
            if not -_STEEPEST <= lift <= _STEEPEST:
                raise ValueError(
                    f"a lift coefficient must lie in [-{_STEEPEST:g}, {_STEEPEST:g}], where an "
                    f"airfoil flies without flaps, but is {lift:g}."
                )

    def _check_together(self) -> None:
        sharpest = _BLUNTEST * self.thickness**2
        if self.radius > sharpest:
            raise ValueError(
                f"a leading-edge radius of {self.radius:g} and a thickness of {self.thickness:g} "
                f"contradict each other: no airfoil this thin has a radius above {sharpest:.2g}; "
                f"ask for a thicker airfoil or a sharper edge."
            )
        highest = _NOSE_DOWN * max(0.0, *self.lift)
        if self.moment > highest:
            raise ValueError(
                f"a moment of {self.moment:g} or more and a lift of {max(self.lift):g} contradict "
                f"each other: no known airfoil has more than {highest:.2g}; ask for less."
            )


def specifications(count: int, seed: int = 0) -> tuple[Specification, ...]:
    """Return random specifications; the first of ``count`` are those of a smaller count.

    Each is an aircraft at three speeds: in level flight lift times the square of the Reynolds
    number stays the same, so the faster it flies the less lift it needs.

    Args:
        count: how many.
        seed: of the numbers.

    Example:
        >>> one = specifications(3, seed=1)[0]
        >>> one == specifications(1, seed=1)[0], one.conditions
        (True, 3)
    """
    noise = numpy_generator(seed, "airfoil specifications")
    made = []
    for _ in range(check_count("count", count)):
        u = noise.random(6)
        middle, reynolds = 0.35 + 0.5 * u[0], 10 ** (5.4 + 1.2 * u[1])
        thickness = 0.09 + 0.06 * u[2]
        lifts = (middle - _SPREAD, middle, middle + _SPREAD)
        made.append(
            Specification(
                lift=tuple(round(lift, 4) for lift in lifts),
                reynolds=tuple(round(reynolds * (middle / lift) ** 0.5) for lift in lifts),
                thickness=round(thickness, 4),
                moment=round(-0.12 + 0.08 * u[3], 4),
                radius=round((0.35 + 0.35 * u[4]) * thickness**2, 5),
                wiggle=round(1.0 + 2.0 * u[5], 3),
            )
        )
    return tuple(made)


def check_specifications(specifications: Sequence[Specification]) -> tuple[Specification, ...]:
    """Return them as a tuple, or raise unless all have the same number of conditions.

    Raises:
        TypeError: one is no ``Specification``.
        ValueError: there are none, or their numbers of conditions differ.
    """
    found = tuple(specifications)
    for one in found:
        if not isinstance(one, Specification):
            raise TypeError(f"a specification must be a Specification, not {type(one).__name__}.")
    counts = {one.conditions for one in found}
    if len(counts) != 1:
        raise ValueError(
            f"specifications that are searched together need the same number of conditions, one or "
            f"more, but have {sorted(counts) or 'none'}."
        )
    return found
