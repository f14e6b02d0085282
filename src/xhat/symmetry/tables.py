"""Groups given by a table, one row for each element: permutations and changes of sign."""

import math
from collections.abc import Callable, Collection, Sequence
from itertools import product
from typing import Any, Self

import torch
from torch import Tensor

from xhat.core import check_count
from xhat.symmetry.base import Group

__all__ = ["Permutations", "SignFlips"]

Row = tuple[int, ...]


class Permutations(Group):
    """Exchanges of features: ``act(k, x)[i] = x[table[k][i]]``.

    Args:
        table: ``(order, m)`` integers; the first row is ``0 .. m-1``, and a permutation of a
            permutation in the table is in the table.
        axis: of a single input, whose ``m`` entries are exchanged; None for the flattened input.

    Raises:
        TypeError: the table does not hold integers, or the axis is none.
        ValueError: the rows are not permutations, or not a group.

    Example:
        >>> shifts = Permutations([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
        >>> shifts.act(1, torch.tensor([[5.0, 6.0, 7.0]])), shifts.inverse(1)
        (tensor([[6., 7., 5.]]), 2)
    """

    def __init__(self, table: Any, axis: int | None = None) -> None:
        self.table = _table("permutations", table)
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise TypeError(f"axis must be a whole number or None, not {type(axis).__name__}.")
        size = self.table.shape[1]
        identity = torch.arange(size)
        for k, row in enumerate(self.table):
            if not torch.equal(row.sort().values, identity):
                raise ValueError(
                    f"each row of the table must hold every number from 0 to {size - 1} once, but "
                    f"row {k} does not."
                )
        rows = [tuple(row) for row in self.table.tolist()]
        super().__init__(_products(rows, tuple(range(size)), _after))
        self.axis = axis

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        where = "" if self.axis is None else f" on axis {self.axis}"
        return f"Permutations of {self.table.shape[1]}{where}"

    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless inputs of this shape have that many features."""
        size = self.table.shape[1]
        if self.axis is None:
            _check_size(self, shape, size)
        elif not -len(shape) <= self.axis < len(shape) or shape[self.axis] != size:
            raise ValueError(
                f"{self} needs inputs with {size} entries on axis {self.axis}, but one has shape "
                f"{tuple(shape)}; give permutations of that length, or another axis."
            )

    def move(self, k: int, x: Tensor) -> Tensor:
        """Exchange the features."""
        row = self.table[k].to(x.device)
        if self.axis is None:
            return x.flatten(1).index_select(1, row).reshape(x.shape)
        return x.index_select(self.axis if self.axis < 0 else self.axis + 1, row)


class SignFlips(Group):
    """Changes of sign of chosen features: ``act(k, x) = signs[k] * x`` of the flattened input.

    Args:
        signs: ``(order, m)`` of 1 and -1; the first row is all 1, and the product of two rows is
            a row. ``[[1] * m, [-1] * m]`` is ``x -> -x``.

    Raises:
        ValueError: other numbers than 1 and -1, or the rows are not a group.

    Example:
        >>> SignFlips([[1, 1], [-1, -1]]).act(1, torch.tensor([[3.0, -4.0]]))
        tensor([[-3.,  4.]])
        >>> SignFlips.independent([0, 2], size=3).order
        4
    """

    def __init__(self, signs: Any) -> None:
        self.signs = _table("signs", signs)
        if not bool((self.signs.abs() == 1).all()):
            raise ValueError("signs must be 1 or -1, but others came.")
        rows = [tuple(row) for row in self.signs.tolist()]
        super().__init__(_products(rows, (1,) * self.signs.shape[1], _times))

    @classmethod
    def independent(cls, features: Collection[int], size: int) -> Self:
        """Return the group in which each named feature changes its sign by itself.

        Args:
            features: different places in the flattened input; ``m`` of them give ``2 ** m``
                elements.
            size: of the flattened input.
        """
        check_count("size", size)
        if len(set(features)) < len(features) or not all(0 <= i < size for i in features):
            raise ValueError(
                f"features must be different numbers from 0 to {size - 1}, but are "
                f"{list(features)}."
            )
        signs = torch.ones(2 ** len(features), size, dtype=torch.long)
        for row, chosen in zip(signs, product((1, -1), repeat=len(features)), strict=True):
            row[list(features)] = torch.tensor(chosen)
        return cls(signs)

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return f"SignFlips of {self.signs.shape[1]}"

    def check(self, shape: Sequence[int]) -> None:
        """Raise ``ValueError`` unless inputs of this shape have that many features."""
        _check_size(self, shape, self.signs.shape[1])

    def move(self, k: int, x: Tensor) -> Tensor:
        """Change the signs; 0 stays the positive 0, so that equal inputs have equal bits."""
        return (x.flatten(1) * self.signs[k].to(x) + 0.0).reshape(x.shape)


def _after(a: Row, b: Row) -> Row:
    # b acts first: what feature i shows is b's feature a[i], which shows the input's b[a[i]]
    return tuple(b[i] for i in a)


def _times(a: Row, b: Row) -> Row:
    return tuple(i * j for i, j in zip(a, b, strict=True))


def _table(name: str, value: Any) -> Tensor:
    table = torch.as_tensor(value).detach().cpu()
    whole = table.dtype != torch.bool and not table.is_complex()
    if not whole or not torch.equal(table, table.long().to(table.dtype)):
        raise TypeError(f"the table of {name} must hold whole numbers, but is {table.dtype}.")
    if table.ndim != 2 or table.numel() == 0:
        raise ValueError(
            f"the table of {name} must have one row for each element, (order, m), but has shape "
            f"{tuple(table.shape)}."
        )
    return table.long()


def _products(
    rows: list[Row], identity: Row, combine: Callable[[Row, Row], Row]
) -> list[list[int]]:
    """Return the table of products, having checked that the rows are a group.

    A finite set of invertible maps that is closed holds its inverses, so nothing else is to check.
    """
    if rows[0] != identity:
        raise ValueError("the first row of the table must be the identity, but another came.")
    place = {row: k for k, row in enumerate(rows)}
    if len(place) < len(rows):
        raise ValueError("the rows of the table must differ, but one comes twice; drop it.")
    found = [[place.get(combine(a, b), -1) for b in rows] for a in rows]
    for a, line in enumerate(found):
        if -1 in line:
            raise ValueError(
                f"the table must be closed, but row {line.index(-1)} and then row {a} together "
                f"are no row of it; add what is missing."
            )
    return found


def _check_size(group: Group, shape: Sequence[int], size: int) -> None:
    if math.prod(shape) != size:
        raise ValueError(
            f"{group} needs inputs of {size} values, but one has shape {tuple(shape)}, "
            f"{math.prod(shape)} values; make the table for that number."
        )
