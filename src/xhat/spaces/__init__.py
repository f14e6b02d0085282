"""Spaces: how a candidate is parameterised.

A space maps the search variable ``z`` (``(n, *z_shape)``) to the input ``x`` (``(n, *x_shape)``)
that the model sees::

    z = space.begin(x0)      where the search starts
    x = space.decode(z)      differentiable
    z = space.project(z)     back to where the space is defined, after every step

``encode`` inverts ``decode``. Where ``space.exact`` is true, ``decode(encode(x)) = x`` for every
``x`` in the space; where ``space.carries`` is true, projections that a constraint offers in ``x``
can be carried back to ``z``. Spaces wrap spaces: ``Masked(Latent(...), mask, values)``; a pair
whose structures cannot be kept together is refused.

``Parts`` holds spaces side by side. ``Rounded``, ``OneHot`` and ``Sparse`` are countable: their
``lattice`` says in what, and ``solve`` tries the neighbours of what it found.
"""

from xhat.spaces.affine import Affine
from xhat.spaces.base import Space, Wrapped
from xhat.spaces.between import Between
from xhat.spaces.box import Box, Logit
from xhat.spaces.held import Held
from xhat.spaces.latent import Latent
from xhat.spaces.lattice import Lattice
from xhat.spaces.masked import Masked
from xhat.spaces.nesting import check_kept
from xhat.spaces.onehot import OneHot
from xhat.spaces.ordered import Ordered
from xhat.spaces.parts import Parts
from xhat.spaces.round import Normalized, Squashed
from xhat.spaces.rounded import Rounded
from xhat.spaces.softmax import Softmax
from xhat.spaces.sparse import Sparse
from xhat.spaces.summed import Summed
from xhat.spaces.symmetric import Symmetric, Tied
from xhat.spaces.warped import Warped

__all__ = [
    "Affine",
    "Between",
    "Box",
    "Held",
    "Latent",
    "Lattice",
    "Logit",
    "Masked",
    "Normalized",
    "OneHot",
    "Ordered",
    "Parts",
    "Rounded",
    "Softmax",
    "Space",
    "Sparse",
    "Squashed",
    "Summed",
    "Symmetric",
    "Tied",
    "Warped",
    "Wrapped",
    "check_kept",
]
