"""What a function gives for a batch: a truth or a surrogate, in torch or numpy, asked in parts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["answer", "answers", "as_tensor", "dtype_of", "finite", "flat"]


def answers(
    who: str, f: Callable[[Tensor], Any], x: Tensor, dtype: torch.dtype, chunk: int
) -> Tensor:
    """Return what ``f`` gives for ``x``, ``(n, ...)``, ``chunk`` inputs at a time in ``dtype``."""
    parts = [answer(who, f, part.to(dtype, copy=True)).detach() for part in x.split(chunk)]
    known = [part for part in parts if not bool(part.isnan().all())]
    shapes = {tuple(part.shape[1:]) for part in known}
    if len(shapes) == 1:  # a part in which everything failed may not know its shape
        parts = [_of_shape(part, next(iter(shapes))) for part in parts]
    if len(shapes) > 1:
        raise ValueError(f"{who} must give outputs of one shape, but gave {sorted(shapes)}.")
    return torch.cat(parts)


def _of_shape(part: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(part.shape[1:]) == shape:
        return part
    return part.new_full((len(part), *shape), torch.nan)  # all of it is NaN


def answer(who: str, f: Callable[[Tensor], Any], x: Tensor) -> Tensor:
    """Return what ``f`` gives for ``x``, ``(n, ...)``, or say what is wrong with it."""
    if not callable(f):
        raise TypeError(f"{who} must be a function, not {type(f).__name__}.")
    try:
        y = f(x)
    except RuntimeError as error:  # raised inside the user's model
        raise ValueError(
            f"{who} cannot take inputs of shape {tuple(x.shape[1:])} and type "
            f"{str(x.dtype)[6:]}; it says: {(str(error).splitlines() or [''])[0]}"
        ) from error
    y = as_tensor(f"what {who} gives", y)
    if y.ndim == 0 or len(y) != len(x) or y.numel() == 0:
        raise ValueError(
            f"{who} must give one row per input, so shape ({len(x)}, ...), but gave "
            f"{tuple(y.shape)}."
        )
    return y


def as_tensor(name: str, value: Any) -> Tensor:
    """Return real numbers of any kind as a tensor."""
    if isinstance(value, np.ndarray):
        value = np.array(value)  # torch takes no read-only arrays or negative strides
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(value).__name__
        raise TypeError(f"{name} must be a tensor or array of numbers, not {kind}.") from error
    if tensor.is_complex():
        raise TypeError(f"{name} must be real numbers, not {str(tensor.dtype)[6:]}.")
    return tensor


def finite(values: Tensor) -> Tensor:
    """Return whether all values of each row are finite, ``(n,)`` booleans on the CPU."""
    return values.reshape(len(values), -1).isfinite().all(dim=1).cpu()


def flat(values: Tensor) -> Tensor:
    """Return values as ``(n, d)`` float64 on the CPU, without their gradient."""
    return values.detach().reshape(len(values), -1).to("cpu", torch.float64)


def dtype_of(modules: tuple[nn.Module, ...], x: Tensor) -> torch.dtype:
    """Return the precision of the modules' weights, or that of ``x`` where there are none."""
    weights = (weight for module in modules for weight in module.parameters())
    return next((w.dtype for w in weights if w.is_floating_point()), x.dtype)
