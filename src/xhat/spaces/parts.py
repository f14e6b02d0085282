"""Spaces side by side: each over some columns of one input."""

import copy
from collections.abc import Mapping
from contextlib import contextmanager
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor

from xhat.spaces.base import Space
from xhat.spaces.lattice import Lattice

__all__ = ["Parts"]

Columns = slice | int | list[int] | Tensor


class Parts(Space):
    """Spaces side by side: each holds some columns of one input, and every column has one.

    A row of a table is a category, a count and an amount; each searches in its own way. ``z`` is
    what the parts search, one after the other, ``(n, sum of their sizes)``. A part's own input is
    ``(n, its columns)``.

    Args:
        parts: name to space.
        columns: name to the columns of that part: a slice with an end, a number, a list of numbers,
            or booleans in the shape of one input. Where none is boolean, an input is one row of
            numbers, ``(d,)``.

    Raises:
        TypeError: a part is no space, or columns are none of these.
        ValueError: the names of parts and columns differ, a column is in two parts or in none, or a
            space is for inputs of another shape than its columns have.

    Example:
        >>> from xhat.spaces import Box, OneHot, Rounded
        >>> row = Parts(
        ...     {"colour": OneHot(), "age": Rounded(Box(18, 99)), "income": Box(0, 1e6)},
        ...     {"colour": slice(0, 3), "age": 3, "income": 4},
        ... )
        >>> row.decode(torch.tensor([[0.2, 0.5, 0.3, 41.7, 1234.5]]))
        tensor([[0.0000e+00, 1.0000e+00, 0.0000e+00, 4.2000e+01, 1.2345e+03]])
    """

    per_candidate: ClassVar[tuple[str, ...]] = ("order", "places")

    def __init__(self, parts: Mapping[str, Space], columns: Mapping[str, Columns]) -> None:
        for name, value in (("parts", parts), ("columns", columns)):
            if not isinstance(value, Mapping) or not value:
                raise TypeError(f"{name} must be given by name, in a dict, not {value!r}.")
        for name, space in parts.items():
            if not isinstance(space, Space):
                raise TypeError(f"part {name!r} must be a Space, not {type(space).__name__}.")
        if set(parts) != set(columns):
            odd = ", ".join(sorted(map(str, set(parts) ^ set(columns))))
            raise ValueError(f"parts and columns must have the same names, but differ in {odd}.")
        self.names, self.spaces = tuple(parts), tuple(parts.values())
        picked, self._shape = _resolved([(name, columns[name]) for name in self.names])
        _check_each_once(picked, prod(self._shape), self.names)
        self.sizes = tuple(len(one) for one in picked)
        self.order = torch.cat(picked)[None]
        self.places = self.order[0].argsort()[None]
        self.z_shapes = tuple(map(self._z_shape, range(len(self.names))))
        _ = self.rows

    @property
    def name(self) -> str:
        """Its own name and those of the spaces."""
        return f"Parts({', '.join(space.name for space in self.spaces)})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self._shape

    @property
    def exact(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether all parts are exact."""
        return all(space.exact for space in self.spaces)

    @property
    def carries(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether all parts carry projections."""
        return all(space.carries for space in self.spaces)

    @property
    def smooth(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether all parts are smooth."""
        return all(space.smooth for space in self.spaces)

    @property
    def relaxed(self) -> Space:
        """The relaxed parts, side by side."""
        spaces = tuple(space.relaxed for space in self.spaces)
        if all(one is other for one, other in zip(spaces, self.spaces, strict=True)):
            return self
        new = copy.copy(self)
        new.spaces = spaces
        return new

    def split(self, x: Tensor) -> dict[str, Tensor]:
        """Return the parts of ``x``, ``(n, *x_shape)``, by name, ``(n, columns)`` each.

        For a model that takes several inputs: ``lambda x: model(**parts.split(x))``.
        """
        return dict(zip(self.names, self._parts_of(x), strict=True))

    def decode(self, z: Tensor) -> Tensor:
        """Decode every part."""
        return self._join([s.decode(part) for s, part in self._searched(z)])

    def encode(self, x: Tensor) -> Tensor:
        """Encode every part."""
        return self._together([s.encode(part) for s, part in self._with(x)])

    def begin(self, x: Tensor) -> Tensor:
        """Begin in every part."""
        return self._together([s.begin(part) for s, part in self._with(x)])

    def project(self, z: Tensor) -> Tensor:
        """Project every part."""
        return self._together([s.project(part) for s, part in self._searched(z)])

    def violation(self, x: Tensor) -> Tensor:
        """Return the largest violation of a part."""
        return torch.stack([s.violation(part) for s, part in self._with(x)]).amax(dim=0)

    def intervals(self) -> tuple[Tensor, Tensor] | None:
        """Return the ends of all parts, where all of them have."""
        found = [space.intervals() for space in self.spaces]
        pairs = [ends for ends in found if ends is not None]
        if len(pairs) < len(found):
            return None
        low, high = (self._ends([pair[side] for pair in pairs]) for side in (0, 1))
        return low, high

    def lattice(self, x: Tensor) -> Lattice | None:
        """Return what is countable in the parts; None where nothing is."""
        found = [(s, part, s.lattice(part)) for s, part in self._with(x)]
        if all(lattice is None for _, _, lattice in found):
            return None
        joined: dict[str, list[Tensor]] = {
            "step": [],
            "low": [],
            "high": [],
            "group": [],
            "free": [],
        }
        groups = 0
        for space, part, lattice in found:
            own = lattice or Lattice.continuous(part.shape[1], space.intervals())
            numbered = torch.where(own.group >= 0, own.group + groups, own.group)
            groups = max(groups, int(numbered.max()) + 1)
            for key, values in joined.items():
                values.append(numbered if key == "group" else getattr(own, key))
        places = self.places[0].cpu()
        step, low, high, group, free = (torch.cat(values)[places] for values in joined.values())
        return Lattice(step, low, high, group, free)

    def check(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the starts have the shape, and fit every part."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"the columns are of inputs of shape {self.shape}, but the starts have shape "
                f"{tuple(x.shape[1:])}."
            )
        for name, (space, part) in zip(self.names, self._with(x), strict=True):
            with _named(name):
                space.check(part)

    def _z_shape(self, number: int) -> tuple[int, ...]:
        """Return the shape of what a part searches, tried on zeros."""
        space, size, name = self.spaces[number], self.sizes[number], self.names[number]
        if space.shape is not None and prod(space.shape) not in (1, size):
            raise ValueError(
                f"part {name!r} has {size} columns, but its space is for inputs of shape "
                f"{space.shape}."
            )
        with torch.no_grad(), _named(name):
            z = space.encode(torch.zeros(space.rows, size))
        return tuple(z.shape[1:])

    def _parts_of(self, x: Tensor) -> list[Tensor]:
        return list(x.flatten(1)[:, self.order[0]].split(self.sizes, dim=1))

    def _with(self, x: Tensor) -> list[tuple[Space, Tensor]]:
        return list(zip(self.spaces, self._parts_of(x), strict=True))

    def _searched(self, z: Tensor) -> list[tuple[Space, Tensor]]:
        parts = z.split([prod(shape) for shape in self.z_shapes], dim=1)
        shaped = (
            part.reshape(len(z), *shape) for part, shape in zip(parts, self.z_shapes, strict=True)
        )
        return list(zip(self.spaces, shaped, strict=True))

    def _together(self, parts: list[Tensor]) -> Tensor:
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def _join(self, parts: list[Tensor]) -> Tensor:
        return self._together(parts)[:, self.places[0]].reshape(-1, *self.shape)

    def _ends(self, ends: list[Tensor]) -> Tensor:
        rows = max(len(end) for end in ends)
        wide = [
            (end.reshape(len(end), -1) if end.ndim > 1 else end.reshape(1, 1)).expand(rows, size)
            for end, size in zip(ends, self.sizes, strict=True)
        ]
        return self._join([end.double() for end in wide])


@contextmanager
def _named(name: str) -> Any:
    """Say of which part a sentence is."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"in part {name!r}: {error}") from error


def _resolved(columns: list[tuple[str, Columns]]) -> tuple[list[Tensor], tuple[int, ...]]:
    """Return the columns of each part, ``(k,)`` numbers, and the shape of one input."""
    picked, shapes = list[Tensor](), set[tuple[int, ...]]()
    for name, which in columns:
        if isinstance(which, Tensor) and which.dtype == torch.bool:
            shapes.add(tuple(which.shape))
            picked.append(which.flatten().nonzero()[:, 0].cpu())
        else:
            picked.append(torch.tensor(_numbers(name, which), dtype=torch.long))
    if len(shapes) > 1:
        raise ValueError(
            f"the masks of all parts must have the shape of one input, but have {sorted(shapes)}."
        )
    size = max((int(one.max()) + 1 for one in picked if len(one)), default=0)
    return picked, shapes.pop() if shapes else (size,)


def _numbers(name: str, which: Any) -> list[int]:
    if isinstance(which, slice):
        if which.stop is None or min(which.start or 0, which.stop, which.step or 1) < 0:
            raise ValueError(
                f"the slice of part {name!r} must have an end, and count from the front, but is "
                f"{which}."
            )
        return list(range(which.stop)[which])
    some = [which] if isinstance(which, int) else list(which) if hasattr(which, "__iter__") else []
    found = [int(one) for one in some if not isinstance(one, bool) and hasattr(one, "__index__")]
    if not found or len(found) < len(some):
        raise TypeError(
            f"the columns of part {name!r} must be a slice, a number, a list of numbers or "
            f"booleans in the shape of one input, not {which!r}."
        )
    if min(found) < 0:
        raise ValueError(f"the columns of part {name!r} must count from the front, from 0.")
    return found


def _check_each_once(picked: list[Tensor], size: int, names: tuple[str, ...]) -> None:
    counts = torch.zeros(size, dtype=torch.long)
    for one, name in zip(picked, names, strict=True):
        if len(one) == 0 or int(one.max()) >= size:
            raise ValueError(f"part {name!r} must have columns among the {size} of one input.")
        counts += one.bincount(minlength=size)
    for wrong, what in ((counts > 1, "more than one part"), (counts == 0, "no part")):
        if bool(wrong.any()):
            some = ", ".join(map(str, wrong.nonzero()[:, 0].tolist()[:5]))
            raise ValueError(
                f"every column must be in exactly one part, but column {some} is in {what}; fixed "
                f"columns are a part of Between.fixed(x0[:, columns])."
            )
