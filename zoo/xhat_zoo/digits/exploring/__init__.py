"""Exploring: one search that somebody watches, from a digit of theirs to another.

    Question ──explore──→ Frame, Frame, …, Finding

The page in the browser (``xhat.apps.explorer``) only shows what is composed here.
"""

from xhat_zoo.digits.exploring.code import python_code
from xhat_zoo.digits.exploring.drawing import centred
from xhat_zoo.digits.exploring.exploring import Explorer, Finding, Frame
from xhat_zoo.digits.exploring.question import Question
from xhat_zoo.digits.exploring.settings import STRUCTURES, Setting, Structure, settings, structures

__all__ = [
    "STRUCTURES",
    "Explorer",
    "Finding",
    "Frame",
    "Question",
    "Setting",
    "Structure",
    "centred",
    "python_code",
    "settings",
    "structures",
]
