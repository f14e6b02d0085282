"""Exploring: one search that somebody watches, from a digit of theirs to another.

    Question ──explore──→ Frame, Frame, …, Finding

The page in the browser (``xhat.web.explorer``) only shows what is composed here.
"""

from xhat_zoo.digits.exploring.code import python_code
from xhat_zoo.digits.exploring.drawing import centred
from xhat_zoo.digits.exploring.exploring import Explorer, Finding, Frame
from xhat_zoo.digits.exploring.knobs import STRUCTURES, Knob, Structure, knobs, structures
from xhat_zoo.digits.exploring.question import Question

__all__ = [
    "STRUCTURES",
    "Explorer",
    "Finding",
    "Frame",
    "Knob",
    "Question",
    "Structure",
    "centred",
    "knobs",
    "python_code",
    "structures",
]
