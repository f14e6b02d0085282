"""Exploring: one search that somebody watches, from a digit of theirs to another.

    Question ──explore──→ Frame, Frame, …, Finding          Gallery: results of earlier searches

A page in the browser and the command line only show what is composed here.
"""

from xhat.study.exploring.code import python_code
from xhat.study.exploring.drawing import centred
from xhat.study.exploring.exploring import Cancelled, Explorer, Finding, Frame
from xhat.study.exploring.gallery import Gallery
from xhat.study.exploring.knobs import STRUCTURES, Knob, Structure, knobs, structures
from xhat.study.exploring.question import Question
from xhat.study.exploring.tiles import png, tiled

__all__ = [
    "STRUCTURES",
    "Cancelled",
    "Explorer",
    "Finding",
    "Frame",
    "Gallery",
    "Knob",
    "Question",
    "Structure",
    "centred",
    "knobs",
    "png",
    "python_code",
    "structures",
    "tiled",
]
