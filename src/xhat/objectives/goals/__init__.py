"""Goals: what is wanted of a model's output, said before any model is named.

A goal makes the objective that a search minimises, and says what a judge should look for::

    Class(3)                 the most probable class is 3; of a map, a class for each position
    Distribution(p)          softmax f(x) is p
    Avoid(3)                 any class but 3: an untargeted attack
    Labels([1, 0, nan, 1])   several labels at once, by sigmoid f(x); NaN for any
    Value(70.0, 0.5)         f(x) is 70, to 0.5
    Within(65.0, 75.0)       f(x) lies in between
    AtLeast(65.0), AtMost(75.0)
    Least(), Most()          f(x) as low, or as high, as can be
    Loss(g, reached=0.1)     g(f(x)) as low as can be, met at 0.1

Classes may be given by one number for all candidates or by one for each, values likewise. A model
of several outputs is asked for a row of numbers, with NaN (or ends that are infinite) for any, or
by ``column=`` for one of them.
"""

from xhat.objectives.goals.base import Goal
from xhat.objectives.goals.classes import Avoid, Class, Distribution
from xhat.objectives.goals.extremes import Least, Loss, Most
from xhat.objectives.goals.labels import Labels
from xhat.objectives.goals.plain import as_goal
from xhat.objectives.goals.values import AtLeast, AtMost, Value, Within

__all__ = [
    "AtLeast",
    "AtMost",
    "Avoid",
    "Class",
    "Distribution",
    "Goal",
    "Labels",
    "Least",
    "Loss",
    "Most",
    "Value",
    "Within",
    "as_goal",
]
