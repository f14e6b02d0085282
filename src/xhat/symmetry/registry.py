"""The groups that have a name, for images of any square size."""

from collections.abc import Callable

from xhat.core import check_choice
from xhat.symmetry.base import Group
from xhat.symmetry.images import Dihedral, Mirror, Rotations

__all__ = ["GROUPS", "group"]

GROUPS: dict[str, Callable[[], Group]] = {
    "c2": lambda: Rotations(2),
    "c4": lambda: Rotations(4),
    "c8": lambda: Rotations(8),
    "d4": Dihedral,
    "mirror": Mirror,
}
"""Names of image groups, and what makes them; ``c8`` interpolates and so is not exact."""


def group(name: str) -> Group:
    """Return the image group of that name.

    Args:
        name: one of ``GROUPS``.

    Raises:
        ValueError: another name; the message lists them.

    Example:
        >>> group("d4").order, group("c8").exact
        (8, False)
    """
    return GROUPS[check_choice("group", name, GROUPS)]()
