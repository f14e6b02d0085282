"""Groups: finite sets of changes that leave the meaning of an input as it was.

A group holds ``order`` elements. ``act(k, x)`` is the input ``g_k x``; ``g_0`` is the identity, and
a change after a change is again one of the group: ``act(a, act(b, x)) = act(product(a, b), x)``.
All act linearly, and on every candidate alike.

An input with ``g_k x = x`` for every ``k`` is *symmetric*; ``symmetrize`` returns the nearest one,
the mean of ``x``'s *orbit* ``g_0 x, g_1 x, ...``. The room keeps symmetry to the last bit, which is
more than a mean does: a sum depends on the order of its terms, two symmetric pixels sum in two
orders, and steps such as ``rate * sign(gradient)`` turn a difference of 1e-17 around 0 into one of
``2 * rate``. So means here do not depend on the order of their terms (``average``), neither on the
way forward nor in the gradient. This room imports nothing of ours but ``core``.
"""

from xhat.symmetry.averages import average
from xhat.symmetry.base import Group, check_acting
from xhat.symmetry.images import Dihedral, Mirror, Rotations
from xhat.symmetry.matrices import MatrixGroup
from xhat.symmetry.registry import GROUPS, group
from xhat.symmetry.shifts import Translations
from xhat.symmetry.tables import Permutations, SignFlips

__all__ = [
    "GROUPS",
    "Dihedral",
    "Group",
    "MatrixGroup",
    "Mirror",
    "Permutations",
    "Rotations",
    "SignFlips",
    "Translations",
    "average",
    "check_acting",
    "group",
]
