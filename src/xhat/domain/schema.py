"""The columns of a table side by side: between the user's frame and a tensor, and back.

A category of ``k`` words becomes ``k`` columns of a tensor, one of which is 1 and the others 0;
every other column stays one. What a table's rows are is said here once: how a frame is encoded, how
rows of a tensor become a frame, and which row is the nearest to numbers that are none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xhat.core import check_mask
from xhat.domain.columns import Column, column_of
from xhat.domain.frames import Given, given_columns, made_frame

__all__ = ["Schema"]

_LONG = 1e9  # from where numbers are told by their power of ten
_SAID = 12  # changes that a line tells


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in the order of the user's frame.

    Attributes:
        columns: of the table; each says what it holds and how it may change.
        library: whose frames ``decode`` makes: ``"pandas"``, ``"polars"`` or ``"pyarrow"``.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"age": [30, 41, 25], "job": ["cook", "clerk", "cook"]})
        >>> schema, x = Schema.read(frame)
        >>> schema.names
        ('age', 'job=clerk', 'job=cook')
        >>> x.tolist()[0]
        [30.0, 0.0, 1.0]
        >>> schema.decode(torch.tensor([[30.0, 1.0, 0.0]])).to_dict("records")
        [{'age': 30, 'job': 'clerk'}]
    """

    columns: tuple[Column, ...]
    library: str = "pandas"

    @classmethod
    def read(
        cls,
        frame: Any,
        said: Mapping[str, Column] | None = None,
        names: Sequence[str] | None = None,
    ) -> tuple["Schema", Tensor]:
        """Return the schema of a frame, and its rows as a tensor ``(n, width)``, float32.

        Args:
            frame: of pandas, polars or Arrow.
            said: what is known of columns, by name.
            names: instead of those of the frame.

        Raises:
            TypeError, ValueError: a column that cannot be searched, or is not what was said.
        """
        given, library = given_columns(frame, "the samples")
        if names is not None and len(names) == len(given):
            given = [replace(each, name=str(n)) for each, n in zip(given, names, strict=True)]
        found = cls.of(given, said or {}, library)
        return found, found._encoded(given, "the samples")

    @classmethod
    def of(cls, given: Sequence[Given], said: Mapping[str, Column], library: str) -> "Schema":
        """Return the schema of columns, of some of which something is known."""
        known = [each.name for each in given]
        for name, column in said.items():
            if name not in known:
                raise ValueError(
                    f"columns names {name!r}, which is no column (they are {', '.join(known)})."
                )
            if not isinstance(column, Column):
                raise TypeError(
                    f"columns must say of {name!r} what it is, such as xhat.Column('whole'), not "
                    f"{column!r}."
                )
        if len(set(known)) < len(known):
            twice = next(name for name in known if known.count(name) > 1)
            raise ValueError(f"the frame has two columns named {twice!r}; rename one.")
        return cls(tuple(column_of(each, said.get(each.name)) for each in given), library)

    @classmethod
    def of_numbers(
        cls, x: Tensor, names: Sequence[str], said: Mapping[str, Column]
    ) -> tuple["Schema", Tensor]:
        """Return the same for an array ``(n, columns)``: numbers, unless more is said of them."""
        numbers = x.double().numpy()
        given = [Given(name, "float", numbers[:, k]) for k, name in enumerate(names)]
        found = cls.of(given, {name: Column("number") for name in names} | dict(said), "pandas")
        return found, found._encoded(given, "the samples")

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Which numbers of a row stand for each column, by its name."""
        found, at = {}, 0
        for column in self.columns:
            found[column.name] = slice(at, at + column.width)
            at += column.width
        return found

    @property
    def width(self) -> int:
        """How many numbers a row of a tensor has."""
        return sum(column.width for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """What each number of a row is: a column, or whether it has one category."""
        return tuple(
            f"{column.name}={word}" if column.kind == "category" else column.name
            for column in self.columns
            for word in (column.categories if column.kind == "category" else ("",))
        )

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each number of a row."""
        return tuple(column.unit for column in self.columns for _ in range(column.width))

    @property
    def discrete(self) -> bool:
        """Whether some column is no quantity, so that not all numbers make a row."""
        return any(column.kind != "number" for column in self.columns)

    @property
    def mixed(self) -> bool:
        """Whether some column is not a number of its own in a tensor."""
        return any(column.categories for column in self.columns)

    @property
    def directed(self) -> bool:
        """Whether some column may only rise, or only fall."""
        return bool((self.marked("up") | self.marked("down")).any())

    def marked(self, change: str) -> Tensor:
        """Return which numbers of a row change in one way, ``(width,)`` booleans."""
        return torch.tensor([c.change == change for c in self.columns for _ in range(c.width)])

    @cached_property
    def places(self) -> Tensor:
        """Of which column each number of a row is, ``(width,)``, from 0."""
        widths = torch.tensor([column.width for column in self.columns])
        return torch.arange(len(widths)).repeat_interleave(widths)

    @cached_property
    def whole(self) -> Tensor:
        """Which numbers of a row are whole, ``(width,)`` booleans."""
        return torch.tensor([c.whole for c in self.columns for _ in range(c.width)])

    @cached_property
    def unit_steps(self) -> Tensor:
        """Which numbers of a row are 0 or 1, ``(width,)`` booleans."""
        words = ("yes/no", "category")
        return torch.tensor([c.kind in words for c in self.columns for _ in range(c.width)])

    @property
    def strict(self) -> bool:
        """Whether there are rows of numbers that the user's frame cannot hold."""
        return any(column.strict for column in self.columns)

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """The lower and upper ends that are known without data, ``(1, width)``; else infinite."""
        ends = [column.ends for column in self.columns for _ in range(column.width)]
        low, high = torch.tensor(ends, dtype=torch.float32).T
        return low[None], high[None]

    def groups(self) -> Iterator[slice]:
        """Yield the numbers of each category, of which one is 1."""
        for column in self.columns:
            if column.kind == "category":
                yield self.slices[column.name]

    def described(
        self, fixed: Sequence[str] | Tensor | str, units: Sequence[str] | None
    ) -> "Schema":
        """Return the same, in which some columns are fixed, and all have units.

        Args:
            fixed: names of columns, or which numbers of a row are, ``(width,)`` booleans.
            units: one for each column; None to leave them.

        Raises:
            ValueError: no such column, part of a category, or another number of units.
        """
        names = self._named(fixed) if isinstance(fixed, Tensor) else fixed
        names = (names,) if isinstance(names, str) else tuple(names)
        for name in names:
            if name not in self.slices:
                known = ", ".join(self.slices)
                raise ValueError(f"fixed names {name!r}, which is no column (they are {known}).")
        if units is not None and len(units) != len(self.columns):
            raise ValueError(
                f"units must be {len(self.columns)}, one for each column, but are {len(units)}."
            )
        given = (column.unit for column in self.columns) if units is None else map(str, units)
        return replace(
            self,
            columns=tuple(
                replace(each, unit=unit, change="fixed" if each.name in names else each.change)
                for each, unit in zip(self.columns, given, strict=True)
            ),
        )

    def _named(self, mask: Tensor) -> list[str]:
        mask = check_mask(mask, "must not change")
        if mask.shape != (self.width,):
            raise ValueError(
                f"fixed must have the shape of one sample, ({self.width},), but has "
                f"{tuple(mask.shape)}."
            )
        for name, part in self.slices.items():
            if bool(mask[part].any()) != bool(mask[part].all()):
                raise ValueError(f"fixed holds part of the category {name!r}; fix it as a whole.")
        return [name for name, part in self.slices.items() if bool(mask[part].all())]

    def encode(self, frame: Any, what: str = "the frame", *, valid: bool = True) -> Tensor:
        """Return the rows of a frame as a tensor ``(n, width)``, float32.

        Args:
            frame: of the user's columns; their order does not matter.
            what: messages call it.
            valid: whether every row must be one that the table can have.

        Raises:
            TypeError, ValueError: columns or entries that the schema does not know; the message
                names column, row and entry.
        """
        given, _ = given_columns(frame, what)
        there, known = [each.name for each in given], list(self.slices)
        missing = [name for name in known if name not in there]
        further = [name for name in there if name not in known]
        if missing or further:
            said = [f"lacks {', '.join(missing)}"] if missing else []
            said += [f"has {', '.join(further)}, which the domain does not know"] * bool(further)
            raise ValueError(
                f"the frame {' and '.join(said)}; its columns must be those of the domain."
            )
        by_name = {each.name: each for each in given}
        x = self._encoded([by_name[name] for name in known], what)
        if valid:
            self.check(x, what)
        return x

    def _encoded(self, given: Sequence[Given], what: str) -> Tensor:
        parts = [c.encoded(each, what) for c, each in zip(self.columns, given, strict=True)]
        return torch.from_numpy(np.concatenate(parts, axis=1)).float()

    def check(self, x: Tensor, what: str) -> None:
        """Raise ``ValueError`` unless all rows ``(n, width)`` are rows of such a table."""
        numbers = x.detach().cpu().float().numpy()
        for column in self.columns:
            found = column.broken(numbers[:, self.slices[column.name]])
            if found is not None:
                raise ValueError(f"row {found[0]} of {what}: {column.name!r} {found[1]}.")

    def entries(self, x: Tensor) -> dict[str, Given]:
        """Return rows ``(n, width)`` as the user's columns, by name; the nearest where none."""
        numbers = x.detach().cpu().double().numpy()
        return {c.name: c.decoded(numbers[:, self.slices[c.name]]) for c in self.columns}

    def decode(self, x: Tensor) -> Any:
        """Return rows ``(n, width)`` as a frame of the user's own columns.

        Raises:
            MissingExtraError: what makes frames is not installed.
        """
        return made_frame(self.entries(x), self.library)

    def row(self, x: Tensor, x0: Tensor | None = None) -> Tensor:
        """Return the rows of the table that are nearest to numbers, ``(n, width)``; idempotent.

        Args:
            x: ``(n, width)``, any numbers.
            x0: ``(n, width)``, the starts: what is fixed stays as it is there, and what may only
                rise or fall is kept from doing the other. None to leave that open.
        """
        x = x if x0 is None else self.turned(x, x0)
        x = x.clamp(*(end.to(x) for end in self.ends))
        x = torch.where(self.whole.to(x.device), x.round(), x)
        for group in self.groups():
            one = torch.zeros_like(x[:, group])
            one.scatter_(1, x[:, group].argmax(dim=1, keepdim=True), 1.0)
            x = torch.cat((x[:, : group.start], one, x[:, group.stop :]), dim=1)
        return x

    def turned(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return numbers ``(n, width)`` kept from falling, rising or changing where they must not.

        Args:
            x: ``(n, width)``.
            x0: ``(n, width)``, the starts.
        """
        x0 = x0.to(x)
        up, down, fixed = (self.marked(way).to(x.device) for way in ("up", "down", "fixed"))
        x = torch.where(up, torch.maximum(x, x0), x)
        x = torch.where(down, torch.minimum(x, x0), x)
        return torch.where(fixed, x0, x)

    def misses(self, x: Tensor) -> Tensor:
        """Return how far the numbers of a row are from one that a frame can hold, ``(n,)``."""
        strict = torch.tensor([c.strict for c in self.columns for _ in range(c.width)])
        return torch.where(strict.to(x.device), (x - self.row(x)).abs(), 0.0).amax(dim=1)

    def changes(self, x0: Tensor, x: Tensor, unit: Tensor) -> list[str]:
        """Return in words what was changed in each row, the farthest first; empty for nothing.

        Args:
            x0: ``(n, width)``, the starts.
            x: ``(n, width)``.
            unit: ``(1, width)``, in which distances are measured.
        """
        far = ((x - x0).abs() / unit.to(x)).detach().cpu()
        before, after = self.entries(x0), self.entries(x)
        told: list[str] = []
        for i in range(len(x)):
            moved = [
                (float(far[i, part].max()), f"{name} {_said(before[name], i)} → "
                 f"{_said(after[name], i)}")
                for name, part in self.slices.items() if bool((x[i, part] != x0[i, part]).any())
            ]  # fmt: skip
            moved.sort(key=lambda each: -each[0])
            rest = f", and {len(moved) - _SAID} more" if len(moved) > _SAID else ""
            told.append(", ".join(text for _, text in moved[:_SAID]) + rest)
        return told

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"columns": [asdict(column) for column in self.columns], "library": self.library}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Schema":
        """Return what ``to_dict`` told."""
        return cls(tuple(Column(**column) for column in told["columns"]), told["library"])


def _said(column: Given, row: int) -> str:
    """Return an entry as people write it: 14,000 and not 1.4e+04."""
    entry = column.values[row]
    if not column.numeric:
        return str(entry)
    if column.stored == "bool":
        return "yes" if entry else "no"
    whole = float(entry).is_integer() or abs(entry) >= 1e4
    return f"{entry:,.0f}" if whole and abs(entry) < _LONG else f"{entry:.4g}"
