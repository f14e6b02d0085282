"""Satellite collision avoidance: the smallest burn that makes a collision improbable.

A satellite will pass something in low Earth orbit too closely. A manoeuvre ``x`` is an impulse Δv
(radial, transverse, normal, m/s) and its time (s before the closest approach). The truth propagates
and integrates: ``log10 Pc`` after the manoeuvre. The surrogate ``f_θ`` gives the same in
microseconds, with gradients.
"""

from xhat_zoo.conjunction.approaching import Approach, approach, truth
from xhat_zoo.conjunction.approximation import CONTEXT, Surrogate, describe
from xhat_zoo.conjunction.avoiding import CERTIFIED, INFEASIBLE, Avoidance, avoid
from xhat_zoo.conjunction.burns import Burns, conditions, first_burns
from xhat_zoo.conjunction.cases import published
from xhat_zoo.conjunction.encounters import Encounters, Limits
from xhat_zoo.conjunction.orbits import propagate
from xhat_zoo.conjunction.plain import Plain
from xhat_zoo.conjunction.probability import encounter_plane, log10_probability
from xhat_zoo.conjunction.shipped import PARTS, card, surrogate, train_shipped
from xhat_zoo.conjunction.simulating import ALARM, simulate
from xhat_zoo.conjunction.training import HELD_OUT, Recipe, Rows, errors, rows, train

__all__ = [
    "ALARM",
    "CERTIFIED",
    "CONTEXT",
    "HELD_OUT",
    "INFEASIBLE",
    "PARTS",
    "Approach",
    "Avoidance",
    "Burns",
    "Encounters",
    "Limits",
    "Plain",
    "Recipe",
    "Rows",
    "Surrogate",
    "approach",
    "avoid",
    "card",
    "conditions",
    "describe",
    "encounter_plane",
    "errors",
    "first_burns",
    "log10_probability",
    "propagate",
    "published",
    "rows",
    "simulate",
    "surrogate",
    "train",
    "train_shipped",
    "truth",
]
