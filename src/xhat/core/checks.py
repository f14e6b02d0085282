"""Checks of what users pass in: one clear sentence instead of a traceback from inside torch.

Every message says what was expected, what came, and (where it is not obvious) what to do.
"""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "check_choice",
    "check_count",
    "check_finite",
    "check_flag",
    "check_fraction",
    "check_integer",
    "check_kind",
    "check_mask",
    "check_numbers",
    "check_positive",
    "check_range",
    "check_rows",
    "check_share",
    "check_stack",
    "check_tensor",
]


def check_tensor(
    name: str, value: Any, *, ndim: int | None = None, floating: bool = True
) -> Tensor:
    """Return ``value`` as a tensor: non-empty, of the wanted kind, without NaN or infinity.

    Args:
        name: what the message calls it.
        value: a tensor, numpy array or (nested) sequence of numbers.
        ndim: the exact number of axes, or None for any.
        floating: whether the values must be floating point.

    Raises:
        TypeError: not numbers, or of the wrong kind.
        ValueError: empty, the wrong number of axes, or not finite.

    Example:
        >>> check_tensor("start", [[0.0, 1.0]], ndim=2).shape
        torch.Size([1, 2])
    """
    if not isinstance(value, Tensor):
        try:
            value = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            kind = type(value).__name__
            raise TypeError(f"{name} must be a tensor or array of numbers, not {kind}.") from error
    if value.is_complex():
        raise TypeError(f"{name} must be real numbers, but is {_dtype(value)}.")
    if floating and not value.dtype.is_floating_point:
        raise TypeError(
            f"{name} must be floating point, but is {_dtype(value)}; "
            f"convert it first (for bytes: x.float() / 255)."
        )
    if ndim is not None and value.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, but has shape {tuple(value.shape)}.")
    if value.numel() == 0:
        raise ValueError(f"{name} is empty (shape {tuple(value.shape)}); pass at least one.")
    check_finite(name, value)
    return value


def check_stack(name: str, value: Any) -> Tensor:
    """Return ``value`` as ``check_tensor`` does, if it is ``(n, *shape)``: rows of something.

    Example:
        >>> check_stack("the center", torch.tensor(2.0))
        Traceback (most recent call last):
        ValueError: the center must have one row per candidate, (n, *x_shape) or (1, *x_shape), \
but has shape (); for one input use x[None].
    """
    value = check_tensor(name, value)
    if value.ndim < 2:
        raise ValueError(
            f"{name} must have one row per candidate, (n, *x_shape) or (1, *x_shape), but has "
            f"shape {tuple(value.shape)}; for one input use x[None]."
        )
    return value


def check_mask(value: Any, meaning: str) -> Tensor:
    """Return ``value`` as a tensor if it holds booleans; ``meaning`` says what true stands for.

    Example:
        >>> check_mask([1, 0], "may change")
        Traceback (most recent call last):
        TypeError: mask must be boolean (true: may change), but is torch.int64.
    """
    mask = check_tensor("mask", value, floating=False)
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be boolean (true: {meaning}), but is {mask.dtype}.")
    return mask


def check_flag(name: str, value: Any) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}.")
    return value


def check_numbers(name: str, value: Any) -> Tensor:
    """Return ``value`` as ``check_tensor`` does; Python numbers, and lists of them, become float64.

    ``torch.as_tensor(0.3)`` is a float32, 1e-8 away from the 0.3 that was meant.

    Example:
        >>> float(check_numbers("the radius", 0.3))
        0.3
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = torch.tensor(value, dtype=torch.float64)
    elif isinstance(value, list | tuple):
        try:
            value = torch.as_tensor(value, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name} must be numbers, but is {value!r}.") from error
    return check_tensor(name, value, floating=False)


def check_finite(name: str, value: Tensor) -> None:
    """Raise ``ValueError`` naming the first NaN or infinity of ``value``, if there is one."""
    if not value.dtype.is_floating_point or value.numel() == 0:
        return
    if bool(torch.isfinite(torch.stack(torch.aminmax(value.detach()))).all()):
        return  # NaN and infinity both reach the extremes: no array of booleans is needed
    bad = ~torch.isfinite(value)
    place = tuple(int(i) for i in bad.nonzero()[0])
    found = "NaN" if bool(value[place].isnan()) else "infinity"
    raise ValueError(
        f"{name} must be finite, but {int(bad.sum())} of its {value.numel()} values are not "
        f"(the first is {found} at index {place})."
    )


def check_range(name: str, value: Tensor, low: Tensor | float, high: Tensor | float) -> None:
    """Raise ``ValueError`` if a value lies outside [low, high] by more than rounding.

    Example:
        >>> check_range("start", torch.tensor([2.0]), 0.0, 1.0)
        Traceback (most recent call last):
        ValueError: start must lie in [0, 1], but its values reach from 2 to 2; rescale it or \
change the bounds.
    """
    if isinstance(low, int | float) and isinstance(high, int | float):
        low, high = torch.tensor(float(low)), torch.tensor(float(high))
    slack = 1e-6 * (torch.as_tensor(high) - torch.as_tensor(low)).abs().clamp(max=1e6)
    slack = slack.to(value)
    outside = (value < torch.as_tensor(low).to(value) - slack) | (
        value > torch.as_tensor(high).to(value) + slack
    )
    if bool(outside.any()):
        bounds = f"[{_span(low)[0]:g}, {_span(high)[1]:g}]"
        least, most = _span(value)
        raise ValueError(
            f"{name} must lie in {bounds}, but its values reach from {least:g} to {most:g}; "
            f"rescale it or change the bounds."
        )


def check_rows(name: str, value: Tensor, n: int) -> None:
    """Raise ``ValueError`` unless ``value`` has one row for each of ``n`` candidates, or one."""
    if value.shape[0] not in (1, n):
        raise ValueError(
            f"{name} must have one row per candidate ({n}) or a single shared row, "
            f"but has {value.shape[0]} rows."
        )


def check_positive(name: str, value: float, *, zero: bool = False) -> float:
    """Return ``value`` if it is a finite number above (or, with ``zero``, at least) 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}.")
    if not (value >= 0 if zero else value > 0) or value == float("inf"):
        raise ValueError(f"{name} must be {'0 or more' if zero else 'above 0'}, but is {value}.")
    return value


def check_count(name: str, value: int) -> int:
    """Return ``value`` if it is a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1, but is {value!r}.")
    return value


def check_integer(name: str, value: int) -> int:
    """Return ``value`` if it is an integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}.")
    return value


def check_kind(name: str, value: Any, kind: type) -> None:
    """Raise ``TypeError`` unless ``value`` is of this kind; a class given for it is named."""
    if not isinstance(value, kind):
        came = value.__name__ if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name} must be a {kind.__name__}, not {came}.")


def check_share(name: str, value: float) -> float:
    """Return ``value`` if it is at least 0 and below 1."""
    if check_positive(name, value, zero=True) >= 1:
        raise ValueError(f"{name} must be at least 0 and below 1, but is {value}.")
    return value


def check_fraction(name: str, value: float) -> float:
    """Return ``value`` if it lies strictly between 0 and 1."""
    check_positive(name, value)
    if value >= 1:
        raise ValueError(f"{name} must lie between 0 and 1, but is {value}.")
    return value


def check_choice(name: str, value: str, choices: Collection[str]) -> str:
    """Return ``value`` if it is one of ``choices``; the message lists them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, but is {value!r}.")
    return value


def _span(value: Tensor | float) -> tuple[float, float]:
    tensor = torch.as_tensor(value)
    return float(tensor.min()), float(tensor.max())


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
