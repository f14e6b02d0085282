"""Spaces of rows: what a schema says of a table, kept by a search.

The search moves through all numbers between; what the model sees, and what is found, are rows. The
gradient passes as if nothing had been moved (the straight-through estimator: Bengio, Léonard,
Courville, "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional
Computation", 2013).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from xhat.domain.schema import Schema
from xhat.spaces import Held, Space

__all__ = ["directed", "rows_of"]


def rows_of(space: Space, schema: Schema, x0: Tensor) -> Space:
    """Return the rows of a table that are inputs of a space.

    Args:
        space: of inputs ``(n, width)``.
        schema: of the table.
        x0: ``(n, width)``, the starts, which fixed columns keep, and beyond which others may not
            fall or rise.
    """
    if not (schema.discrete or schema.directed):
        return space
    return Held(space, partial(_moved, schema.row), x0)


def directed(space: Space, schema: Schema, x0: Tensor) -> Space:
    """Return the inputs of a space in which columns rise, or fall, as a schema says; no rows."""
    return Held(space, partial(_moved, schema.turned), x0) if schema.directed else space


def _moved(onto: Callable[[Tensor, Tensor], Tensor], x: Tensor, x0: Tensor) -> Tensor:
    return _Straight.apply(x, onto(x.detach(), x0))  # pyright: ignore[reportReturnType]


class _Straight(torch.autograd.Function):
    """What was moved, with the gradient of what was not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, moved: Tensor) -> Tensor:
        """Return what was moved."""
        del ctx, x
        return moved.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Return the gradient as it came."""
        del ctx
        return grads[0], None
