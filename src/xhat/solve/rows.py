"""Nested tables of tensors with one row per candidate: pick some rows, append others."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["Rows", "join", "take"]

Rows = dict[str, Any]
"""Names to tensors ``(n, ...)`` or to further tables of as many rows."""


def take(rows: Mapping[str, Any], index: Tensor) -> Rows:
    """Return the rows at ``index`` (integers or booleans) of every tensor.

    Example:
        >>> take({"a": torch.arange(3), "b": {"c": torch.ones(3)}}, torch.tensor([2]))
        {'a': tensor([2]), 'b': {'c': tensor([1.])}}
    """
    return {
        k: take(v, index) if isinstance(v, Mapping) else v[index.to(v.device)]
        for k, v in rows.items()
    }


def join(first: Mapping[str, Any], second: Mapping[str, Any]) -> Rows:
    """Return the rows of ``first`` followed by those of ``second``."""
    return {
        k: join(v, second[k]) if isinstance(v, Mapping) else torch.cat([v, second[k]])
        for k, v in first.items()
    }
