"""Solve: the one loop of the library, and how it steps and stops.

    z ─decode→ x ─objective→ loss ─gradient→ stepper ─project→ z

``solve`` moves every candidate by its own gradient, keeps the best it has seen, drops candidates
from the batch as soon as a stop rule fires, and takes waiting ones in. Only the gradient with
respect to ``z`` is ever computed. A PGD attack is this loop with a ball (``pgd``).
"""

from xhat.solve.attacks import pgd
from xhat.solve.lagrangian import AugmentedLagrangian
from xhat.solve.loop import Compute, solve
from xhat.solve.rows import Live
from xhat.solve.run import Progress, Restarts
from xhat.solve.steppers import (
    LBFGS,
    Adam,
    GradientDescent,
    NormalizedDescent,
    SignDescent,
    Stepper,
)
from xhat.solve.stopping import (
    LossBelow,
    MaxEvaluations,
    MaxSeconds,
    MaxSteps,
    Plateau,
    Snapshot,
    StopRule,
    TargetReached,
)
from xhat.solve.vector_adam import VectorAdam

__all__ = [
    "LBFGS",
    "Adam",
    "AugmentedLagrangian",
    "Compute",
    "GradientDescent",
    "Live",
    "LossBelow",
    "MaxEvaluations",
    "MaxSeconds",
    "MaxSteps",
    "NormalizedDescent",
    "Plateau",
    "Progress",
    "Restarts",
    "SignDescent",
    "Snapshot",
    "Stepper",
    "StopRule",
    "TargetReached",
    "VectorAdam",
    "pgd",
    "solve",
]
