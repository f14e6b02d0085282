"""One column of a table: what its entries are, and how they may change.

==============  ================================  ==============================================
kind            what it is                        in a tensor
==============  ================================  ==============================================
``number``      a quantity                        one number
``whole``       a whole number, such as a count   one number
``yes/no``      one of two                        0 or 1
``ordered``     a category of an ordered list     its place in the list, from 0
``category``    one of several words              one number for each: a 1, and otherwise 0
==============  ================================  ==============================================
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xhat.core import check_choice
from xhat.domain.frames import Given

__all__ = ["CHANGES", "COLUMN_KINDS", "Column", "column_of"]

COLUMN_KINDS = ("number", "whole", "yes/no", "ordered", "category")
CHANGES = ("free", "fixed", "up", "down")
"""How an entry may change: any way, not at all, only upwards, only downwards."""

_WORDS, _DIFFERENT = 20, 0.5  # so many words, and for this share of the rows, are names of rows
_EXACT = 2**24  # above it not every whole number has a float32


@dataclass(frozen=True)
class Column:
    """What one column of a table holds, and how it may change.

    What is left open is seen from the data: whole numbers where the entries are of a whole type, or
    are counts (whole, none below 0); yes or no where they are 0 and 1; categories where they are
    words. Numbers that stand for categories cannot be told from counts: say
    ``Column("category")``.

    Attributes:
        kind: of ``COLUMN_KINDS``; None to see it.
        categories: those that there are, the lowest first where they are ordered; empty for those
            that the data list.
        limits: ``(low, high)`` of the entries, either of them None for no limit; None for the range
            of the samples and the starts.
        change: ``"free"``, ``"fixed"``, ``"up"`` or ``"down"``.
        unit: for pages.
        name: of the column; the domain fills it in.
        stored: what the entries are in the user's frame; the domain fills it in.

    Example:
        >>> Column("whole", limits=(18, 99), change="up", unit="years").change
        'up'
    """

    kind: str | None = None
    categories: tuple[Any, ...] = ()
    limits: tuple[float | None, float | None] | None = None
    change: str = "free"
    unit: str = ""
    name: str = ""
    stored: str = "float"

    def __post_init__(self) -> None:
        """Check what does not depend on data."""
        if self.kind is not None:
            check_choice("the kind of a column", self.kind, COLUMN_KINDS)
        check_choice("change", self.change, CHANGES)
        object.__setattr__(self, "categories", tuple(self.categories))
        if self.limits is not None:
            object.__setattr__(self, "limits", _limits(self.limits))
        if self.kind == "category" and self.change in ("up", "down"):
            raise ValueError(
                f"a category has no {self.change}; say kind='ordered', and list the categories "
                f"from the lowest to the highest."
            )

    @property
    def width(self) -> int:
        """How many numbers of a tensor stand for it."""
        return len(self.categories) if self.kind == "category" else 1

    @property
    def whole(self) -> bool:
        """Whether its one number is a whole one."""
        return self.kind in ("whole", "yes/no", "ordered")

    @property
    def strict(self) -> bool:
        """Whether there is nothing between its entries; between counts kept as floats there is."""
        return self.kind == "category" or (self.whole and self.stored != "float")

    def encoded(self, given: Given, what: str) -> np.ndarray:
        """Return entries as ``(n, width)`` numbers.

        Raises:
            TypeError: words where numbers are expected.
            ValueError: an entry that the column cannot have; the message names the row.
        """
        if self.categories:
            place = self._places(given, what)
            if self.kind == "category":
                return np.eye(self.width)[place]
            return place[:, None].astype(np.float64)
        if not given.numeric:
            raise TypeError(
                f"the column {self.name!r} of {what} must be numbers, but row 0 has "
                f"{given.values[0]!r}."
            )
        return given.values[:, None]

    def _places(self, given: Given, what: str) -> np.ndarray:
        place = {category: k for k, category in enumerate(self.categories)}
        for row, entry in enumerate(given.values.tolist()):
            if entry not in place:
                known = ", ".join(map(str, self.categories[:_WORDS]))
                more = " …" if len(self.categories) > _WORDS else ""
                raise ValueError(
                    f"row {row} of {what} has {entry!r} in the column {self.name!r}, which is none "
                    f"of its categories: {known}{more}."
                )
        return np.array([place[entry] for entry in given.values.tolist()], dtype=np.int64)

    def decoded(self, numbers: np.ndarray) -> Given:
        """Return ``(n, width)`` numbers as entries like the user's."""
        if not self.categories:
            stored = self.stored
            if stored == "int" and not self.whole:
                stored = "float"
            shortest = numbers[:, 0].astype(np.float32).astype(str).astype(np.float64)
            return Given(self.name, stored, shortest)  # 0.1 is 0.1 again, not 0.10000000149
        one_hot = self.kind == "category"
        place = numbers.argmax(axis=1) if one_hot else numbers[:, 0].round().astype(int)
        entries = np.empty(len(self.categories), dtype=object)
        entries[:] = self.categories
        found = entries[place]
        if self.stored in ("float", "int", "bool"):
            return Given(self.name, self.stored, found.astype(np.float64))
        return Given(self.name, self.stored, found, self.categories, self.kind == "ordered")

    def broken(self, numbers: np.ndarray) -> tuple[int, str] | None:
        """Return the first row of ``(n, width)`` numbers that it cannot have, and why."""
        if self.kind == "category":
            one = (numbers == 1).sum(axis=1) == 1
            bad = ~(one & ((numbers == 0).sum(axis=1) == self.width - 1))
            why = f"must be a single 1 among {self.width} numbers, otherwise 0"
        else:
            low, high = self.ends
            bad, why = (numbers < low) | (numbers > high), f"must be from {low:g} to {high:g}"
            if self.strict:
                fraction = numbers != numbers.round()
                if fraction.any():
                    bad, why = fraction, "must be a whole number"
        rows = np.flatnonzero(np.asarray(bad).reshape(len(numbers), -1).any(axis=1))
        if not len(rows):
            return None
        said = ", ".join(f"{number:g}" for number in numbers[rows[0]])
        return int(rows[0]), f"{why}, but is {said}"

    @property
    def ends(self) -> tuple[float, float]:
        """The limits that are declared or follow from the kind, in a tensor; infinite if none."""
        if self.kind in ("category", "yes/no"):
            return 0.0, 1.0
        low, high = self.limits or (None, None)
        if self.kind == "ordered":
            low, high = 0.0, float(len(self.categories) - 1)
        return -np.inf if low is None else float(low), np.inf if high is None else float(high)


