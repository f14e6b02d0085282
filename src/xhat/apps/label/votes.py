"""What people say of images: one ballot at a time, and all of them as arrays.

A ballot hands out one whole among the classes and "none of them". Surely a 4 is all of it on one
class; a 4 that might be a 9 is a part on each. Who cannot tell says so, and hands out nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ballot", "Votes"]

_WHOLE = 1e-3  # by how much shares may miss a sum of 1: they come as text, rounded


@dataclass(frozen=True)
class Ballot:
    """One answer to one image.

    Attributes:
        shares: of every class and, last, of "none of them": ``classes + 1`` numbers in [0, 1] that
            add up to 1; empty for "cannot tell".
    """

    shares: tuple[float, ...]

    @property
    def unsure(self) -> bool:
        """Whether the answer is "cannot tell"."""
        return not self.shares

    @classmethod
    def of(cls, shares: Any, classes: int) -> "Ballot":
        """Return the ballot that hands out ``shares``, made to add up to 1 exactly.

        Args:
            shares: ``classes + 1`` numbers, the last for "none of them"; None for "cannot tell".
            classes: how many there are.

        Raises:
            TypeError: not a list of numbers.
            ValueError: of another length, negative, not finite, or not a whole in sum.

        Example:
            >>> Ballot.of([0.25, 0.75, 0], classes=2).shares
            (0.25, 0.75, 0.0)
        """
        if shares is None:
            return cls(())
        if not isinstance(shares, Sequence) or isinstance(shares, str | bytes):
            raise TypeError(f"shares must be a list of numbers, not {type(shares).__name__}.")
        if any(isinstance(each, bool) or not isinstance(each, int | float) for each in shares):
            raise TypeError("shares must be numbers.")
        if len(shares) != classes + 1:
            raise ValueError(
                f"shares must be {classes + 1} numbers, one for each class and one for none of "
                f"them, but are {len(shares)}."
            )
        try:
            array = np.array(shares, dtype=np.float64)
        except OverflowError as error:
            raise ValueError("shares must lie between 0 and 1.") from error
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1 + _WHOLE:
            raise ValueError("shares must lie between 0 and 1.")
        total = float(array.sum())
        if abs(total - 1) > _WHOLE:
            raise ValueError(f"shares must add up to 1, but add up to {total:.4g}.")
        return cls(tuple((array / total).tolist()))


@dataclass(frozen=True, eq=False)
class Votes:
    """Ballots of many people on many images, a row each, in the order in which they were cast.

    Attributes:
        image: ``(m,)`` int64, which image, from 0.
        annotator: ``(m,)`` int64, who, from 0.
        shares: ``(m, classes + 1)`` float64, rows that add up to 1, the last column for "none of
            them"; rows of 0 for "cannot tell".
        repeat: ``(m,)`` booleans, whether this person had seen the image before.
        seconds: ``(m,)`` float64, how long it took; NaN where it is not known.
        images: how many images there are, with or without votes.
        annotators: how many people there are.
    """

    image: NDArray[np.int64]
    annotator: NDArray[np.int64]
    shares: NDArray[np.float64]
    repeat: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    images: int
    annotators: int

    def __len__(self) -> int:
        return len(self.image)

    @property
    def outcomes(self) -> int:
        """How many things an image can be, "none of them" included."""
        return self.shares.shape[1]

    @property
    def unsure(self) -> NDArray[np.bool_]:
        """``(m,)`` booleans, which of them are "cannot tell"."""
        return self.shares.sum(1) == 0

    def where(self, rows: NDArray[np.bool_]) -> "Votes":
        """Return some of the votes; images and people keep their numbers."""
        return Votes(
            self.image[rows],
            self.annotator[rows],
            self.shares[rows],
            self.repeat[rows],
            self.seconds[rows],
            self.images,
            self.annotators,
        )

    def first(self) -> "Votes":
        """Return what counts for an image: first sights that say something."""
        return self.where(~self.repeat & ~self.unsure)
