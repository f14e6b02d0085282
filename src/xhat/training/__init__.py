"""Training on any labelled domain, and what the trained surrogate is worth.

``train`` makes a classifier by a recipe (``xhat.surrogates.recipes``), from the half of a domain
that its judge never sees. ``appraise`` measures it on samples that it was not trained on: how often
it is right and how sure, under damage, in balls, on samples of no class, and above all where a
search by its gradient leads, by the domain's own judge. ``write_report`` puts that on one page.
"""

from xhat.training.appraisal import Appraisal, Scope, appraise
from xhat.training.measures import certainty, in_balls, input_gradients, told_apart, under_damage
from xhat.training.page import ModelReport, write_report
from xhat.training.steering import Steering, steered
from xhat.training.training import train

__all__ = [
    "Appraisal",
    "ModelReport",
    "Scope",
    "Steering",
    "appraise",
    "certainty",
    "in_balls",
    "input_gradients",
    "steered",
    "told_apart",
    "train",
    "under_damage",
    "write_report",
]
