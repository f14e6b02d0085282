"""Inputs of several parts, such as an image and a table, as the one tensor that is searched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from xhat.core.checks import check_tensor

__all__ = ["Layout", "Parts"]

Parts = dict[str, Tensor] | tuple[Tensor, ...]


@dataclass(frozen=True)
class Layout:
    """Which columns of a flat tensor ``(n, d)`` are which part of an input.

    Attributes:
        names: of the parts, in their order; empty where they have none, as those of a tuple.
        shapes: of one candidate's parts.

    Example:
        >>> layout = Layout.of({"image": torch.rand(2, 3, 3), "age": torch.rand(2)})
        >>> flat = layout.pack({"image": torch.zeros(2, 3, 3), "age": torch.ones(2)})
        >>> flat.shape, layout.unpack(flat)["age"].tolist(), layout.columns("age")
        (torch.Size([2, 10]), [1.0, 1.0], slice(9, 10, None))
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, parts: Any) -> Self:
        """Return the layout of parts, each ``(n, *shape)``.

        Raises:
            TypeError: a part is no floating point tensor.
            ValueError: no parts, or of different numbers of candidates.
        """
        named = isinstance(parts, Mapping)
        names = tuple(parts) if named else ()
        tensors = [
            _part(f"the part {name!r} of the start", value)
            for name, value in (parts.items() if named else enumerate(parts))
        ]
        if len({len(tensor) for tensor in tensors}) != 1:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors) or "nothing"
            raise ValueError(
                f"the parts of the start must have one row per candidate each, and the same number "
                f"of them, but have the shapes {shapes}."
            )
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"the parts of the start must have strings as names, not {names!r}.")
        return cls(names, tuple(tuple(tensor.shape[1:]) for tensor in tensors))

    def check(self, parts: Any, name: str) -> None:
        """Raise ``ValueError`` unless parts are of this layout; the message calls them ``name``."""
        came = Layout.of(parts) if Layout.meant(parts) else None
        if came is None or sorted(came.told) != sorted(self.told):
            what = "one tensor" if came is None else ", ".join(came.told)
            raise ValueError(f"{name} must have the parts {', '.join(self.told)}, but are {what}.")

    @property
    def told(self) -> tuple[str, ...]:
        """What messages say of each part."""
        names = self.names or tuple(str(k) for k in range(len(self.shapes)))
        return tuple(
            f"{name} {('n', *shape)}".replace("'", "")
            for name, shape in zip(names, self.shapes, strict=True)
        )

    @staticmethod
    def meant(value: Any) -> bool:
        """Return whether a value is parts, and not numbers of one tensor.

        Parts are a mapping, or a tuple or list of tensors that have more than one number each.
        """
        if isinstance(value, Mapping):
            return True
        several = isinstance(value, Sequence) and len(value) > 0 and not isinstance(value, str)
        return several and all(isinstance(part, Tensor) and part.ndim > 0 for part in value)

    def pack(self, parts: Any) -> Tensor:
        """Return parts of this layout, side by side: ``(n, d)``."""
        named = isinstance(parts, Mapping)
        values = [parts[name] for name in self.names or parts] if named else parts
        tensors = [torch.as_tensor(value) for value in values]
        return torch.cat([tensor.reshape(len(tensor), -1) for tensor in tensors], dim=1)

    def unpack(self, flat: Tensor) -> Parts:
        """Return the parts of ``(..., d)``: a dict where they have names, else a tuple."""
        split = flat.split([math.prod(shape) for shape in self.shapes], dim=-1)
        parts = [
            each.reshape(*flat.shape[:-1], *shape)
            for each, shape in zip(split, self.shapes, strict=True)
        ]
        return dict(zip(self.names, parts, strict=True)) if self.names else tuple(parts)

    def columns(self, part: str | int) -> slice:
        """Return which columns belong to a part, by its name or number."""
        number = self.names.index(part) if isinstance(part, str) else part
        sizes = [math.prod(shape) for shape in self.shapes]
        return slice(sum(sizes[:number]), sum(sizes[: number + 1]))


def _part(name: str, value: Any) -> Tensor:
    tensor = check_tensor(name, value, floating=False)
    if not tensor.is_floating_point():
        raise TypeError(
            f"{name} must be floating point to be searched, but is {str(tensor.dtype)[6:]}; what "
            f"is not searched goes to the objective: given={{…}}."
        )
    if tensor.ndim == 0:
        raise ValueError(f"{name} must have one row per candidate, but is a single number.")
    return tensor