def column_of(given: Given, said: Column | None) -> Column:
    """Return a column with what was left open seen from the data.

    Raises:
        TypeError, ValueError: the data are not what was said, or nothing that can be searched.
    """
    said = Column() if said is None else said
    kind, categories = said.kind, said.categories
    if kind is None:
        kind = _seen(given) if not categories else "category"
    if kind in ("category", "ordered") and not categories:
        categories = given.categories or _different(given, listed=kind == "ordered")
    if kind in ("number", "whole", "yes/no") and not given.numeric:
        if kind != "yes/no":
            raise TypeError(
                f"the column {given.name!r} is said to be a {kind} but holds words, such as "
                f"{given.values[0]!r}; say Column('category'), or turn them into numbers."
            )
        kind, categories = "category", _different(given)
    found = replace(said, kind=kind, categories=categories, name=given.name, stored=given.stored)
    if kind == "whole" and any(end % 1 for end in found.limits or () if end is not None):
        raise ValueError(f"the limits of the whole numbers {given.name!r} must be whole numbers.")
    if kind in ("whole", "number") and (wrong := found.broken(given.values[:, None])) is not None:
        raise ValueError(f"row {wrong[0]} of the samples: {given.name!r} {wrong[1]}.")
    return found


def _seen(given: Given) -> str:
    if given.stored == "bool":
        return "yes/no"
    if given.stored == "categorical":
        return "ordered" if given.ordered else "category"
    if given.stored == "word":
        return "category"
    values = given.values
    whole = bool((values == values.round()).all() and np.abs(values).max() < _EXACT)
    if not whole or (given.stored == "float" and values.min() < 0):
        return "number"
    if set(np.unique(values).tolist()) == {0.0, 1.0}:
        return "yes/no"
    return "whole" if given.stored == "int" or len(np.unique(values)) > 1 else "number"


def _different(given: Given, *, listed: bool = False) -> tuple[Any, ...]:
    """Return the different entries, in order."""
    found = sorted(set(given.values.tolist()), key=str if not given.numeric else None)
    if listed and not given.numeric:
        raise ValueError(
            f"the column {given.name!r} is ordered, but its order is not known; list its "
            f"categories, the lowest first: Column('ordered', categories=[…])."
        )
    if len(found) > _WORDS and len(found) > _DIFFERENT * len(given.values):
        raise ValueError(
            f"the column {given.name!r} has {len(found)} different entries in {len(given.values)} "
            f"rows, which name rows and tell nothing of others; leave it out, or make it numbers."
        )
    return tuple(int(each) if given.stored == "int" else each for each in found)


def _limits(limits: Any) -> tuple[float | None, float | None]:
    if not isinstance(limits, tuple | list) or len(limits) != 2:
        raise ValueError(f"the limits of a column must be (low, high), but are {limits!r}.")
    low, high = limits
    if low is not None and high is not None and not low < high:
        raise ValueError(f"the limits of a column must be low < high, but are {low} and {high}.")
    return low, high
