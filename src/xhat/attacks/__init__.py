"""Attacks: how little it takes to fool a model, each of them the one loop of the library.

| attack | looks for |
| --- | --- |
| ``pgd``, ``apgd`` | a misread input within a ball around the start: Linf, L2, L1 |
| ``square`` | the same in Linf, of a model that is only asked, never differentiated |
| ``minimum_norm`` | the nearest misread input: Linf, L2, L1, L0 |
| ``deepfool``, ``carlini_wagner`` | the same, as papers compare with it |
| ``universal_perturbation``, ``patch`` | one change for many inputs |

Every attack takes a model, starts, and either the class to reach (``target=``) or the one to leave
(``label=``), and returns a ``Result``: candidates are independent and leave when they are done, and
what is claimed of an input is asked once more of that very input.
"""

from xhat.attacks.adaptive import AdaptiveStep, NewtonStep, RandomSquares
from xhat.attacks.aims import BALLS, NORMS, Norm, distances
from xhat.attacks.boundary import carlini_wagner, deepfool
from xhat.attacks.gradient import apgd, pgd, square
from xhat.attacks.nearest import NearestReached, ShrinkingBall, minimum_norm
from xhat.attacks.universal import patch, universal_perturbation

__all__ = [
    "BALLS",
    "NORMS",
    "AdaptiveStep",
    "NearestReached",
    "NewtonStep",
    "Norm",
    "RandomSquares",
    "ShrinkingBall",
    "apgd",
    "carlini_wagner",
    "deepfool",
    "distances",
    "minimum_norm",
    "patch",
    "pgd",
    "square",
    "universal_perturbation",
]
