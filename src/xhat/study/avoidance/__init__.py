"""Collision avoidance, composed: the task ``conjunction``, its surrogate, the search, the truth."""

from xhat.study.avoidance.avoiding import CERTIFIED, INFEASIBLE, Avoidance, avoid
from xhat.study.avoidance.burns import Burns, conditions, first_burns

__all__ = [
    "CERTIFIED",
    "INFEASIBLE",
    "Avoidance",
    "Burns",
    "avoid",
    "conditions",
    "first_burns",
]
