"""Objectives: what is wanted of ``x``.

An objective maps inputs to one loss per candidate, ``(n,)``, never reduced over candidates.
Everything minimises. Objectives add and scale, and any callable ``x -> (n,)`` joins them::

    CrossEntropy(f, target) + 0.1 * Proximity(x0) + my_penalty

One that aims at a target also says, from the same pass through the model, whether the model gives
the target and how confident it is (``Measurement``), so that a search can stop there.
"""

from xhat.objectives.base import (
    Custom,
    InLatent,
    Measurement,
    Objective,
    Sum,
    Weighted,
    as_objective,
    together,
)
from xhat.objectives.classes import CrossEntropy, Margin, Untargeted
from xhat.objectives.energy import Energy
from xhat.objectives.labels import BinaryCrossEntropy
from xhat.objectives.latents import GaussianEnergy, LatentPrior, PriorEnergy
from xhat.objectives.outputs import Maximize, Score
from xhat.objectives.penalties import Proximity, TotalVariation
from xhat.objectives.priors import Hinge, NearReal, TypicalityPenalty
from xhat.objectives.ratios import Lead, LogitRatio
from xhat.objectives.scores import ScorePrior
from xhat.objectives.transformations import Transformed
from xhat.objectives.uncertainty import Disagreement, Entropy, Indecision, Members
from xhat.objectives.values import Interval, Match

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Custom",
    "Disagreement",
    "Energy",
    "Entropy",
    "GaussianEnergy",
    "Hinge",
    "InLatent",
    "Indecision",
    "Interval",
    "LatentPrior",
    "Lead",
    "LogitRatio",
    "Margin",
    "Match",
    "Maximize",
    "Measurement",
    "Members",
    "NearReal",
    "Objective",
    "PriorEnergy",
    "Proximity",
    "Score",
    "ScorePrior",
    "Sum",
    "TotalVariation",
    "Transformed",
    "TypicalityPenalty",
    "Untargeted",
    "Weighted",
    "as_objective",
    "together",
]
