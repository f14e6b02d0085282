"""Constraints: what must hold for ``x``.

``violation(x)`` is ``(n,)``; feasible means ``<= 0`` (to the problem's tolerance). A constraint
says *what* holds; how it is kept is the business of ``solve``. One that has a closed form offers
``project(x)``, the nearest feasible point.
"""

from xhat.constraints.balls import Ball, L1Ball, L2Ball, LinfBall
from xhat.constraints.base import Constraint

__all__ = ["Ball", "Constraint", "L1Ball", "L2Ball", "LinfBall"]
