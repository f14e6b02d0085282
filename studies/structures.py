"""Digits of which something must hold exactly, by a search or a diffusion."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.domain import Domain
from xhat.spaces import Held
from xhat_zoo import digits
from xhat_zoo.digits.domain import digits_domain

__all__ = ["STRUCTURES", "Structure", "in_structure"]

_HALVINGS = 30  # of the interval in which the shift lies: to float32's last bit
_ROWS = 14  # from the top, that may change where the rest is frozen


@dataclass(frozen=True)
class Structure:
    """Something that must hold of a result.

    Attributes:
        name: as in tables.
        caption: what must hold, in a few words.
        targets: the digits that can have it.
        holds: ``(x, starts) -> x``, what it is projected onto.
    """

    name: str
    caption: str
    targets: tuple[int, ...]
    holds: Callable[[Tensor, Tensor], Tensor]

    def violation(self, x: Tensor, starts: Tensor) -> Tensor:
        """Return the largest change of a pixel that the projection still makes, ``(n,)``."""
        return (self.holds(x, starts) - x).flatten(1).abs().amax(dim=1)


def mirrored(x: Tensor, starts: Tensor) -> Tensor:
    """Return the nearest image that is its own mirror image, left and right."""
    del starts
    return (x + x.flip(-1)) / 2


def frozen(x: Tensor, starts: Tensor) -> Tensor:
    """Return the image with the start's lower half."""
    return torch.cat((x[..., :_ROWS, :], starts[..., _ROWS:, :]), dim=-2)


def as_much_ink(x: Tensor, starts: Tensor) -> Tensor:
    """Return the nearest image in [0, 1] whose pixels sum up to what the start's do.

    The same is added to every pixel before it is clipped; how much is found by halving, and by one
    step of Newton's method, through which the gradient flows.

    Source: Wang, Lu, "Projection onto the Capped Simplex", 2015.
    """
    wanted = starts.flatten(1).sum(dim=1)

    def ink(shift: Tensor) -> Tensor:
        return (x + shift.reshape(-1, 1, 1, 1)).clamp(0, 1).flatten(1).sum(dim=1)

    with torch.no_grad():
        low = -x.flatten(1).amax(dim=1)
        high = 1 - x.flatten(1).amin(dim=1)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            enough = ink(middle) >= wanted
            low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
        shift = (low + high) / 2
        moved = x + shift.reshape(-1, 1, 1, 1)
        free = ((moved > 0) & (moved < 1)).flatten(1).sum(dim=1).clamp(min=1)
    shift = shift + (wanted - ink(shift)) / free
    return (x + shift.reshape(-1, 1, 1, 1)).clamp(0, 1)


STRUCTURES = {
    structure.name: structure
    for structure in (
        Structure("mirror", "its own mirror image", (0, 1, 8), mirrored),
        Structure("frozen", "the start's lower half", tuple(range(digits.CLASSES)), frozen),
        Structure("ink", "as much ink as the start", tuple(range(digits.CLASSES)), as_much_ink),
    )
}


def in_structure(structure: Structure) -> Domain:
    """Return digits of which searches, and diffusions, keep to those of the structure."""
    return digits_domain().within(lambda space, x0: Held(space, structure.holds, x0))
