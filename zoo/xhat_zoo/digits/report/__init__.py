"""Pictures and pages of digits: grids of starts and targets, models, controls.

A :class:`MethodGrid` holds what one method made of every pair of a start (row) and a target
(column), with the verdict and the evidence of every cell; a :class:`Summary` holds the numbers.
From a few of them, side by side, come a still picture (:func:`save_grid_png`), a moving one
(:func:`save_morph_gif`) and one self-contained page (:func:`save_page`). Shares are taken over
pairs whose start is not already of the target's class; the diagonal is kept apart.

A :class:`SelfTestRow` holds what judges said of one kind of samples of which the truth is known;
from many comes the figure of a self-test (:func:`save_selftest_png`).
"""

from xhat_zoo.digits.report.confusion import save_selftest_png
from xhat_zoo.digits.report.grids import save_grid_png
from xhat_zoo.digits.report.morph import save_morph_gif
from xhat_zoo.digits.report.page import save_page
from xhat_zoo.digits.report.records import MethodGrid, Summary, SummaryRow, typical_pair
from xhat_zoo.digits.report.selftest import SelfTestRow

__all__ = [
    "MethodGrid",
    "SelfTestRow",
    "Summary",
    "SummaryRow",
    "save_grid_png",
    "save_morph_gif",
    "save_page",
    "save_selftest_png",
    "typical_pair",
]
