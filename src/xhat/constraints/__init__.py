"""Constraints: what must hold for ``x``.

``values(x)`` is ``(n, k)`` and ``violation(x)``, the worst of them, ``(n,)``; feasible means
``<= 0`` (to the problem's tolerance). A constraint says *what* holds; how it is kept is the
business of ``solve``. One that has a closed form, a ``Projected``, offers ``project(x)``, the
nearest feasible point; several of them at once are kept by Dykstra's algorithm. Any other is an
``Inequality`` or an ``Equality`` of a differentiable function. ``certify`` evaluates all of them
once more in float64, on the ``x`` that was found.
"""

from xhat.constraints.balls import Ball, L1Ball, L2Ball, LinfBall
from xhat.constraints.base import Constraint, Linear, Projected
from xhat.constraints.certificate import Certificate, certify
from xhat.constraints.contradictions import contradiction
from xhat.constraints.functions import Equality, Inequality, as_constraint
from xhat.constraints.intersection import Intersection, project_onto_intersection
from xhat.constraints.linear import AffineEquality, Bounds, Fixed, Halfspace, Invariance
from xhat.constraints.monotone import Monotone
from xhat.constraints.round import SecondOrderCone, Sphere
from xhat.constraints.sums import Simplex, SumWithin

__all__ = [
    "AffineEquality",
    "Ball",
    "Bounds",
    "Certificate",
    "Constraint",
    "Equality",
    "Fixed",
    "Halfspace",
    "Inequality",
    "Intersection",
    "Invariance",
    "L1Ball",
    "L2Ball",
    "Linear",
    "LinfBall",
    "Monotone",
    "Projected",
    "SecondOrderCone",
    "Simplex",
    "Sphere",
    "SumWithin",
    "as_constraint",
    "certify",
    "contradiction",
    "project_onto_intersection",
]
