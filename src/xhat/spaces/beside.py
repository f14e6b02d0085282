"""Spaces for the parts of an input, before it is known how long each part is."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NoReturn

from torch import Tensor

from xhat.core import Layout
from xhat.spaces.base import Space
from xhat.spaces.parts import Parts

__all__ = ["Beside"]


class Beside(Space):
    """A space for every part of starts that come in parts; a ``Problem`` makes one of a dict.

    When the starts are known it becomes ``Parts`` over the columns of each part.

    Args:
        spaces: by the names of the parts, or in their order.

    Raises:
        TypeError: one of them is no space.
        ValueError: there are none.
    """

    per_candidate: ClassVar[tuple[str, ...]] = ()

    def __init__(self, spaces: Mapping[str, Space] | Sequence[Space]) -> None:
        named = isinstance(spaces, Mapping)
        self.names = tuple(spaces) if named else tuple(map(str, range(len(spaces))))
        self.spaces = tuple(spaces.values()) if named else tuple(spaces)
        if not self.spaces:
            raise ValueError(
                "there must be a space for each part of the starts, but there is none."
            )
        for name, space in zip(self.names, self.spaces, strict=True):
            if not isinstance(space, Space):
                raise TypeError(
                    f"the space of part {name!r} must be a Space, not {type(space).__name__}."
                )

    def laid_out(self, layout: Layout) -> Space:
        """Return the same over the columns of a flat tensor.

        Raises:
            ValueError: the starts have other parts.
        """
        parts = layout.names or tuple(map(str, range(len(layout.shapes))))
        if set(parts) != set(self.names):
            raise ValueError(
                f"there must be a space for each part of the starts, {', '.join(parts)}, but there "
                f"are spaces for {', '.join(self.names)}."
            )
        columns = {name: layout.columns(number) for number, name in enumerate(parts)}
        spaces = dict(zip(self.names, self.spaces, strict=True))
        return Parts({name: spaces[name] for name in parts}, columns)

    def check(self, x: Tensor) -> None:  # noqa: ARG002
        """Raise ``ValueError``: such starts have no parts."""
        raise ValueError(
            f"the problem has a space for each of {', '.join(self.names)}, but the starts are one "
            f"tensor; give a dict (or tuple) of them, or Parts(spaces, columns)."
        )

    def decode(self, z: Tensor) -> NoReturn:
        """Raise: which columns belong to which part is not known yet."""
        raise NotImplementedError("parts are decoded when their columns are known.")

    def encode(self, x: Tensor) -> NoReturn:
        """Raise: which columns belong to which part is not known yet."""
        raise NotImplementedError("parts are encoded when their columns are known.")
