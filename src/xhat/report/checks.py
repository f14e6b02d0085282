"""What every record checks of the arrays and words that it is given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xhat.judges.outcomes import Outcome

__all__ = ["SLACK", "as_outcome", "as_pixels", "check_shape"]

SLACK = 1e-4
"""How far rounding may carry a pixel or a share out of [0, 1]."""


def as_pixels(name: str, value: Any, *, ndim: int) -> NDArray[np.float32]:
    """Return pictures as float32 in [0, 1], with ``ndim`` axes.

    Raises:
        TypeError: they are not floating point.
        ValueError: another number of axes, an empty one, or pixels that are not finite or outside.

    Example:
        >>> as_pixels("the starts", np.ones((2, 4, 4)), ndim=3).dtype
        dtype('float32')
    """
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(
            f"{name} must be floating point in [0, 1], but are {array.dtype}; "
            f"convert them first (for bytes: x / 255)."
        )
    if array.ndim != ndim or array.size == 0:
        raise ValueError(
            f"{name} must have {ndim} axes, none of them empty, but have shape {array.shape}."
        )
    least, most = float(array.min()), float(array.max())
    if not (least >= -SLACK and most <= 1 + SLACK):  # NaN fails both
        raise ValueError(
            f"{name} must lie in [0, 1], but their values reach from {least:g} to {most:g}."
        )
    return array.astype(np.float32).clip(0, 1)


def check_shape(name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless the shapes are the same."""
    if found != wanted:
        raise ValueError(f"{name} must have shape {wanted} to fit the images, but have {found}.")


def as_outcome(name: str, word: Any) -> Outcome:
    """Return the outcome that ``word`` names; raise ``ValueError`` if it names none."""
    try:
        return Outcome(word)
    except ValueError as error:
        choices = ", ".join(Outcome)
        raise ValueError(f"{name} must be of {choices}, but one is {word!r}.") from error
