"""Demos: what every task shows of itself, as one page each.

The demo of digits, ``digits``, has options of its own; those of the other tasks are alike, and in
``DEMOS``.
"""

from xhat.study.demos.airfoil import AIRFOIL
from xhat.study.demos.ambigrams import AMBIGRAMS
from xhat.study.demos.conjunction import CONJUNCTION
from xhat.study.demos.demonstration import Demonstration, Stage
from xhat.study.demos.shapes import SHAPES_DEMO

__all__ = ["DEMOS", "Demonstration", "Stage"]

DEMOS: dict[str, Demonstration] = {
    demo.name: demo for demo in (AMBIGRAMS, SHAPES_DEMO, CONJUNCTION, AIRFOIL)
}
