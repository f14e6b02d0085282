"""Solve: the one loop of the library: from a ``Problem``, the frozen question, to a ``Result``.

    z ─decode→ x ─objective→ loss ─gradient→ stepper ─project→ z

``solve`` moves every candidate by its own gradient, keeps the best it has seen, drops candidates
from the batch as soon as a stop rule fires, and takes waiting ones in. Only the gradient with
respect to ``z`` is ever computed. An attack is this loop with a ball, or on
the way to the nearest input that is misread (``xhat.attacks``).
"""

from xhat.engine.compute import Compute
from xhat.engine.lagrangian import AugmentedLagrangian
from xhat.engine.loop import solve
from xhat.engine.parts import StoredResult, load
from xhat.engine.problem import Problem
from xhat.engine.result import Result, Trajectory
from xhat.engine.rows import Live
from xhat.engine.run import Progress, Restarts, Watch
from xhat.engine.shards import solve_to
from xhat.engine.sqp import SQP
from xhat.engine.status import Ending, Status
from xhat.engine.steppers import (
    LBFGS,
    Adam,
    GradientDescent,
    NormalizedDescent,
    SignDescent,
    Stepper,
)
from xhat.engine.stopping import (
    LossBelow,
    MaxEvaluations,
    MaxSeconds,
    MaxSteps,
    Plateau,
    Snapshot,
    StopRule,
    TargetReached,
)
from xhat.engine.vector_adam import VectorAdam

__all__ = [
    "LBFGS",
    "SQP",
    "Adam",
    "AugmentedLagrangian",
    "Compute",
    "Ending",
    "GradientDescent",
    "Live",
    "LossBelow",
    "MaxEvaluations",
    "MaxSeconds",
    "MaxSteps",
    "NormalizedDescent",
    "Plateau",
    "Problem",
    "Progress",
    "Restarts",
    "Result",
    "SignDescent",
    "Snapshot",
    "Status",
    "Stepper",
    "StopRule",
    "StoredResult",
    "TargetReached",
    "Trajectory",
    "VectorAdam",
    "Watch",
    "load",
    "solve",
    "solve_to",
]
