"""Satellite collision avoidance: the smallest burn that makes a collision improbable.

A satellite will pass something in low Earth orbit too closely. A manoeuvre ``x`` is an impulse Δv
(radial, transverse, normal, m/s) and its time (s before the closest approach). The truth propagates
and integrates: ``log10 Pc`` after the manoeuvre. The surrogate ``f_θ`` gives the same in
microseconds, with gradients.
"""

from xhat.tasks.conjunction.approaching import Approach, approach, truth
from xhat.tasks.conjunction.approximation import CONTEXT, Surrogate, describe
from xhat.tasks.conjunction.cases import published
from xhat.tasks.conjunction.encounters import Encounters, Limits
from xhat.tasks.conjunction.orbits import propagate
from xhat.tasks.conjunction.plain import Plain
from xhat.tasks.conjunction.probability import encounter_plane, log10_probability
from xhat.tasks.conjunction.shipped import PARTS, card, surrogate, train_shipped
from xhat.tasks.conjunction.simulating import ALARM, simulate
from xhat.tasks.conjunction.training import HELD_OUT, Recipe, Rows, errors, rows, train

__all__ = [
    "ALARM",
    "CONTEXT",
    "HELD_OUT",
    "PARTS",
    "Approach",
    "Encounters",
    "Limits",
    "Plain",
    "Recipe",
    "Rows",
    "Surrogate",
    "approach",
    "card",
    "describe",
    "encounter_plane",
    "errors",
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
