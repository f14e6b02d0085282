"""Cyclic translations: what leaves on one side comes in on the other."""

import math
from collections.abc import Sequence
from itertools import product

from torch import Tensor

from xhat.core import check_count
from xhat.symmetry.base import Group

__all__ = ["Translations"]


class Translations(Group):
    """Cyclic shifts of the last axes of an input, by multiples of a step along each.

    Args:
        periods: how many entries the last axes have, one number for each axis that is shifted.
        steps: by how many entries an element shifts along each axis, a divisor of the period; 1 by
            default, and the period itself for an axis that stays.

    Raises:
        ValueError: a period is no whole number from 1, or a step does not divide its period.

    Example:
        >>> import torch
        >>> Translations((4,)).act(1, torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
        tensor([[4., 1., 2., 3.]])
        >>> Translations((28, 28), (14, 7)).order  # a tile of 14 x 7 pixels, repeated
        8
    """

    def __init__(self, periods: Sequence[int], steps: Sequence[int] | None = None) -> None:
        self.periods = tuple(check_count("a period", period) for period in periods)
        given = (1,) * len(self.periods) if steps is None else steps
        self.steps = tuple(check_count("a step", step) for step in given)
        if not self.periods or len(self.steps) != len(self.periods):
            raise ValueError(
                f"Translations needs a step for each of one or more periods, but {self.steps} came "
                f"for {self.periods}."
            )
        for period, step in zip(self.periods, self.steps, strict=True):
            if period % step:
                raise ValueError(f"a step must divide its period, but {step} and {period} came.")
        counts = [p // s for p, s in zip(self.periods, self.steps, strict=True)]
        self.shifts = list(product(*(range(count) for count in counts)))
        place = {shift: k for k, shift in enumerate(self.shifts)}
        super().__init__(
            [
                [
                    place[tuple((i + j) % c for i, j, c in zip(a, b, counts, strict=True))]
                    for b in self.shifts
                ]
                for a in self.shifts
            ]
        )

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return f"Translations of {self.periods} by {self.steps}"

    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless the last axes have the periods."""
        if tuple(shape[-len(self.periods) :]) != self.periods or not math.prod(shape):
            raise ValueError(
                f"{self} needs inputs whose last axes are {self.periods} long, but one has shape "
                f"{tuple(shape)}; give periods that fit."
            )

    def move(self, k: int, x: Tensor) -> Tensor:
        """Shift every axis."""
        shift = tuple(i * step for i, step in zip(self.shifts[k], self.steps, strict=True))
        return x.roll(shift, dims=tuple(range(-len(shift), 0)))
