"""Real airfoils: 1,908 of those that people drew, flew and measured, as Kulfan parameters.

Fitted by least squares to the coordinates of the UIUC airfoil database as AeroSandbox carries it
(MIT licence); those which the fit misses by more than 0.2 % of the chord, or which cross
themselves, are left out.

Source: Selig and others, "UIUC Airfoil Coordinates Database", University of Illinois.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat_zoo.airfoil.surrogate import card, material

__all__ = ["Catalogue", "catalogue"]


@dataclass(frozen=True)
class Catalogue:
    """Airfoils by name.

    Attributes:
        names: of the ``n`` airfoils, in alphabetical order.
        parameters: ``(n, 18)`` float64; shared, do not write to it.
    """

    names: tuple[str, ...]
    parameters: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def of(self, *names: str) -> Tensor:
        """Return the parameters of the airfoils of these names, ``(len(names), 18)``.

        Raises:
            ValueError: there is no such airfoil; the message names the most similar.
        """
        return self.parameters[[self._place(name) for name in names]]

    def _place(self, name: str) -> int:
        try:
            return self.names.index(name.lower())
        except ValueError:
            import difflib

            near = difflib.get_close_matches(name.lower(), self.names, n=3, cutoff=0.0)
            raise ValueError(
                f"there is no airfoil {name!r} in the catalogue; similar: {', '.join(near)}."
            ) from None


@functools.cache
def catalogue() -> Catalogue:
    """Return the airfoils that ship with the library, always the same.

    Raises:
        UnreadableFileError: the file is missing or damaged.

    Example:
        >>> real = catalogue()
        >>> real.parameters.shape[1], "naca2412" in real.names
        (18, True)
    """
    names = tuple(card("catalogue")["names"])
    return Catalogue(names, material("catalogue")["parameters"].to(torch.float64))
