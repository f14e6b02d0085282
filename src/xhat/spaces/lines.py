"""Lines of features along an axis of a single input, or all features as one line."""

from torch import Tensor

__all__ = ["check_axis", "lines", "unlined"]


def check_axis(axis: int | None, x: Tensor | None = None) -> int | None:
    """Return the axis of a single input; None for all features together.

    Raises:
        TypeError: no whole number.
        ValueError: inputs like ``x``, ``(n, *x_shape)``, do not have it.
    """
    if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
        raise TypeError(
            f"axis must be a whole number, or None for all features together, not "
            f"{type(axis).__name__}."
        )
    if x is not None and axis is not None and not 1 - x.ndim <= axis < x.ndim - 1:
        raise ValueError(
            f"axis {axis} must be one of a single input, but that has shape {tuple(x.shape[1:])}."
        )
    return axis


def lines(x: Tensor, axis: int | None) -> Tensor:
    """Return inputs ``(n, *x_shape)`` with the axis last, ``(n, ..., k)``; ``(n, d)`` for None."""
    if axis is None:
        return x.flatten(1)
    return x.movedim(axis if axis < 0 else axis + 1, -1)


def unlined(along: Tensor, like: Tensor, axis: int | None) -> Tensor:
    """Return lines as inputs again, in the shape of ``like``."""
    if axis is None:
        return along.reshape(like.shape)
    return along.movedim(-1, axis if axis < 0 else axis + 1)
