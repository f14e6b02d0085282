"""xhat: search a model's input by gradient descent, and know of every result if it is genuine.

    start x0 ─encode→ z ─decode→ x ─model→ y ─objective→ loss          (search)
                      ↑________ gradient step, projection ___│
    Result ─judges, truth→ Verdict ─measures→ table, figure, report     (trust)

Two verbs do most of what people want::

    domain = xhat.Domain(X_train, y_train)
    found = xhat.optimize(model, x0, target=3, domain=domain)
    checked = xhat.audit(model, samples_of_any_tool, 3, domain=domain)

Below them lies the engine, for whoever wants each part: ``Problem``, ``solve``, ``pgd``, spaces,
objectives, constraints, ``Judge``, ``Simulator``. Everything here is imported when it is first
used, so that ``import xhat`` costs no torch.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

_ROOMS = {
    "xhat.door.optimizing": ("optimize",),
    "xhat.door.auditing": ("audit",),
    "xhat.training": ("train",),
    "xhat.door.withstanding": ("robustness",),
    "xhat.door.judged": ("Judged",),
    "xhat.domain": ("Column", "Domain", "SelfTest"),
    "xhat.objectives.goals": (
        "AtLeast", "AtMost", "Avoid", "Class", "Distribution", "Goal", "Labels", "Least", "Loss",
        "Most", "Value", "Within",
    ),
    "xhat.methods": ("Method", "known_methods", "method"),
    "xhat.attacks": ("apgd", "minimum_norm", "pgd", "square"),
    "xhat.engine": (
        "LBFGS", "Adam", "AugmentedLagrangian", "Compute", "GradientDescent", "LossBelow",
        "MaxEvaluations", "MaxSeconds", "MaxSteps", "NormalizedDescent", "Plateau", "Problem",
        "Progress", "Restarts", "Result", "SignDescent", "Status", "StoredResult", "TargetReached",
        "Trajectory", "VectorAdam", "Watch", "load", "solve", "solve_to",
    ),
    "xhat.spaces": (
        "Affine", "Between", "Box", "Held", "Latent", "Logit", "Masked", "Normalized", "OneHot",
        "Ordered", "Parts", "Rounded", "Softmax", "Space", "Sparse", "Squashed", "Summed",
        "Symmetric", "Tied", "Warped",
    ),
    "xhat.objectives": (
        "BinaryCrossEntropy", "CrossEntropy", "Custom", "Entropy", "InLatent", "Interval",
        "Margin", "Match", "Maximize", "Objective", "Proximity", "TotalVariation",
    ),
    "xhat.constraints": (
        "AffineEquality", "Bounds", "Constraint", "Equality", "Fixed", "Halfspace", "Inequality",
        "Invariance", "L1Ball", "L2Ball", "LinfBall", "Monotone", "Simplex", "SumWithin",
    ),
    "xhat.core": ("Model",),
    "xhat.executors": ("Dask", "Processes", "Ray"),
    "xhat.judges": ("Judge", "Outcome", "Simulator", "Truth", "Verdict", "Verdicts"),
    "xhat.door.verifying": ("verify",),
    "xhat.door.refinement": ("refine",),
}  # fmt: skip
_WHERE = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = ["__version__", *sorted(_WHERE)]  # pyright: ignore[reportUnsupportedDunderAll]

__version__ = version("xhat")

if TYPE_CHECKING:
    from xhat.attacks import apgd as apgd
    from xhat.attacks import minimum_norm as minimum_norm
    from xhat.attacks import pgd as pgd
    from xhat.domain import Domain as Domain
    from xhat.door.auditing import audit as audit
    from xhat.door.judged import Judged as Judged
    from xhat.door.optimizing import optimize as optimize
    from xhat.door.withstanding import robustness as robustness
    from xhat.engine import Problem as Problem
    from xhat.engine import Result as Result
    from xhat.engine import solve as solve
    from xhat.training import train as train


def __getattr__(name: str) -> Any:
    """Import a public name from its room when it is first used."""
    if name not in _WHERE:
        raise AttributeError(
            f"module 'xhat' has no attribute {name!r}; dir(xhat) lists what it has."
        )
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
