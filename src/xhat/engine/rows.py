"""Nested tables of tensors with one row per candidate: pick some rows, append others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Live", "Rows", "flat", "join", "like", "take"]

Rows = dict[str, Any]
"""Names to tensors ``(n, ...)`` or to further tables of as many rows."""


@dataclass(frozen=True, eq=False)
class Live:
    """The candidates that one step looked at, each with what belongs to that very ``x``.

    The tensors are the search's own, detached, on the device where it computes: read them, and
    copy what is to be changed.

    Attributes:
        ids: ``(m,)``, their places among the starts.
        steps: ``(m,)``, the steps that led to ``x``.
        x: ``(m, *x_shape)``.
        loss: ``(m,)``, what is descended, at ``x``: the objective, and what multipliers make of it.
        confidence: ``(m,)`` in [0, 1], as in a ``Result``; None without a target.
    """

    ids: Tensor
    steps: Tensor
    x: Tensor
    loss: Tensor
    confidence: Tensor | None

    def joined(self, other: "Live") -> "Live":
        """Return these candidates followed by those of the other half of the batch."""
        pairs = [(getattr(self, name), getattr(other, name)) for name in vars(self)]
        return Live(*(None if one is None else torch.cat([one, two]) for one, two in pairs))  # pyright: ignore[reportArgumentType]


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


def flat(rows: Mapping[str, Any]) -> list[Tensor]:
    """Return all tensors of a table, in the order of ``like``."""
    found = list[Tensor]()
    for value in rows.values():
        found += flat(value) if isinstance(value, Mapping) else [value]
    return found


def like(rows: Mapping[str, Any], tensors: Iterable[Tensor]) -> Rows:
    """Return a table with the names of another, and these tensors, as ``flat`` gives them.

    Example:
        >>> like({"a": torch.arange(3), "b": {"c": torch.ones(3)}}, [torch.ones(1), torch.zeros(1)])
        {'a': tensor([1.]), 'b': {'c': tensor([0.])}}
    """
    given = iter(tensors)

    def filled(part: Mapping[str, Any]) -> Rows:
        return {k: filled(v) if isinstance(v, Mapping) else next(given) for k, v in part.items()}

    return filled(rows)
