"""Constraints: what must hold for ``x``.

``values(x)`` is ``(n, k)`` and ``violation(x)``, the worst of them, ``(n,)``; feasible means
``<= 0`` (to the problem's tolerance). A constraint says *what* holds; how it is kept is the
business of ``solve``. One that has a closed form, a ``Projected``, offers ``project(x)``, the
nearest feasible point; any other is an ``Inequality`` or an ``Equality`` of a differentiable
function. ``certify`` evaluates all of them once more in float64, on the ``x`` that was found.
"""

from xhat.constraints.balls import Ball, L1Ball, L2Ball, LinfBall
from xhat.constraints.base import Constraint, Projected
from xhat.constraints.certificate import Certificate, certify
from xhat.constraints.functions import Equality, Inequality

__all__ = [
    "Ball",
    "Certificate",
    "Constraint",
    "Equality",
    "Inequality",
    "L1Ball",
    "L2Ball",
    "LinfBall",
    "Projected",
    "certify",
]
