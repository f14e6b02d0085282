"""Limits and units of features: what searches must keep, and in what steps are measured."""

from typing import Any

import torch
from torch import Tensor

from xhat.domain.schema import Schema

__all__ = ["limits_of", "units_of"]

_RANGE = 3.5  # standard deviations that are about the range of what is evenly distributed
_DARK = 127  # images of larger numbers are taken for bytes


def limits_of(
    x: Tensor, kind: str, limits: tuple[Any, Any] | None, schema: Schema | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the lower and upper ends of features, and which of them were declared.

    ``(1,)`` each, or ``(1, *x_shape)``. Ends that were not declared are those of the samples.

    Args:
        x: ``(m, *x_shape)``, the samples.
        kind: of them.
        limits: ``(low, high)`` as the user gave them; None for none.
        schema: of a table; None for other data, and where columns have no names.
    """
    low, high = _seen(x, kind) if limits is None else _said(x, limits)
    declared = torch.tensor([limits is not None])
    if schema is None:
        return low, high, declared
    shape = (1, x.shape[1])
    low, high, declared = (each.expand(shape).clone() for each in (low, high, declared))
    # what the kind of a column says of its ends counts more than limits for all
    least, most = schema.ends
    low = torch.where(least.isfinite(), least, low)
    high = torch.where(most.isfinite(), most, high)
    if limits is not None:  # the whole numbers within
        low, high = (
            torch.where(schema.whole, end, other)
            for end, other in ((low.ceil(), low), (high.floor(), high))
        )
    high = torch.where(high > low, high, low + 1)
    return low, high, declared | least.isfinite() | most.isfinite()


def _said(x: Tensor, limits: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise ValueError(f"limits must be (low, high), but are {limits!r}.")
    ends = tuple(torch.as_tensor(end, dtype=torch.float32) for end in limits)
    for end in ends:
        if end.ndim and tuple(end.shape) != tuple(x.shape[1:]):
            raise ValueError(
                f"limits must be numbers or have the shape of one sample, "
                f"{tuple(x.shape[1:])}, but have {tuple(end.shape)}."
            )
    low, high = (end[None] if end.ndim else end.reshape(1) for end in ends)
    if bool((low >= high).any()) or bool(low.isnan().any() | high.isnan().any()):
        raise ValueError("limits must be below for low, and above for high, of every feature.")
    return low, high


def _seen(x: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    least, most = (float(end) for end in torch.aminmax(x))
    if kind == "image":
        return torch.zeros(1), torch.tensor([1.0 if most <= 1 else 255.0 if most > _DARK else most])
    if kind == "table":
        low, high = x.amin(dim=0, keepdim=True), x.amax(dim=0, keepdim=True)
        return low, torch.where(high > low, high, low + 1)
    return torch.tensor([least]), torch.tensor([most if most > least else least + 1])


def units_of(x: Tensor, kind: str, limits: tuple[Tensor, Tensor], schema: Schema | None) -> Tensor:
    """Return the unit of a step: the range of the samples, about.

    ``(1,)`` for images, fields and signals; ``(1, columns)`` for a table, 1 where a number is 0 or
    1 by its kind.
    """
    if kind != "table":
        wide = (limits[1] - limits[0]).amax()
        return _positive((wide if bool(wide.isfinite()) else _RANGE * x.std()).reshape(1))
    units = _positive(_RANGE * x.std(dim=0, keepdim=True))
    return units if schema is None else torch.where(schema.unit_steps, 1.0, units)


def _positive(wide: Tensor) -> Tensor:
    """Return lengths, with 1 for those of 0: columns that never vary."""
    return torch.where(wide > 0, wide, torch.ones_like(wide))
